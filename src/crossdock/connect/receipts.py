"""What a target says of one item, in stages: accepted, then confirmed, partly done or a fault."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from crossdock.kernel.faults import Fault


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The target did it; only this discharges a promise."""

    id: str
    """The target's own id of what came to be."""
    aliases: tuple[str, ...] = ()
    """Other names people know it by: a document number, a tracking number."""
    body: msgspec.Struct | None = None
    """What the target now holds, in canonical form: for a state the written fields read back, for an act its result."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The target took it and will do it later; the hub inquires about the job."""

    job: str
    ask_after: timedelta = timedelta(seconds=30)


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """The target did some of it and will not do the rest: a case, with what is missing."""

    id: str
    detail: str


Outcome = Confirmed | Accepted | Partial | Fault
