"""Facts as people have corrected them: words that tell or address, never what moves goods or money. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from crossdock.canonical.correction import Correction
from crossdock.promises.standing import Fact

N = TypeVar("N", bound=msgspec.Struct)

# The country is left out: the taxes that were paid depend on it.
_ADDRESS = ("name", "company", "street.0", "street.1", "city", "region", "postal_code", "phone")
CORRECTABLE: Mapping[str, tuple[str, ...]] = {
    "order": ("email", *(f"{part}.{name}" for part in ("ship_to", "bill_to") for name in _ADDRESS)),
    "customer": ("name", "email", "phone", *(f"address.{name}" for name in _ADDRESS)),
}
"""By kind, the fields that a person may put right."""


def corrected(facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """The same facts, each as people have corrected it; in whatever order their words came (S4)."""
    words = [fact.body for fact in facts if fact.kind == "correction"]
    if not words:
        return tuple(facts)
    return tuple(_corrected(fact, [word for word in words if word.about == fact.id]) for fact in facts)


def _corrected(fact: Fact, words: Sequence[Correction]) -> Fact:
    if not words or fact.kind not in CORRECTABLE:
        return fact
    body = with_corrections(fact.kind, fact.body, words)
    return Fact(fact.id, fact.kind, fact.connection, fact.recorded_at, fact.changed_at, body)


def with_corrections(kind: str, body: N, words: Iterable[Correction]) -> N:
    """A body with the corrections that still hold; a source that says something else since has the last word."""
    told: dict[str, Any] = msgspec.to_builtins(body)
    for word in words:
        if word.field in CORRECTABLE[kind] and value_at(told, word.field) == word.was:
            _put(told, word.field, word.now)
    return msgspec.convert(told, type(body))


def correctable(kind: str, body: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """(field, what it says) for each field that may be put right; none of an address that isn't there."""
    told: dict[str, Any] = msgspec.to_builtins(body)
    for field in CORRECTABLE.get(kind, ()):
        if (value := value_at(told, field)) is not None:
            yield field, value


def value_at(told: Mapping[str, Any], field: str) -> str | None:
    """What a body says in a field, empty where it says nothing; None where there is no such field."""
    found: Any = told
    *outer, last = field.split(".")
    for name in outer:
        found = found.get(name, []) if name == "street" else found.get(name)
        if found is None:
            return None
    if isinstance(found, list | tuple):
        lines = cast("Sequence[str]", found)
        return lines[int(last)] if int(last) < len(lines) else ""
    return found.get(last, "")


def _put(told: dict[str, Any], field: str, value: str) -> None:
    held: Any = told
    *outer, last = field.split(".")
    for name in outer:
        held[name] = list(held.get(name, ())) if name == "street" else held[name]
        held = held[name]
    if isinstance(held, list):
        lines = cast("list[str]", held)
        lines.extend([""] * (int(last) + 1 - len(lines)))
        lines[int(last)] = value
        while lines and not lines[-1]:
            lines.pop()
    else:
        held[last] = value
