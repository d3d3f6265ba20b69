"""What delivering reads and writes: claims, seals, receipts, and what follows a call that ended otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from crossdock.store.accounts import Movement, movements
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.fronts import LATE_SECONDS
from crossdock.store.statements import load

_SQL = load("deliver")


Wake = Callable[[Iterable[str]], None]
"""Tells this process's lanes to these connections that there may be something to do; others find it by looking."""


def nobody_to_wake(connections: Iterable[str]) -> None:
    """No lanes run here."""


class Claimed(NamedTuple):
    """A promise leased to this lane, with its seal when it was sealed before."""

    promise: int
    entity: str
    stage: int
    fence: int
    attempts: int
    ordinal: int
    document: str
    job: str | None
    name: str
    verb: int
    noun: str
    cause: str
    within: str
    pins: str
    repair: bool
    body: bytes
    key: str | None
    sealed_at: datetime | None
    refs: bytes | None
    sealed_digest: bytes | None
    needs: str | None
    met: str | None
    claimed_at: datetime
    valid_until: datetime | None = None
    searches: int = 0
    unclear: int = 0
    forgotten_since: datetime | None = None
    """The database was set back to then, and what caused this act may have been acted on before that was noticed."""

    @property
    def slot(self) -> str:
        return f"{self.entity}/{self.name}"

    @property
    def new_key(self) -> str:
        """The idempotency key: what is promised and why, never an amount or a body."""
        return f"{self.slot}/{self.cause}/{self.ordinal}"

    def movements(self) -> list[Movement]:
        return movements(self.within)


@dataclass(frozen=True, slots=True)
class Seal:
    """An immutable intent: with `refs` and the promise's body, exactly what every send of this key says."""

    promise: int
    ordinal: int
    key: str
    refs: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """A confirmation, as it is kept."""

    promise: int
    slot: str
    remote_id: str
    number: str
    written: bytes | None
    repairs: int
    said: bytes | None = None
    """What the target said of an act that the books tell of."""


@dataclass(frozen=True, slots=True)
class Follow:
    """What follows a call that did not end in a confirmation. No wait means: until some event."""

    promise: int
    fence: int
    stage: int
    actor: int
    wait_seconds: float | None
    burnt: bool = False
    bump: bool = False
    """The next seal is a new act under a new key, for the target said that this one did not happen."""
    blocked_on: str | None = None
    job: str | None = None
    searches: int = 0
    """Searches in vain so far, while it is searched for."""
    unclear: int = 0
    """Answers under its key that left it unknown."""


async def claim(
    tx: Transaction,
    target: str,
    limit: int,
    lease_seconds: float,
    *,
    probe: bool = False,
    front: Sequence[datetime] | None = None,
) -> list[Claimed]:
    """Lease what is due in a lane, urgent first, none of a braked lane unless as a probe; nothing due before its front.

    A lease that runs out is somebody else's to take.
    """
    parameters = {"target": target, "limit": limit, "lease_seconds": lease_seconds, "probe": probe, "front": front}
    found = await rows(tx, _SQL["claim"], parameters)
    acts = [row[0] for row in found if row[-1]]  # only of a database that was ever set back
    since = dict(await rows(tx, _SQL["forgotten_since"], {"promise": acts})) if acts else {}
    return [Claimed(*row)._replace(forgotten_since=since.get(row[0])) for row in found]


async def front(tx: Transaction, target: str) -> list[datetime]:
    """Since when anything is due in this lane, by priority."""
    return (await rows(tx, _SQL["front"], {"target": target, "late_seconds": LATE_SECONDS}))[0][0]


async def has_open(tx: Transaction, target: str) -> bool:
    """Whether anything waits in this lane for nobody but itself."""
    return (await rows(tx, _SQL["has_open"], {"target": target}))[0][0]


async def busy(tx: Transaction, target: str, claimed: Sequence[Claimed]) -> set[int]:
    """Those whose target document has another unresolved act, or is about to: of two that ask at once, one at most isn't."""
    records: list[Row] = [(c.promise, c.entity, c.document) for c in claimed]
    parameters = {**columns(("promise", "entity", "document"), records), "target": target}
    return {row[0] for row in await rows(tx, _SQL["busy"], parameters)}


async def told_of(tx: Transaction, connection: str, kind: str, claimed: Sequence[Claimed]) -> list[tuple[int, bytes]]:
    """(promise, body) of facts of this kind that name these acts' keys."""
    records: list[Row] = [(c.promise, c.entity, c.key) for c in claimed]
    parameters = {**columns(("promise", "entity", "key"), records), "connection": connection, "kind": kind}
    return [(promise, body) for promise, body in await rows(tx, _SQL["told_of"], parameters)]


async def mapped(tx: Transaction, target: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What the target calls these (kind, key) of ours, where somebody said so."""
    parameters = {**columns(("kind", "key"), list(keys)), "target": target}
    return {(kind, key): value for kind, key, value in await rows(tx, _SQL["mapped"], parameters)}


async def seal(tx: Transaction, seals: Sequence[Seal], worker: str, code: bytes) -> None:
    if seals:
        records: list[Row] = [(s.promise, s.ordinal, s.key, s.refs, s.digest) for s in seals]
        names = ("promise", "ordinal", "key", "refs", "digest")
        await run(tx, _SQL["seal"], {**columns(names, records), "worker": worker, "code": code})


async def calling(tx: Transaction, promises: Sequence[int]) -> None:
    await run(tx, _SQL["calling"], {"promise": list(promises)})


async def set_pins(tx: Transaction, pins: Sequence[tuple[str, str, str]]) -> None:
    """(entity, name, value), fixed for good."""
    if pins:
        await run(tx, _SQL["set_pins"], columns(("entity", "name", "value"), sorted(pins)))


class Confirmations(NamedTuple):
    """What receipts came to."""

    closed: set[int]
    """The promises they closed just now."""
    released: set[str]
    """The connections of what had waited for them."""
    given_back: set[int]
    """Those closed whose seals hold nothing of their accounts any more."""


async def confirm(tx: Transaction, answered: Sequence[Answered]) -> Confirmations:
    """Keep receipts, even late ones."""
    if not answered:
        return Confirmations(set(), set(), set())
    records: list[Row] = [(a.promise, a.slot, a.remote_id, a.number, a.written, a.repairs, a.said) for a in answered]
    names = ("promise", "slot", "remote_id", "number", "written", "repairs", "said")
    [(closed, released, given_back)] = await rows(tx, _SQL["confirm"], columns(names, records))
    return Confirmations(set(closed), set(released), set(given_back))


async def free_documents(tx: Transaction, touched: Iterable[tuple[str, str]]) -> None:
    """(entity, document): what waited for another act on the same target document may go on."""
    records = sorted(set(touched))
    if records:
        await run(tx, _SQL["free_documents"], columns(("entity", "document"), list(records)))


async def release(tx: Transaction, keys: Sequence[str]) -> int:
    """What was blocked on these keys is ready; answers how many promises."""
    return int((await rows(tx, _SQL["release"], {"key": list(keys)}))[0][0])


async def release_met(tx: Transaction, promises: Sequence[int] | None = None) -> None:
    """Of these promises, or all, those whose need has been confirmed meanwhile are ready."""
    if promises is None:
        await run(tx, _SQL["release_met"])
    else:
        await run(tx, _SQL["release_these"], {"promise": list(promises)})


async def release_mapped(tx: Transaction, keys: Sequence[str]) -> None:
    """Of what is blocked on these mapping keys, that whose mapping stands already is ready."""
    await run(tx, _SQL["release_mapped"], {"key": list(keys)})


_FOLLOW = (
    "promise", "fence", "stage", "actor", "wait_seconds", "burnt", "bump", "blocked_on", "job", "searches", "unclear",
)  # fmt: skip


async def reschedule(tx: Transaction, follows: Sequence[Follow]) -> set[int]:
    """Write what follows, except for promises that another process has claimed since; answers those written.

    Each once: written again, for nobody knew whether the first time was committed, it changes nothing.
    """
    if not follows:
        return set()
    records: list[Row] = [
        (
            f.promise, f.fence, f.stage, f.actor, f.wait_seconds, int(f.burnt), int(f.bump), f.blocked_on, f.job,
            f.searches, f.unclear,
        )
        for f in follows
    ]  # fmt: skip
    return {row[0] for row in await rows(tx, _SQL["reschedule"], columns(_FOLLOW, records))}


async def note_attempts(tx: Transaction, attempts: Sequence[tuple[int, int, str, str]]) -> None:
    """(promise, ordinal, outcome, detail) of calls that did not end in a confirmation."""
    if attempts:
        await run(tx, _SQL["note_attempts"], columns(("promise", "ordinal", "outcome", "detail"), list(attempts)))
