"""A party's e-mail and phone: which of its contact mechanisms are ours, and what to write so that they are right. Pure.

Ours carry the web shop's name; what people added by hand is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from crossdock.connectors.tryton.rpc import Values

EMAIL = ("email",)
PHONE = ("phone", "mobile", "other")
"""A number that Tryton refuses as a phone's is kept as "other": it must not hold up the customer's orders."""


class HeldContact(msgspec.Struct, frozen=True):
    id: int
    type: str
    value: str
    name: str | None
    active: bool | int


@dataclass(frozen=True)
class Contact:
    """One thing wanted of a party: nothing when `value` is empty. `kept_as` is the type a new one gets."""

    types: tuple[str, ...]
    value: str
    kept_as: str


def phone_as_held(value: str) -> str:
    """Digits and a leading plus: spaces and brackets are how it is shown."""
    digits = re.sub(r"\D", "", value)
    return f"+{digits}" if value.strip().startswith("+") and digits else digits


def held_value(held: Sequence[HeldContact], wanted: Contact, mark: str) -> str:
    """What the party has of ours; in the words it was wanted in where it says the same."""
    ours = _ours(held, wanted.types, mark)
    if ours is None or not ours.active:
        return ""
    return wanted.value if _same(ours.value, wanted) else spelt(ours)


def spelt(held: HeldContact) -> str:
    return phone_as_held(held.value) if held.type in PHONE else held.value


def changes(held: Sequence[HeldContact], wanted: Contact, mark: str) -> Iterator[list[object]]:
    """What to write on `contact_mechanisms`; nothing when they are right."""
    ours = _ours(held, wanted.types, mark)
    if not wanted.value:
        if ours and ours.active:
            yield ["write", [ours.id], {"active": False}]
    elif ours is None:
        alike = [each for each in held if each.active and not each.name and each.type in wanted.types]
        adopted = next((each for each in alike if _same(each.value, wanted)), None)
        yield ["write", [adopted.id], {"name": mark}] if adopted else ["create", [created(wanted, mark)]]
    elif not (ours.active and _same(ours.value, wanted)):
        yield ["write", [ours.id], {"value": wanted.value, "type": wanted.kept_as, "active": True}]


def created(wanted: Contact, mark: str) -> Values:
    return {"type": wanted.kept_as, "value": wanted.value, "name": mark}


def _ours(held: Sequence[HeldContact], types: Sequence[str], mark: str) -> HeldContact | None:
    found = [each for each in held if each.name == mark and each.type in types]
    return min(found, key=lambda each: (not each.active, each.id), default=None)


def _same(value: str, wanted: Contact) -> bool:
    """Tryton spells numbers its own way, and adds the country's prefix to one that has none."""
    if wanted.types == EMAIL:
        return value.casefold() == wanted.value.casefold()
    held, asked = (re.sub(r"\D", "", each) for each in (value, wanted.value))
    return held == asked or (len(asked) > 5 and not wanted.value.startswith("+") and held.endswith(asked.lstrip("0")))
