"""The difference between what an entity is owed and what has been promised already: the only thing settling writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.promises.campaigns import Cover, under
from crossdock.promises.obligations import Act, ApprovalNeeded, Fetch, Obligation, Owed, State, Trouble, Wait


class Stage(IntEnum):
    """How far an open promise is. READY, BLOCKED and CASE are known to have no call under way."""

    READY = 0
    CALLING = 1
    ACCEPTED = 2
    DOUBTFUL = 3
    BLOCKED = 4
    CASE = 5


APPROVAL = "approval:"
"""What the name of a wait for an approval begins with; the act's follows."""

MOVABLE = (Stage.READY, Stage.BLOCKED, Stage.CASE)


@dataclass(frozen=True, slots=True)
class Promised:
    """A promise as stored; `stage` is None once it is closed, `sealed` when an intent for it exists."""

    id: int
    name: str
    target: str
    cause: str
    body: Any
    stage: Stage | None
    sealed: bool
    last_ordinal: int
    valid_until: datetime | None = None
    within: tuple[tuple[str, int, int], ...] = ()
    """(account, amount, limit) that its seal takes, while it is open."""
    needs: Mapping[str, str] = field(default_factory=dict[str, str])
    """What it waits for by label, while it is open."""
    campaign: int | None = None

    @property
    def movable(self) -> bool:
        """Nothing was done at the target about it, so it may still be withdrawn."""
        return self.stage in MOVABLE


@dataclass(frozen=True, slots=True)
class Written:
    """What a target confirmed for a state: the value read back, normalised, and how often the hub repaired it."""

    body: Any
    repairs: int


@dataclass(frozen=True, slots=True)
class Opening:
    """A promise to open, in place of `replaces` where that one is still movable."""

    owed: Owed
    ordinal: int
    in_flight: bool = False
    replaces: int | None = None
    repair: bool = False
    campaign: int | None = None


@dataclass(frozen=True)
class Changes:
    opened: tuple[Opening, ...] = ()
    withdrawn: tuple[int, ...] = ()
    withheld: tuple[str, ...] = ()
    """Acts that only new code or policy would owe for old facts; opening them takes a campaign."""
    waits: tuple[Wait, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    adopted: tuple[tuple[str, Any], ...] = ()
    """(state name, value the target holds now) taken over as the written value."""
    approvals: tuple[ApprovalNeeded, ...] = ()
    keeps_all: bool = False
    """Nothing could be worked out, so everything promised stays as it is."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Under which code an entity was last settled, and since when the present code is live (S6)."""

    code: bytes
    live_at: datetime
    settled_code: bytes | None
    settled_at: datetime | None
    withheld: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """Acts that were withheld, and when: settling once more under the same code is no campaign."""
    covered: Mapping[str, Cover] = field(default_factory=dict[str, Cover])
    """Withheld acts that a campaign lets through, as they were approved."""
    awaited: frozenset[str] = frozenset()
    """What older code waited for by these names, so that newer code may do it when the wait is over."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is on record about one entity's promises."""

    promised: Sequence[Promised] = ()
    written: Mapping[str, Written] = field(default_factory=dict[str, Written])
    observed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Per state name, what the target's own latest document says it holds."""
    normalise: Mapping[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any])
    """(target, noun class name) -> how that target will hold a value."""


def difference(
    obligations: Iterable[Obligation], book: Book, basis: Basis, drift: Mapping[str, str], repairs_max: int
) -> Changes:
    """What must change so that exactly the obligations are promised; equal means no change at all."""
    compared = _Compared(book, basis, drift, repairs_max)
    for obligation in obligations:
        compared.take(obligation)
    return compared.changes()


class _Compared:
    def __init__(self, book: Book, basis: Basis, drift: Mapping[str, str], repairs_max: int) -> None:
        self._book, self._basis, self._drift, self._repairs_max = book, basis, drift, repairs_max
        self._open: dict[str, list[Promised]] = {}
        self._sealed: dict[str, Promised] = {}
        self._ordinal: dict[str, int] = {}
        self._told: dict[str, Promised] = {}
        """By name, what was sent last and is over."""
        for promised in book.promised:
            if promised.stage is not None:
                self._open.setdefault(promised.name, []).append(promised)
            if promised.sealed and not promised.movable:
                self._sealed[promised.name] = promised
                if promised.stage is None:
                    self._told[promised.name] = promised
            self._ordinal[promised.name] = max(self._ordinal.get(promised.name, 0), promised.last_ordinal)
        self._claimed: set[int] = set()
        self._opened: list[Opening] = []
        self._withheld: list[str] = []
        self._waits: list[Wait] = []
        self._troubles: list[Trouble] = []
        self._adopted: list[tuple[str, Any]] = []
        self._approvals: list[ApprovalNeeded] = []

    def take(self, obligation: Obligation) -> None:
        match obligation:
            case Wait():
                self._waits.append(obligation)
            case Trouble():
                self._troubles.append(obligation)
            case ApprovalNeeded():
                self._approvals.append(obligation)
                self._waits.append(_awaited(obligation))
            case State():
                self._state(obligation)
            case Act() | Fetch():
                self._once(obligation)

    def changes(self) -> Changes:
        movable = (open_ for each in self._open.values() for open_ in each if open_.movable)
        replaced = {opening.replaces for opening in self._opened}
        withdrawn = tuple(p.id for p in movable if p.id not in self._claimed and p.id not in replaced)
        return Changes(
            tuple(self._opened),
            withdrawn,
            tuple(self._withheld),
            tuple(self._waits),
            tuple(self._troubles),
            tuple(self._adopted),
            tuple(self._approvals),
        )

    def _once(self, owed: Act | Fetch) -> None:
        """An act's slot that was ever sent stays as it is; one that wasn't follows the facts."""
        if owed.name in self._sealed:
            return
        held = next((p for p in self._open.get(owed.name, ()) if p.movable), None)
        campaign: int | None = None
        if isinstance(owed, Act) and (held is None or held.campaign is not None) and self._retroactive(owed):
            cover = self._basis.covered.get(owed.name)
            allowed = under(cover, owed)
            if cover is None or allowed is None:
                self._withheld.append(owed.name)
                return
            owed, campaign = allowed, cover.campaign
        if held is not None and _same(held, owed) and _as_allowed(held, owed):
            self._claimed.add(held.id)
        else:
            self._open_(owed, held, campaign=campaign)

    def _state(self, owed: State) -> None:
        """Three ways: what should be, what we last wrote, what is there now; equal means no call."""
        pending = self._open.get(owed.name, [])
        latest = pending[-1] if pending else None
        if latest is not None and _same(latest, owed) and (not latest.movable or _as_allowed(latest, owed)):
            self._claimed.add(latest.id)
            return
        held = latest if latest is not None and latest.movable else None
        under_way = [promised for promised in pending if not promised.movable]
        if under_way:  # what the target will hold when that call is over decides, not what it holds now
            if not _same(under_way[-1], owed):
                self._open_(owed, held)
            return
        desired = self._as_held_by(owed)
        written = self._book.written.get(owed.name)
        there = self._book.observed.get(owed.name)
        if there is None and written is not None and written.body == desired:
            return
        if there is not None and there == desired:
            if written is None or written.body != desired:
                self._adopted.append((owed.name, desired))
        elif there is not None and written is not None and there != written.body and written.body == desired:
            self._drifted(owed, held, written, there)
        elif written is not None and there in (None, written.body) and self._was_told(owed):
            self._troubles.append(_not_as_told(owed))
        else:
            self._open_(owed, held)

    def _was_told(self, owed: State) -> bool:
        """The target was sent exactly this last, and holds something else: sending it again would never end."""
        told = self._told.get(owed.name)
        return told is not None and _same(told, owed)

    def _drifted(self, owed: State, held: Promised | None, written: Written, there: Any) -> None:
        """The target was changed by someone else while what should be stayed the same."""
        noun = NAMES[type(owed.body)]
        choice = self._drift.get(noun, "repair")
        if choice == "repair" and written.repairs >= self._repairs_max:
            choice = "case"
        if choice == "repair":
            self._open_(owed, held, repair=True)
        elif choice == "case":
            self._troubles.append(_fought_over(owed, noun))

    def _open_(self, owed: Owed, held: Promised | None, *, repair: bool = False, campaign: int | None = None) -> None:
        self._opened.append(
            Opening(
                owed,
                self._ordinal.get(owed.name, 0) + 1,
                in_flight=campaign is None and owed.cause.changed_at < self._basis.live_at,
                replaces=held.id if held else None,
                repair=repair,
                campaign=campaign,
            )
        )

    def _retroactive(self, owed: Act) -> bool:
        """Other code has seen this cause and owed nothing for it; only a campaign may open it now (S6)."""
        basis = self._basis
        known_at = max(owed.cause.changed_at, owed.since or owed.cause.changed_at)
        if owed.name in basis.withheld and known_at <= basis.withheld[owed.name]:
            return True
        if owed.name in basis.awaited or f"{APPROVAL}{owed.name}" in basis.awaited or self._is_split_anew(owed):
            return False
        if any(_shares(owed, name) and known_at <= at for name, at in basis.withheld.items()):
            return True
        return (
            basis.settled_code is not None
            and basis.settled_code != basis.code
            and basis.settled_at is not None
            and known_at <= basis.settled_at
        )

    def _is_split_anew(self, owed: Act) -> bool:
        """Other code owed the amount that this is a part of, and had it under way or waited with it."""
        under_way = (
            name
            for name, each in self._open.items()
            if any(promised.movable and promised.campaign is None for promised in each)
        )
        waited = (name.removeprefix(APPROVAL) for name in self._basis.awaited)
        return any(_shares(owed, name) for name in (*under_way, *waited))

    def _as_held_by(self, owed: State) -> Any:
        normalise = self._book.normalise.get((owed.to, type(owed.body).__name__))
        return normalise(owed.body) if normalise else owed.body


def _shares(owed: Act, name: str) -> bool:
    return owed.among != "" and name.startswith(owed.among)


def _same(held: Promised, owed: Owed) -> bool:
    return held.target == owed.to and held.body == owed.body


def _as_allowed(held: Promised, owed: Owed) -> bool:
    """Other needs, another limit, or another end of what allows an act replace its promise: the old one may never be free."""
    if held.needs != {label: need.key for label, need in owed.needs.items()}:
        return False
    if not isinstance(owed, Act):
        return True
    return held.valid_until == owed.valid_until and held.within == tuple(
        (w.account, w.amount, w.limit) for w in owed.within
    )


def _awaited(needed: ApprovalNeeded) -> Wait:
    return Wait(name=f"{APPROVAL}{needed.name}", on=needed.role, what=f"to allow: {needed.what}", until=needed.until)


def _fought_over(owed: State, noun: str) -> Trouble:
    return Trouble(
        cause=f"drift:{owed.to}:{noun}",
        title=f"{noun.replace('_', ' ').capitalize()} at {owed.to} keeps being changed by someone else",
        remedy="Decide who owns the field: correct it at the target, or set policy.drift to adopt.",
        detail=f"{owed.name} at {owed.to} differs from what was written",
    )


def _not_as_told(owed: State) -> Trouble:
    noun = NAMES[type(owed.body)]
    return Trouble(
        cause=f"not_as_told:{owed.to}:{noun}",
        title=f"{noun.replace('_', ' ').capitalize()} that {owed.to} was told, and does not hold",
        remedy="It may be too late there, or not possible. Put it right at the target, or change what is wanted.",
        detail=f"{owed.name} at {owed.to}: it answered that it holds something else than it was told",
    )


def encode(body: msgspec.Struct) -> bytes:
    """A body as it is stored, sealed and digested."""
    return msgspec.json.encode(body)
