"""What callers may do: scopes for systems, and the roles of people, which are sets of scopes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Scope = Literal[
    "orders:read",
    "orders:write",
    "returns:write",
    "allowances:write",
    "audit:read",
    "events:read",
    "subscriptions:write",
    "products:read",
    "customers:read",
]
"""What a system may be given."""
PeopleScope = Literal["decisions:write", "approvals:write"]
"""What only a person may: it takes somebody who answers for it."""
Right = Scope | PeopleScope
Role = Literal["viewer", "operator", "finance", "engineer", "admin"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
PEOPLE_SCOPES: tuple[PeopleScope, ...] = get_args(PeopleScope)
ROLES: tuple[Role, ...] = get_args(Role)

_SEES: frozenset[Right] = frozenset(("orders:read", "audit:read", "events:read", "products:read", "customers:read"))
_MAY: Mapping[str, frozenset[Right]] = {
    "viewer": _SEES,
    "operator": _SEES.union(("returns:write", "decisions:write")),
    "finance": _SEES.union(("allowances:write", "approvals:write")),
    "engineer": _SEES.union(("decisions:write",)),
    # Orders are their channel's to submit, and whoever is told something subscribed to it.
    "admin": _SEES.union(SCOPES, PEOPLE_SCOPES) - {"orders:write", "subscriptions:write"},
}


def rights_of(roles: Iterable[str]) -> frozenset[Right]:
    """What somebody of these roles may do."""
    return frozenset[Right]().union(*(_MAY[role] for role in roles))
