"""One order, or whatever else the hub keeps in step: lanes, milestones, money, what is absent, and the evidence of it all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from crossdock.cli.money import permission_of, title_of
from crossdock.cli.tracing import Traced, events, state_of, told_of
from crossdock.cli.wording import NOBODY, Known, name_of, standing_of, whom
from crossdock.console.approving import may_decide
from crossdock.console.asking import Answered, Asked, Denied
from crossdock.console.desk import Desk
from crossdock.console.evidence import Marks, Node, decoded, tree
from crossdock.console.live import moving
from crossdock.console.masking import for_eyes, masked, of_others
from crossdock.console.signing_in import Person
from crossdock.console.wording import OF_OTHERS, REMEDIES
from crossdock.govern.approving import Asked as Request
from crossdock.govern.approving import what_waits
from crossdock.govern.persons import people_of
from crossdock.promises.corrections import CORRECTABLE
from crossdock.promises.difference import Stage
from crossdock.settle.statement import Statement
from crossdock.store.approvals import Part
from crossdock.store.database import Transaction
from crossdock.store.tracing import TracedPromise

Tone = Literal["ok", "bad", "warn", "info", "wait"]
_ENTITY_CHARACTERS_MAX = 600
_EVENTS_MAX = 300
# What an order passes on its way, by the promises or facts that say so.
_MILESTONES = (
    ("Placed", "fact", ("order",)),
    ("Paid", "fact", ("capture",)),
    ("Sold in the ERP", "promise", ("sale",)),
    ("Asked to ship", "promise", ("shipment_order", "pickup_order")),
    ("Left", "fact", ("shipment", "pickup")),
    ("Billed", "promise", ("invoice",)),
    ("Shown in the shop", "promise", ("fulfilment",)),
    ("Customer told", "promise", ("parcel_notice", "pickup_notice")),
    ("Brought back", "fact", ("return",)),
    ("Refunded", "fact", ("refund",)),
    ("Credited", "promise", ("credit_memo",)),
)


@dataclass(frozen=True)
class Card:
    """One promise in its lane."""

    id: int
    title: str
    standing: str
    tone: Tone
    at: datetime | None
    due: datetime | None
    next: str


@dataclass(frozen=True)
class Step:
    name: str
    state: Literal["done", "late", "stuck", "now", "open"]
    at: datetime | None
    count: str


@dataclass(frozen=True)
class FactShown:
    kind: str
    connection: str
    id: str
    recorded_at: datetime
    changed_at: datetime
    gone: bool
    body: tuple[Node, ...]


async def order(desk: Desk, asked: Asked, person: Person, entity: str) -> Answered:
    async with desk.looking() as tx:
        live = await moving(tx, "entity", entity)
        told = await _asked_for(tx, desk, entity)
        waiting = await what_waits(tx, Part(entity=entity))
        people = await people_of(tx, desk.settings)
    about = shown(told, entity, person, [(each, may_decide(people, person, each)) for each in waiting])
    return desk.pages.page("order.html", asked, person, live=live, **about, said=_said(asked))


async def _asked_for(tx: Transaction, desk: Desk, entity: str) -> Traced:
    if len(entity) > _ENTITY_CHARACTERS_MAX or entity.count(":") < 2:
        raise Denied(404, "Nobody knows that", "Find it by its number, or by its id in any system.")
    told = await told_of(tx, [entity], desk.settings)
    if entity not in told.known and not told.record.promises and not told.record.facts:
        raise Denied(404, "Nobody knows that", "Find it by its number, or by its id in any system.")
    return told


def shown(told: Traced, entity: str, person: Person, waiting: Sequence[tuple[Request, bool]]) -> dict[str, Any]:
    """Everything the page says, worked out from what is on record; `waiting`: requests, and whether the person decides them."""
    record, known, now = told.record, told.known.get(entity, NOBODY), datetime.now(UTC)
    mine = [p for p in record.promises if p.confirmed_at is not None or p.stage is not None]
    facts = list(_facts(told, person))
    bodies = [decoded(row[8]) for row in record.facts]
    ours, theirs = for_eyes(person.sees_buyers, bodies), of_others(person.sees_buyers, bodies)
    tried = replace(record, attempts=[(*row[:5], theirs(row[5])) for row in record.attempts])
    return {
        "entity": entity,
        "title": _title(told, entity),
        "state": state_of(record, entity, now),
        "kept": sum(p.confirmed_at is not None for p in mine),
        "promised": len(mine),
        "lanes": lanes(mine, known, now),
        "steps": list(steps(told, mine, now)) if entity.startswith("order:") else [],
        "money": told.money.get(entity),
        "causes": _causes(told.money.get(entity)),
        "expected": [(row[3], row[2], row[4]) for row in record.expectations],
        "cases": [
            (id_, title, REMEDIES.get(kind, remedy), (theirs if kind in OF_OTHERS else ours)(detail), since)
            for _, id_, title, remedy, detail, since, kind in record.cases
        ],
        "pins": [(row[1], row[2], row[3]) for row in record.pins],
        "facts": facts,
        "events": [
            (at, did, ours(what)) for at, did, what in events(replace(told, record=tried), entity)[-_EVENTS_MAX:]
        ],
        "waiting": waiting,
        "buyer": _buyer(facts),
        "correctable": person.may_decide and person.sees_buyers and entity.partition(":")[0] in CORRECTABLE,
    }


def _title(told: Traced, entity: str) -> tuple[str, str]:
    """(what people call it, where it comes from)"""
    kind, connection, id_ = entity.split(":", 2)
    for _, source, noun, _, _, _, _, gone, body in told.record.facts:
        if noun == kind and source == connection and not gone:
            told_of_it: dict[str, Any] = decoded(body) or {}
            return f"{kind.capitalize()} {told_of_it.get('number') or id_}", connection
    return f"{kind.replace('_', ' ').capitalize()} {id_} (not seen yet)", connection


def lanes(promises: Sequence[TracedPromise], known: Known, now: datetime) -> list[tuple[str, list[Card]]]:
    """The promises to each system, in the order in which they were made."""
    found: dict[str, list[Card]] = {}
    for promise in promises:
        found.setdefault(promise.target, []).append(_card(promise, known, now))
    return list(found.items())


def _card(promise: TracedPromise, known: Known, now: datetime) -> Card:
    at = promise.confirmed_at or promise.sealed_at or promise.opened_at
    open_ = promise.stage is not None
    return Card(
        promise.id,
        name_of(promise.name, known),
        standing_of(promise, known),
        tone_of(promise, now),
        at,
        promise.deadline if open_ else None,
        whom(promise, known) if open_ else "",
    )


def tone_of(promise: TracedPromise, now: datetime) -> Tone:
    if promise.stage is None:
        return "ok" if promise.confirmed_at is not None else "wait"
    if promise.stage in (Stage.CASE, Stage.DOUBTFUL) or (promise.stage == Stage.BLOCKED and promise.actor == 2):
        return "bad"
    if promise.deadline is not None and promise.deadline < now:
        return "warn"
    return "wait" if promise.stage == Stage.BLOCKED else "info"


def steps(told: Traced, promises: Sequence[TracedPromise], now: datetime) -> Iterator[Step]:
    """The milestones that were reached or are owed; those nobody speaks of are left out."""
    for name, source, names in _MILESTONES:
        if source == "fact":
            at = [row[5] for row in told.record.facts if row[2] in names and not row[7]]
            if at:
                yield Step(name, "done", min(at), f"{len(at)}×" if len(at) > 1 else "")
            continue
        mine = [p for p in promises if p.name.partition(":")[0] in names]
        if mine:
            yield _promised_step(name, mine, now)


def _promised_step(name: str, mine: Sequence[TracedPromise], now: datetime) -> Step:
    done = [p for p in mine if p.confirmed_at is not None]
    tones = {tone_of(p, now) for p in mine}
    count = f"{len(done)} of {len(mine)}" if len(mine) > 1 else ""
    if len(done) == len(mine):
        return Step(name, "done", max(p.confirmed_at for p in done if p.confirmed_at), count)
    state = "stuck" if "bad" in tones else "late" if "warn" in tones else "now" if "info" in tones else "open"
    return Step(name, state, min((p.deadline for p in mine if p.deadline), default=None), count)


def _facts(told: Traced, person: Person) -> Iterator[FactShown]:
    for _, connection, kind, id_, _, recorded_at, changed_at, gone, body in told.record.facts:
        content = decoded(body)
        if content is not None and not person.sees_buyers:
            content = masked(content)
        nodes = tree(content, Marks()) if content is not None else ()
        yield FactShown(kind, connection, id_, recorded_at, changed_at, gone, nodes)


def _causes(money: Statement | None) -> list[tuple[str, Any, list[tuple[Any, str]]]]:
    """(title, cause, [(money back, what permission it needs)])"""
    if money is None:
        return []
    return [
        (
            title_of(each),
            each,
            [(m, permission_of(money, m.permission) if m.permission else "") for m in each.money_back],
        )
        for each in money.causes
    ]


def _buyer(facts: Sequence[FactShown]) -> list[tuple[str, str]]:
    """Who bought it and where it goes, as far as the person may see it."""
    told = next((fact for fact in facts if fact.kind == "order"), None)
    if told is None:
        return []
    found = {node.key: node for node in told.body}
    lines = [("E-mail", _flat(found.get("email"))), ("Goes to", _flat(found.get("ship_to")))]
    return [(label, text) for label, text in lines if text]


def _flat(node: Node | None) -> str:
    if node is None:
        return ""
    return node.text if node.text is not None else ", ".join(t for t in (_flat(each) for each in node.children) if t)


def _said(asked: Asked) -> str:
    missing = asked.number("n")
    approved = f"Approved. It takes {missing} more." if missing else "Approved. The hub goes on by itself."
    return {
        "approved": approved,
        "rejected": "Rejected.",
        "corrected": "Corrected, and on record with your reason.",
    }.get(asked.of_query("done"), "")
