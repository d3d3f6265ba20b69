"""Buyers' personal data, hidden from those whose roles don't need it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

MASK = "····"
# Of the canonical language: what an Address, a Customer, an Order and the notices call a person by.
_PERSONAL = frozenset({"name", "company", "street", "city", "region", "postal_code", "phone", "email", "to"})
# Shorter texts stand in many words that name nobody.
_LETTERS_MIN = 3
_EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"',;)]+")


def masked(value: Any) -> Any:
    """A canonical body without what tells who somebody is; the country stays, for taxes depend on it."""
    match value:
        case Mapping():
            told = cast("Mapping[str, Any]", value)
            return {key: _hidden(each) if key in _PERSONAL else masked(each) for key, each in told.items()}
        case list() | tuple():
            return [masked(each) for each in cast("Sequence[Any]", value)]
        case _:
            return value


def _hidden(value: Any) -> Any:
    return value if value in ("", None) else MASK


def for_eyes(sees_buyers: bool, bodies: Iterable[Any] = ()) -> Callable[[str], str]:
    """How free text of ours is shown to somebody: without whom these bodies tell of, as they call them."""
    return _shown(sees_buyers, bodies, masked_text)


def of_others(sees_buyers: bool, bodies: Iterable[Any]) -> Callable[[str], str]:
    """How what a system says is shown: it may say of whom. Where the bodies call nobody anything, none of it is shown."""
    return _shown(sees_buyers, bodies, _hidden)


def _shown(sees_buyers: bool, bodies: Iterable[Any], if_nobody_is_known: Callable[[str], str]) -> Callable[[str], str]:
    if sees_buyers:
        return str
    known = {word for body in bodies for word in _personal(body)}
    if not known:
        return if_nobody_is_known
    named = re.compile("|".join(map(re.escape, sorted(known, key=len, reverse=True))), re.IGNORECASE)
    return lambda text: named.sub(MASK, masked_text(text))


def _personal(value: Any) -> Iterator[str]:
    """What tells who somebody is, in a canonical body; of their name each part."""
    match value:
        case Mapping():
            for key, each in cast("Mapping[str, Any]", value).items():
                found = list(_texts(each)) if key in _PERSONAL else list(_personal(each))
                yield from found
                yield from (
                    part for text in found if key == "name" for part in text.split() if len(part) >= _LETTERS_MIN
                )
        case list() | tuple():
            for each in cast("Sequence[Any]", value):
                yield from _personal(each)
        case _:
            pass


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield from [value] if len(value) >= _LETTERS_MIN else []
        case list() | tuple():
            for each in cast("Sequence[Any]", value):
                yield from _texts(each)
        case _:
            pass


def masked_text(text: str) -> str:
    """Free text without the e-mail addresses in it."""
    return _EMAIL.sub(MASK, text)
