"""Buyers' personal data, hidden from those whose roles don't need it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

MASK = "····"
# Of the canonical language: what an Address, a Customer, an Order and the notices call a person by.
_PERSONAL = frozenset({"name", "company", "street", "city", "region", "postal_code", "phone", "email", "to"})
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


def for_eyes(sees_buyers: bool) -> Callable[[str], str]:
    """How free text is shown to somebody."""
    return str if sees_buyers else masked_text


def masked_text(text: str) -> str:
    """Free text without the e-mail addresses in it."""
    return _EMAIL.sub(MASK, text)
