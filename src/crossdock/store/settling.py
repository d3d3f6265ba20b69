"""What settling reads and writes: whole batches of entities, each in one round trip per table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from crossdock.store.accounts import amounts, move_accounts
from crossdock.store.database import Asked, Row, Transaction, columns, rows, rows_each, run
from crossdock.store.fronts import LATE_SECONDS
from crossdock.store.statements import load

FAILED = "unsettled:"
"""How the causes of cases begin in which rules fail on what is known."""

_SQL = load("settle")


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An entity about to be settled at a revision, and how it was settled last."""

    entity: str
    revision: int
    settled_at: datetime | None
    code: bytes | None


@dataclass(frozen=True, slots=True)
class OnRecord:
    """Everything stored about a batch of entities, as rows, and when that was read."""

    as_of: datetime
    documents: list[Row]
    promises: list[Row]
    receipts: list[Row]
    pins: list[Row]
    withheld: list[Row]
    awaited: list[Row]


@dataclass(frozen=True, slots=True)
class NewPromise:
    """One promise to open; the fields are the columns of `open_promises`, without its id."""

    entity: str
    name: str
    verb: int
    target: str
    noun: str
    cause: str
    cause_recorded_at: datetime
    in_flight: bool
    revision: int
    ordinal: int
    document: str
    needs: str
    within: str
    pins: str
    repair: bool
    digest: bytes
    body: bytes
    priority: int
    deadline: datetime
    blocked_on: str | None
    valid_until: datetime | None = None
    campaign: int | None = None
    replaces: int | None = None


@dataclass
class Settlement:
    """What a batch of settled entities changes."""

    settled: list[Unsettled] = field(default_factory=list[Unsettled])
    opened: list[NewPromise] = field(default_factory=list[NewPromise])
    withdrawn: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    withheld: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    waits: list[Row] = field(default_factory=list[Row])
    """(entity, name, on whom, what, until)"""
    requests: list[Row] = field(default_factory=list[Row])
    """As `store.approvals` keeps them."""
    adopted: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    spoken_of: set[str] = field(default_factory=set[str])
    """Other entities that promises need; unknown ones become placeholders."""


async def front(tx: Transaction) -> datetime:
    """Since when anything is dirty."""
    return (await rows(tx, _SQL["front"], {"late_seconds": LATE_SECONDS}))[0][0]


async def dirty_entities(
    tx: Transaction, buckets: Iterable[int], limit: int, since: datetime | None = None
) -> list[Unsettled]:
    """The longest waiting entities of these buckets; none dirty since before the front of them all."""
    parameters = {"buckets": list(buckets), "limit": limit, "front": since}
    found = await rows(tx, _SQL["dirty_entities"], parameters)
    return [Unsettled(*row) for row in found]


async def entities_by_key(tx: Transaction, entities: Sequence[str]) -> list[Unsettled]:
    return [Unsettled(*row) for row in await rows(tx, _SQL["entities_by_key"], {"entity": list(entities)})]


async def on_record(tx: Transaction, batch: Sequence[Unsettled], code: bytes) -> OnRecord:
    """Everything stored about these entities; promises and pins only where some entity was settled before.

    What they waited for is asked only of those that other code than this has settled.
    """
    everyone = {"entity": [each.entity for each in batch]}
    known = {"entity": [each.entity for each in batch if each.settled_at is not None]}
    about_known = ("promises_of", "receipts_of", "pins_of", "withheld_of") if known["entity"] else ()
    asked: list[Asked] = [(_SQL["now"], None), (_SQL["documents_of"], everyone)]
    asked.extend((_SQL[name], known) for name in about_known)
    if others_code := [each.entity for each in batch if each.code is not None and each.code != code]:
        asked.append((_SQL["awaited_of"], {"entity": others_code}))
    [[(as_of,)], documents, *others] = await rows_each(tx, *asked)
    awaited = others.pop() if others_code else []
    promises, receipts, pins, withheld = others or ([], [], [], [])
    return OnRecord(as_of, documents, promises, receipts, pins, withheld, awaited)


async def wake(tx: Transaction) -> list[str]:
    """Entities whose waiting ran out."""
    return [row[0] for row in await rows(tx, _SQL["woken"])]


async def untried(tx: Transaction, buckets: Collection[int], code: bytes) -> list[str]:
    """Entities of these buckets that other rules failed on, and that this code has not tried; a thousand at most."""
    parameters = {"buckets": list(buckets), "code": code}
    return [row[0] for row in await rows(tx, _SQL["untried"], parameters)]


async def now(tx: Transaction) -> datetime:
    """The time by the one clock of all processes."""
    return (await rows(tx, _SQL["now"]))[0][0]


async def go_live(tx: Transaction, code: bytes, name: str) -> datetime:
    """Since when this code and policy is live; now, the first time it runs."""
    return (await rows(tx, _SQL["go_live"], {"digest": code, "name": name}))[0][0]


async def mark_settled(
    tx: Transaction,
    batch: Sequence[Unsettled],
    code: bytes,
    failed: Collection[str],
    known_at: Sequence[datetime | None],
) -> set[str]:
    """Settle these revisions, but for those that this code failed on; answers which were not known anew meanwhile.

    `known_at`: when the newest was known of what was seen of each.
    """
    parameters = {
        "entity": [u.entity for u in batch],
        "revision": [u.revision for u in batch],
        "failed": [u.entity in failed for u in batch],
        "known_at": list(known_at),
        "code": code,
    }
    return {row[0] for row in await rows(tx, _SQL["settle_entities"], parameters)}


async def withdraw(tx: Transaction, promises: Sequence[int]) -> set[int]:
    """Take promises back; answers those about which nothing had been done."""
    if not promises:
        return set()
    gone = await rows(tx, _SQL["withdraw"], {"promise": list(promises)})
    held: Counter[str] = Counter()
    for _, within in gone:
        held.subtract(amounts(within))
    await move_accounts(tx, held, Counter())
    await run(tx, _SQL["delete_unsealed"], {"promise": [row[0] for row in gone]})
    return {row[0] for row in gone}


_NEW = (
    "entity", "name", "verb", "target", "noun", "cause", "cause_recorded_at", "in_flight", "revision", "ordinal",
    "document", "needs", "within", "pins", "repair", "digest", "body", "priority", "deadline", "blocked_on",
    "valid_until", "campaign",
)  # fmt: skip


class Opened(NamedTuple):
    """What opening promises came to."""

    waiting: list[int]
    """Those blocked on another entity, to be looked at once more after commit."""
    ready: list[str]
    """The connections that have something to do now."""


async def open_promises(tx: Transaction, opened: Sequence[NewPromise], code: bytes) -> Opened:
    """Open promises, each ready or blocked."""
    if not opened:
        return Opened([], [])
    records: list[Row] = [
        (
            p.entity, p.name, p.verb, p.target, p.noun, p.cause, p.cause_recorded_at, p.in_flight, p.revision,
            p.ordinal, p.document, p.needs, p.within, p.pins, p.repair, p.digest, p.body, p.priority, p.deadline, p.blocked_on,
            p.valid_until, p.campaign,
        )
        for p in opened
    ]  # fmt: skip
    return Opened(*(await rows(tx, _SQL["open_promises"], {**columns(_NEW, records), "code": code}))[0])


async def replace_waits(tx: Transaction, settled: Sequence[str], waits: Sequence[Row]) -> None:
    """These entities wait for this and nothing else; `settled` need only name those that may have waited before."""
    kept: dict[str, list[str]] = {entity: [] for entity in settled}
    for entity, name, *_ in waits:
        kept.setdefault(entity, []).append(name)
    if settled or waits:
        parameters = columns(("entity", "name", "on_whom", "what", "until"), list(waits))
        parameters |= {"settled": list(settled), "kept": ["\n".join(kept[entity]) for entity in settled]}
        await run(tx, _SQL["replace_waits"], parameters)


async def withhold(tx: Transaction, withheld: Sequence[tuple[str, str]], code: bytes) -> None:
    if withheld:
        await run(tx, _SQL["withhold"], {**columns(("entity", "name"), list(withheld)), "code": code})


async def adopt_written(tx: Transaction, adopted: Sequence[tuple[str, str, bytes]]) -> None:
    if adopted:
        await run(tx, _SQL["adopt_written"], columns(("entity", "name", "written"), list(adopted)))
