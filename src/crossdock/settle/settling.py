"""Dirty entities settled: projected, asked what they owe, and the difference to what is promised saved in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.kernel.ids import bucket_of, digest
from crossdock.observe import spans
from crossdock.observe.checkpoints import reach
from crossdock.promises.difference import Basis, Changes, Opening, difference, encode
from crossdock.promises.obligations import Act, ApprovalNeeded, Fetch, State, Trouble, Verb
from crossdock.settle import seeing
from crossdock.settle.reading import Read, read
from crossdock.settle.rules import Rules
from crossdock.store import approvals, cases, delivery, documents, hearing, settling
from crossdock.store.cases import Raised
from crossdock.store.database import Database, Row, Transaction
from crossdock.store.delivery import Wake, nobody_to_wake
from crossdock.store.fronts import Front
from crossdock.store.leases import Leases
from crossdock.store.settling import NewPromise, Opened, Settlement, Unsettled

_VERBS: dict[type, Verb] = {Fetch: Verb.FETCH, State: Verb.STATE, Act: Verb.ACT}


def changes_for(each: Read, rules: Rules) -> Changes:
    """The difference one entity's standing makes; pure."""
    try:
        return _changes_for(each, rules)
    except Exception as error:  # noqa: BLE001  # one entity the core can't settle must not hold up the others
        return Changes(troubles=(_unsettled(each, error),), keeps_all=True)


def _changes_for(each: Read, rules: Rules) -> Changes:
    basis = basis_of(each, rules)
    obligations = rules.owed(each.standing, rules.policy)
    return difference(obligations, each.book, basis, rules.policy.drift, rules.policy.repairs_max)


def basis_of(each: Read, rules: Rules) -> Basis:
    """Under which rules the entity was settled last, and what may be done of what newer ones owe."""
    settled = each.unsettled
    return Basis(rules.code, rules.live_at, settled.code, settled.settled_at, each.withheld, each.covered, each.awaited)


async def settle_dirty(
    database: Database,
    leases: Leases,
    rules: Rules,
    limit: int,
    wake: Wake = nobody_to_wake,
    front: Front[datetime] | None = None,
) -> int:
    """Settle the longest waiting entities of my buckets; answers how many. `LeaseLost` when they are not mine any more."""
    held = dict(leases.held)
    if not held:
        return 0
    began = spans.now()
    async with database.reading() as tx:
        since = await front.found(partial(settling.front, tx)) if front else None
        batch = await settling.dirty_entities(tx, held, limit, since)
        if not batch:
            return 0
        record = await settling.on_record(tx, batch, rules.code)
        above = await seeing.parents(tx, [each.entity for each in batch])
    reads = read(batch, record, rules.targets, record.as_of)
    worked_out = [(each, changes_for(each, rules)) for each in reads]
    async with database.transaction() as tx:
        mine = {bucket_of(u.entity) for u in batch}
        await leases.hold(tx, {bucket: held[bucket] for bucket in mine})
        opened = await save(tx, worked_out, rules)
        reach("settle:before_commit")
    reach("settle:after_commit")
    seeing.settled(batch, {each.unsettled.entity: len(changes.opened) for each, changes in worked_out}, above, began)
    wake(opened.ready)
    await _tell_others(database, leases.owner, opened.ready)
    if opened.waiting:
        async with database.transaction() as tx:
            # What they wait for may have been confirmed while they were being opened.
            await delivery.release_met(tx, opened.waiting)
    return len(batch)


async def _tell_others(database: Database, owner: str, connections: Sequence[str]) -> None:
    """Apart from what it tells of: commits that notify are made one after the other, and this one waits for no disk."""
    if connections:
        async with database.transaction() as tx:
            await hearing.tell(tx, owner, connections)


async def save(tx: Transaction, worked_out: Sequence[tuple[Read, Changes]], rules: Rules) -> Opened:
    """Save what a batch changes. Entities known anew meanwhile stay dirty."""
    batch = [each.unsettled for each, _ in worked_out]
    failed = {each.unsettled.entity for each, changes in worked_out if changes.keeps_all}
    known_at = [max((fact.changed_at for fact in each.standing.facts), default=None) for each, _ in worked_out]
    current = await settling.mark_settled(tx, batch, rules.code, failed, known_at)
    changed = _settlement([(e, c) for e, c in worked_out if e.unsettled.entity in current])
    gone = await settling.withdraw(tx, [promise for _, promise in changed.withdrawn])
    # A promise that is being called for can't be replaced; its entity is looked at again when the call is over.
    kept = {entity for entity, promise in changed.withdrawn if promise not in gone}
    if kept:
        await documents.mark_dirty(tx, kept)
    to_open = [p for p in changed.opened if p.replaces is None or p.replaces in gone]
    opened = await settling.open_promises(tx, to_open, rules.code)
    if changed.spoken_of:
        await documents.mark_absent_dirty(tx, changed.spoken_of)
    await _save_the_rest(tx, changed, [(e, c) for e, c in worked_out if e.unsettled.entity in current], rules)
    return opened


async def _save_the_rest(
    tx: Transaction, changed: Settlement, worked_out: Sequence[tuple[Read, Changes]], rules: Rules
) -> None:
    worked = [e.unsettled.entity for e, c in worked_out if e.unsettled.settled_at and not c.keeps_all]
    await settling.replace_waits(tx, worked, changed.waits)
    await approvals.replace_requests(tx, worked, changed.requests)
    await settling.withhold(tx, changed.withheld, rules.code)
    await settling.adopt_written(tx, changed.adopted)
    again = [u.entity for u in changed.settled if u.settled_at is not None]
    troubles = [_raised(e.unsettled.entity, t) for e, c in worked_out for t in c.troubles]
    if again or troubles:
        await cases.settle_troubles(tx, again, troubles)
        await cases.close_empty(tx, "settling")


def _settlement(worked_out: Iterable[tuple[Read, Changes]]) -> Settlement:
    changed = Settlement()
    for each, changes in worked_out:
        entity = each.unsettled.entity
        changed.settled.append(each.unsettled)
        if changes.keeps_all:
            continue
        changed.opened.extend(_new_promise(each.unsettled, opening) for opening in changes.opened)
        changed.withdrawn.extend((entity, promise) for promise in changes.withdrawn)
        changed.withdrawn.extend((entity, o.replaces) for o in changes.opened if o.replaces is not None)
        changed.withheld.extend((entity, name) for name in changes.withheld)
        changed.waits.extend((entity, w.name, w.on, w.what, w.until) for w in changes.waits)
        changed.requests.extend(_requested(entity, needed) for needed in changes.approvals)
        changed.adopted.extend((entity, name, encode(body)) for name, body in changes.adopted)
        needed = {need.entity for opening in changes.opened for need in opening.owed.needs.values()}
        changed.spoken_of |= needed - {entity}
    return changed


def _new_promise(unsettled: Unsettled, opening: Opening) -> NewPromise:
    promised = opening.owed
    is_act = isinstance(promised, Act)
    body = encode(promised.body)
    within = [[w.account, w.amount, w.limit] for w in promised.within] if isinstance(promised, Act) else []
    needs = {label: need.key for label, need in promised.needs.items()}
    return NewPromise(
        entity=unsettled.entity,
        name=promised.name,
        verb=int(_VERBS[type(promised)]),
        target=promised.to,
        noun=NAMES[type(promised.body)],
        cause=promised.cause.id,
        cause_recorded_at=promised.cause.changed_at,
        in_flight=opening.in_flight,
        revision=unsettled.revision,
        ordinal=opening.ordinal,
        document=promised.document or promised.name,
        needs=_json(needs),
        within=_json(within),
        pins=_json(dict(promised.pins) if is_act else {}),
        repair=opening.repair,
        digest=digest(body),
        body=body,
        priority=int(promised.priority),
        deadline=promised.by,
        # The last need is the latest in the story: when it is confirmed, the others mostly are.
        blocked_on=next(reversed(needs.values()), None),
        valid_until=promised.valid_until if isinstance(promised, Act) else None,
        campaign=opening.campaign,
        replaces=opening.replaces,
    )


def _requested(entity: str, needed: ApprovalNeeded) -> Row:
    return (
        entity, needed.name, needed.digest, needed.role, needed.people, needed.hours, needed.what,
        needed.amount.minor, needed.amount.currency, needed.payee, needed.cause, needed.until,
    )  # fmt: skip


def _json(value: object) -> str:
    return "{}" if value == {} else msgspec.json.encode(value).decode()


def _unsettled(each: Read, error: Exception) -> Trouble:
    return Trouble(
        cause=f"{settling.FAILED}{type(error).__name__}",
        title=f"The rules fail on what is known: {type(error).__name__}",
        remedy="Nothing was changed. Corrected rules try it by themselves; once the data is: crossdock replay --entity <entity>",
        detail=f"{each.unsettled.entity}: {error}",
    )


def _raised(entity: str, trouble: Trouble) -> Raised:
    return Raised(trouble.cause, "trouble", trouble.title, trouble.remedy, trouble.detail, entity)
