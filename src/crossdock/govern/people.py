"""Who may decide: the people of each role, as the settings name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from crossdock.govern.shaping import BadSettings

People = Mapping[str, tuple[str, ...]]
"""role -> names, as `--by` gives them; case makes no difference"""

_NAME_CHARACTERS_MAX = 100


def people_from(told: object) -> People:
    """`[people]`: a list of names for each role."""
    if not isinstance(told, dict):
        raise BadSettings('people is no table; write for instance [people] with finance = ["mara", "otto"] in it')
    return {role: _names(role, each) for role, each in cast("dict[str, object]", told).items()}


def _names(role: str, told: object) -> tuple[str, ...]:
    key = f"people.{role}"
    names = cast("list[object]", told) if isinstance(told, list) else []
    if not names or not all(isinstance(name, str) and 0 < len(name.strip()) <= _NAME_CHARACTERS_MAX for name in names):
        raise BadSettings(f'{key}: write a list of names, such as ["mara", "otto"]')
    known = [str(name).strip() for name in names]
    if len({name.casefold() for name in known}) < len(known):
        raise BadSettings(f"{key}: somebody is named twice; case makes no difference")
    return tuple(known)


def named(people: People, role: str, by: str) -> str | None:
    """The person's name as the settings spell it; None when they are not in the role."""
    wanted = by.strip().casefold()
    return next((name for name in people.get(role, ()) if name.casefold() == wanted), None)
