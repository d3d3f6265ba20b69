"""How a pass ends: complete, incomplete with one case, or braked; and what a complete one says is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.canonical.nouns import FACTS, NAMES
from crossdock.connect.absence import ABSENT, Absence
from crossdock.connect.documents import Reading
from crossdock.connect.link import Link
from crossdock.kernel.faults import Rejected
from crossdock.kernel.moments import to_micros
from crossdock.store import cases, drift, inbox, sweeps
from crossdock.store.brakes import Brake, apply_brake
from crossdock.store.cases import Raised
from crossdock.store.database import Database, Transaction
from crossdock.store.drift import Difference
from crossdock.store.inbox import Message
from crossdock.store.sweep_trees import Item as HeldItem
from crossdock.store.sweeps import Pass, ShownAct, Verdict
from crossdock.sweep import comparing, judging, tree
from crossdock.sweep.entering import repairs_max, store_apart, within_blast
from crossdock.sweep.judging import Differing, Seen
from crossdock.sweep.paging import miscounted
from crossdock.sweep.readings import Item, items_of
from crossdock.sweep.source import Source
from crossdock.sweep.worth import worth

# More than so many that differ are not read one by one: the list is read once more, page by page.
_SUSPECTS_MAX = 200
_AGAIN_SECONDS = 1.0
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What a whole pass came to, before anything of it is written."""

    listed: Seen
    differing: Differing
    suspects: list[Item]
    gone: list[HeldItem]
    flaw: str | None
    too_many: str | None = None


async def end(database: Database, source: Source, claimed: Pass, call_until: float) -> None:
    """Judge a pass whose pages were all read."""
    if not claimed.whole:
        async with database.transaction() as tx:
            if await sweeps.is_mine(tx, claimed):
                await close(tx, claimed, source, "incomplete" if claimed.flaw else "complete")
        return
    link = source.open_link(call_until)
    listed = await judging.seen(database, claimed)
    count = source.kinds[claimed.kind].count
    flaw = claimed.flaw or miscounted(claimed.counted, await count(link) if count else None, len(listed.counted))
    if not await judging.build(database, source, claimed.kind):
        async with database.transaction() as tx:
            await sweeps.put_off(tx, claimed, _AGAIN_SECONDS)
        return
    differing = await judging.compare(database, source, claimed, listed)
    if claimed.by_tree and len(differing.suspects) > _SUSPECTS_MAX:
        async with database.transaction() as tx:
            if await sweeps.is_mine(tx, claimed):
                await sweeps.begin_anew(tx, claimed)
        return
    ending = await _judged(source, claimed, listed, differing, flaw, link)
    async with database.transaction() as tx:
        if await sweeps.is_mine(tx, claimed):
            await _write(tx, source, claimed, ending)


async def _judged(
    source: Source, claimed: Pass, listed: Seen, differing: Differing, flaw: str | None, link: Link[Any]
) -> _Ending:
    suspects = await _read_again(source, claimed, sorted(differing.suspects), link) if claimed.by_tree else []
    limit = source.terms.gone_max if claimed.gone_max is None else claimed.gone_max
    if flaw is None and len(differing.absent) > limit:
        many = (
            f"{len(differing.absent)} of {claimed.kind} are missing in a complete list, and {limit} may be gone at once"
        )
        return _Ending(listed, differing, suspects, [], None, many)
    gone: list[HeldItem] = []
    if flaw is None and source.terms.believe_absence:
        gone, there = await _absent(source, claimed, differing.absent, link)
        suspects += there
        if there:
            flaw = f"it leaves out {len(there)} that are there, such as {there[0].reading.id}"
    return _Ending(listed, differing, suspects, [] if flaw else gone, flaw)


async def _read_again(source: Source, claimed: Pass, ids: Iterable[str], link: Link[Any]) -> list[Item]:
    """What differs, as it is now; what can't be read is left for the next pass."""
    readings = [await _read(source, claimed.kind, id_, link) for id_ in ids]
    return _items(source, claimed, [reading for reading in readings if isinstance(reading, Reading)])


async def _absent(
    source: Source, claimed: Pass, absent: Iterable[HeldItem], link: Link[Any]
) -> tuple[list[HeldItem], list[Item]]:
    """Of what wasn't listed, what a read by its id doesn't find either; and what is there after all."""
    gone: list[HeldItem] = []
    there: list[Item] = []
    for held in absent:
        found = await _read(source, claimed.kind, held.id, link) if source.by_id(claimed.kind) else None
        if found is None:
            gone.append(held)
        elif isinstance(found, Reading):
            [item] = _items(source, claimed, [found])
            stands = any(s.name == (claimed.kind, held.id) and not s.gone for s in item.stated)
            (there.append(item) if stands else gone.append(held))
    return gone, there


async def _read(source: Source, kind: str, id_: str, link: Link[Any]) -> Reading | Rejected | None:
    """One thing by its id; refusing to show it says neither that it is there nor that it is gone."""
    read = source.kinds[kind].read
    assert read is not None, f"{kind} of {source.connection} can't be read by id"
    try:
        return await read(id_, link)
    except Rejected as refusal:
        return refusal


def _items(source: Source, claimed: Pass, readings: Sequence[Reading]) -> list[Item]:
    return items_of(readings, source.connector, source.connection, claimed.now, to_micros(claimed.now))


async def _write(tx: Transaction, source: Source, claimed: Pass, ending: _Ending) -> None:
    apart = await comparing.apart(tx, claimed, ending.suspects, source.connector)
    found, over = within_blast(apart, claimed, source)
    await store_apart(tx, claimed, source, ending.suspects, found)
    if over:
        await brake_repairs(tx, claimed, source, over)
        return
    if ending.too_many:
        await apply_brake(tx, Brake(source.connection, "blast", ending.too_many))
        await close(tx, claimed, source, "braked", flaw=ending.too_many, touched=ending.differing.touched)
        return
    await _enter_gone(tx, source, claimed, ending.gone)
    missing = [] if ending.flaw else await _missing(tx, source, claimed, ending)
    differing = sum(not each.echo for each in found) + len(ending.gone) + len(missing)
    verdict: Verdict = "incomplete" if ending.flaw else "complete"
    await close(tx, claimed, source, verdict, flaw=ending.flaw, differing=differing, touched=ending.differing.touched)


async def _enter_gone(tx: Transaction, source: Source, claimed: Pass, gone: Sequence[HeldItem]) -> None:
    """Absence enters by the inbox, too: as a message that anybody can replay."""
    bodies = await sweeps.held_bodies(tx, source.connection, [(claimed.kind, held.id) for held in gone])
    messages: list[Message] = []
    noted: list[Difference] = []
    for held in gone:
        told = Absence(kind=claimed.kind, id=held.id, entity=held.entity, token=held.token)
        named = f"sweep:{claimed.run}:absent:{claimed.kind}:{held.id}"
        body = msgspec.json.encode(told)
        messages.append(Message(source.connection, ABSENT, body, named, to_micros(claimed.now)))
        stake = worth(msgspec.json.decode(bodies[claimed.kind, held.id], type=FACTS[claimed.kind]))
        noted.append(
            Difference(
                run=claimed.run,
                connection=source.connection,
                kind=claimed.kind,
                thing=held.id,
                entity=held.entity,
                cause="gone",
                minor=stake.minor if stake else None,
                currency=stake.currency if stake else None,
                detail="a complete list lacks it, and a read does not find it",
            )
        )
    if messages:
        await inbox.store(tx, messages)
    await drift.note(tx, noted)


async def _missing(tx: Transaction, source: Source, claimed: Pass, ending: _Ending) -> list[ShownAct]:
    """Acts of ours whose outcome is not there, or no more: they are never done again by themselves, so a person looks."""
    nouns = [NAMES[noun] for noun in source.kinds[claimed.kind].shows]
    if not nouns:
        return []
    await sweeps.found_again(tx, claimed, _missing_cause(claimed))
    listed = ending.listed.items.get(claimed.kind, {})
    new = await sweeps.unlisted_acts(tx, claimed, nouns, claimed.verified_at or _EVER, claimed.began_at)
    lost = [act for act in new if tree.key_of(act.remote_id) not in listed]
    lost += await sweeps.shown_acts(tx, claimed, nouns, [held.id for held in ending.gone])
    await cases.raise_cases(tx, [_missing_case(claimed, act) for act in lost])
    await drift.note(tx, [_lost(claimed, act) for act in lost])
    return lost


def _missing_cause(claimed: Pass) -> str:
    return f"missing:{claimed.connection}:{claimed.kind}"


def _missing_case(claimed: Pass, act: ShownAct) -> Raised:
    what = claimed.kind.removeprefix("erp_").replace("_", " ")
    return Raised(
        _missing_cause(claimed),
        "missing",
        f"{what.capitalize()} that {claimed.connection} confirmed, and does not hold",
        "Find out who removed it. Put it back, or correct it there: it is never done again by itself.",
        f"{act.entity}/{act.name}: {act.number or act.remote_id} is not there",
        act.entity,
        act.promise,
    )


def _lost(claimed: Pass, act: ShownAct) -> Difference:
    return Difference(
        run=claimed.run,
        connection=claimed.connection,
        kind=claimed.kind,
        thing=act.remote_id,
        entity=act.entity,
        cause="missing",
        detail=f"{act.name} was confirmed as {act.number or act.remote_id}",
    )


async def brake_repairs(tx: Transaction, claimed: Pass, source: Source, over: int) -> None:
    """Too much was edited at the target for a sweep to put it right: the lane stops with one case."""
    limit = repairs_max(claimed, source)
    reason = (
        f"more than {limit} of {claimed.kind} were changed there by somebody else; {over} of a page are not touched"
    )
    await apply_brake(tx, Brake(source.connection, "blast", reason))
    await close(tx, claimed, source, "braked", flaw=reason)


async def close(
    tx: Transaction,
    claimed: Pass,
    source: Source,
    verdict: Verdict,
    *,
    flaw: str | None = None,
    differing: int = 0,
    touched: int = 0,
) -> None:
    """The pass is over. One that can't be trusted makes one case, and one that can ends it."""
    every = source.terms.every_minutes * 60
    await sweeps.finish(
        tx,
        claimed,
        verdict,
        cursor="" if verdict == "braked" else claimed.place,
        next_seconds=source.terms.whole_every_hours * 3600 if claimed.whole else every,
        changes_seconds=every,
        differing=differing,
        touched=touched,
        flaw=flaw,
    )
    if verdict == "complete":
        await cases.close(tx, _cause(claimed), "a complete list")
    elif verdict == "incomplete":
        await raise_case(tx, claimed, flaw or claimed.flaw or "")


def _cause(claimed: Pass) -> str:
    return f"sweep:{claimed.connection}:{claimed.kind}:{'whole' if claimed.whole else 'changes'}"


async def raise_case(tx: Transaction, claimed: Pass, flaw: str) -> None:
    """One case for a list that is not whole."""
    scope = "" if claimed.whole else " that changed"
    title = f"The list of {claimed.kind}s{scope} of {claimed.connection} can't be taken for complete"
    remedy = "Nothing was taken for gone. Find out why it is cut or refused, then: crossdock sweep"
    told = Raised(_cause(claimed), "sweep", title, f"{remedy} {claimed.connection} {claimed.kind} --full", flaw)
    await cases.raise_cases(tx, [told])
