"""The vocabulary of the pure core: what a promise function may yield."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import msgspec

from crossdock.kernel.money import AnyMoney
from crossdock.promises.standing import Fact


class Priority(IntEnum):
    """Who goes first in a lane, and who is shed last."""

    MONEY = 0
    ORDERS = 1
    CUSTOMERS = 2
    NOTICES = 3
    READS = 4


class Verb(IntEnum):
    """What a promise does at its target."""

    FETCH = 0
    STATE = 1
    ACT = 2


@dataclass(frozen=True)
class Kept:
    """Needs that the promise `name` of `entity` is confirmed; its id at the target comes with the command.

    It names a slot: of a state any value that was confirmed will do. What has to follow a certain one is worked out from what
    the target answered that it holds (`Sealed.held`), as the units cancelled in the ERP follow the warehouse's answer.
    """

    entity: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.entity}/{self.name}"


@dataclass(frozen=True)
class Within:
    """An amount of an account that the seal takes; refused when it would go over the limit."""

    account: str
    amount: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class Owed:
    """Something a target is owed. `cause` is the fact that makes it due, `by` when someone should worry."""

    name: str
    to: str
    body: msgspec.Struct
    cause: Fact
    by: datetime
    priority: Priority
    document: str = ""
    """The target document it touches; at most one unresolved act each. By default the promise's own."""
    needs: Mapping[str, Kept] = field(default_factory=dict[str, Kept])


@dataclass(frozen=True, kw_only=True)
class State(Owed):
    """Make the target equal this; the latest value wins, and equal means no call."""


@dataclass(frozen=True, kw_only=True)
class Act(Owed):
    """Cause this effect once; what corrects it when its premise is withdrawn is in `undoing`."""

    within: tuple[Within, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict[str, str])
    """What its seal fixes for good."""
    valid_until: datetime | None = None
    """Not sealed after this: what allowed it, an approval for instance, has run out, and it is worked out anew."""
    since: datetime | None = None
    """When what it takes besides its cause was heard of; rules that settled the cause before that owed nothing for it yet."""
    among: str = ""
    """Acts whose names begin so share one amount: how it is split among them follows the facts, also under newer rules."""


@dataclass(frozen=True, kw_only=True)
class Fetch(Owed):
    """Read this thing at its source: its parent is missing, or a message only hinted at a change."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing to do for us yet: who is expected to do what, and until when; then the entity is looked at again."""

    name: str
    on: str
    what: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something only a person can settle; one case per cause, closed when no entity yields it any more."""

    cause: str
    title: str
    remedy: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class ApprovalNeeded:
    """An act that a person has to allow first; the digest is of its amount, payee and cause, and of nothing else."""

    name: str
    """The act that waits for it."""
    role: str
    """Who may decide it; as many different people as `people` says."""
    people: int
    digest: str
    what: str
    """What is asked, as the person reads it: "refund 30.00 USD to Visa 4242 for return R7"."""
    amount: AnyMoney
    payee: str
    cause: str
    until: datetime
    """When somebody should worry that nobody has decided."""
    hours: int = 24
    """How long a yes holds."""


Obligation = State | Act | Fetch | Wait | Trouble | ApprovalNeeded
