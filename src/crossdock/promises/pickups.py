"""What an order makes us owe that its buyer fetches in a store: laid ready there, told once, and given up in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from crossdock.books.record import Record, Tendered
from crossdock.books.worth import worth_as_sold
from crossdock.canonical.lookup import Lookup
from crossdock.canonical.order import Order, OrderCancellation
from crossdock.canonical.pickup import Pickup, PickupLine, PickupNotice, PickupOrder, PickupRelease
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.money import SALE
from crossdock.promises.obligations import Act, Fetch, Kept, Obligation, Priority, State, Trouble, Wait
from crossdock.promises.picked import PICKUP_ORDER, is_fetched, pickup_fact, units_kept
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing

PICKUP_RELEASE = "pickup_release"
_OVER = ("handed_over", "cancelled")


def owed_for_pickup(
    standing: Standing, stated: Fact, record: Record, policy: Policy, erp: str | None
) -> Iterator[Obligation]:
    """What its store, its buyer and its channel are owed; `stated` is the order as the channel has it."""
    order: Order = stated.body
    store = standing.pins.get("store", policy.roles.stores)
    if store is None or not is_fetched(standing, order):
        return
    fact = pickup_fact(standing, order)
    yield from _store_asked(standing, stated, policy, store, erp)
    if fact is not None:
        yield from _buyer_told(standing, order, fact, policy)
        yield from _channel_told(standing, stated, record, fact, policy)
        yield from _too_much(record, order, fact)
    if PICKUP_ORDER not in standing.sealed or (fact is not None and fact.body.state in _OVER):
        return
    yield from _changed_since(standing, order, fact)
    yield from _money_gone(standing, record, policy)
    why = _given_up(standing, order, record, fact, policy)
    if why:
        yield from _store_released(standing, stated, policy, store, why)
    else:
        yield from _expected(standing, record, fact, policy, store)


def _store_asked(standing: Standing, stated: Fact, policy: Policy, store: str, erp: str | None) -> Iterator[Obligation]:
    """Asked once to lay it ready, when the ERP has confirmed the sale, which reserves the goods."""
    order: Order = stated.body
    lines = tuple(
        PickupLine(line=line.id, sku=line.sku, title=line.title, units=line.ordered)
        for line in order.lines
        if line.ships and line.ordered > 0
    )
    if PICKUP_ORDER in standing.sealed or order.cancelled_at is not None or not lines:
        return
    pick_by = due(order.placed_at, policy.pickup.pick_minutes)
    hold_until = pick_by + timedelta(days=policy.pickup.hold_days)
    if standing.as_of >= hold_until:
        yield _never_asked(order)
        return
    person = order.bill_to or order.ship_to
    yield Act(
        name=PICKUP_ORDER,
        to=store,
        body=PickupOrder(
            reference=standing.entity,
            number=order.number,
            location=order.pickup_at,
            name=(person.name if person else "") or order.number,
            currency=order.currency,
            lines=lines,
            pick_by=pick_by,
            hold_until=hold_until,
        ),
        cause=stated,
        by=due(stated.recorded_at, policy.deadlines.pickup_order_minutes),
        priority=Priority.ORDERS,
        document=PICKUP_ORDER,
        needs={SALE: Kept(standing.entity, SALE)} if erp else {},
        pins={"store": store},
        valid_until=hold_until,
    )
    yield Wait(name="hold", on="clock", what="the end of the time it would be kept", until=hold_until)


def _buyer_told(standing: Standing, order: Order, fact: Fact, policy: Policy) -> Iterator[Obligation]:
    """Once, when goods lie ready; who has fetched them already needs no mail."""
    pickup: Pickup = fact.body
    asked, mail = standing.sealed.get(PICKUP_ORDER), policy.roles.mail
    titles = {line.id: line.title for line in order.lines}
    ready = tuple((titles.get(line.line, line.sku), line.ready) for line in pickup.lines if line.ready)
    if pickup.state != "prepared" or not ready or asked is None or mail is None or not order.email:
        return
    if order.cancelled_at is not None or standing.as_of >= asked.body.hold_until or PICKUP_RELEASE in standing.sealed:
        return
    missing = ((titles.get(line.line, line.sku), line.asked - line.ready) for line in pickup.lines)
    place: str = asked.body.location
    yield Act(
        name="pickup_notice",
        to=mail,
        body=PickupNotice(
            to=order.email,
            name=asked.body.name if asked.body.name != order.number else "",
            order_number=order.number,
            place=policy.pickup.places.get(place, place),
            hold_until=asked.body.hold_until,
            lines=ready,
            missing=tuple((title, units) for title, units in missing if units > 0),
        ),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.notice_minutes),
        priority=Priority.NOTICES,
        valid_until=asked.body.hold_until,
    )


def _expected(
    standing: Standing, record: Record, fact: Fact | None, policy: Policy, store: str
) -> Iterator[Obligation]:
    """Somebody is to pick it, then somebody is to come for it; at the end of its time it is looked at again."""
    asked, ends = standing.sealed[PICKUP_ORDER].body, _ends(standing, record, policy)
    if fact is not None and fact.body.state == "prepared":
        units = sum(line.ready for line in fact.body.lines)
        yield Wait(name="fetched", on="customer", what=f"to come for {_units(units)}", until=ends)
        return
    units = sum(line.units for line in asked.lines)
    yield Wait(name="picked", on=store, what=f"to lay {_units(units)} ready", until=asked.pick_by)
    yield Wait(name="hold", on="clock", what="the end of the time it is kept", until=ends)


def _units(count: int) -> str:
    return f"{count} unit{'' if count == 1 else 's'}"


# --- giving it up ------------------------------------------------------------------------------------------------------


def _given_up(standing: Standing, order: Order, record: Record, fact: Fact | None, policy: Policy) -> str:
    """Why the store is not to keep it any longer; nothing while it is."""
    told = standing.sealed.get(PICKUP_RELEASE)
    if order.cancelled_at is not None:
        why = "the order was cancelled"
    elif standing.as_of >= standing.sealed[PICKUP_ORDER].body.hold_until:
        why = "nobody came for it"
    elif standing.as_of >= _ends(standing, record, policy):
        why = "its payment ran out"
    elif fact is not None and fact.body.state == "prepared" and not any(line.ready for line in fact.body.lines):
        why = "nothing of it was there"
    else:
        return ""
    return told.body.reason if told else why


def _ends(standing: Standing, record: Record, policy: Policy) -> datetime:
    """Until when it is kept: as the store was told, or as long as the money is held, where the policy says so."""
    hold_until: datetime = standing.sealed[PICKUP_ORDER].body.hold_until
    if policy.pickup.authorisation_ends == "case":
        return hold_until
    if _nothing_held(standing, record, policy):
        return standing.as_of
    held = [each.body.expires_at for each in _payments(record, policy) if each.body.status == "open"]
    return min([hold_until, *(until for until in held if until is not None)])


def _nothing_held(standing: Standing, record: Record, policy: Policy) -> bool:
    """It was authorised, and nothing of that is held any more or was taken."""
    payments = _payments(record, policy)
    gone = [each.body.status == "voided" or _ran_out(each, standing.as_of) for each in payments]
    return record.capture_when == "shipped" and bool(gone) and all(gone) and not record.captures and not record.taken


def _ran_out(payment: Tendered, as_of: datetime) -> bool:
    until = payment.body.expires_at
    return payment.body.status == "open" and until is not None and until <= as_of


def _payments(record: Record, policy: Policy) -> list[Tendered]:
    settled = ("failed", "pending")
    ours = [each for each in record.payments if each.connection == policy.roles.payments]
    return [each for each in ours if each.body.status not in settled]


def _store_released(standing: Standing, stated: Fact, policy: Policy, store: str, why: str) -> Iterator[Obligation]:
    """Back to the shelf first: only when the store says so is anything voided, for until then it may be handed over."""
    yield State(
        name=PICKUP_RELEASE,
        to=store,
        body=PickupRelease(reference=standing.entity, reason=why),
        cause=stated,
        by=due(standing.as_of, policy.deadlines.pickup_order_minutes),
        priority=Priority.ORDERS,
        document=PICKUP_ORDER,
        needs={PICKUP_ORDER: Kept(standing.entity, PICKUP_ORDER)},
    )
    # A message may have been lost: whether somebody came is read before, and what became of it after.
    asked, told = standing.sealed[PICKUP_ORDER], standing.sealed.get(PICKUP_RELEASE)
    if asked.remote_id:
        yield _read_again(standing, stated, policy, store, asked.remote_id, "before")
        if told is not None and told.confirmed:
            yield _read_again(standing, stated, policy, store, asked.remote_id, "released")


def _read_again(standing: Standing, stated: Fact, policy: Policy, store: str, id_: str, when: str) -> Fetch:
    return Fetch(
        name=f"fetch:pickup:{when}",
        to=store,
        body=Lookup(kind="pickup", id=id_),
        cause=stated,
        by=due(standing.as_of, policy.deadlines.read_minutes),
        priority=Priority.READS,
    )


# --- the channel -------------------------------------------------------------------------------------------------------


def _channel_told(standing: Standing, stated: Fact, record: Record, fact: Fact, policy: Policy) -> Iterator[Obligation]:
    """What was given up is cancelled in its channel; units that weren't there are the channel's to take off."""
    order: Order = stated.body
    if order.cancelled_at is not None:
        return
    if fact.body.state != "cancelled":
        yield from _units_to_take_off(order, record, fact, policy)
    elif policy.pickup.cancel_in_shop:
        yield _cancellation(standing, order, fact, policy)
    else:
        until = due(fact.changed_at, policy.deadlines.shop_minutes)
        yield Wait(name="cancelled", on=standing.source, what="to cancel the order, which was given up", until=until)


def _units_to_take_off(order: Order, record: Record, fact: Fact, policy: Policy) -> Iterator[Obligation]:
    kept = {line.id: line.ordered for line in record.order.lines}
    missing = sum(line.ordered - kept[line.id] for line in order.lines)
    if missing > 0 and any(kept.values()):
        yield Wait(
            name="missing_units",
            on=record.entity.split(":", 2)[1],
            what=f"to take {_units(missing)} off the order that its store doesn't have",
            until=due(fact.changed_at, policy.deadlines.shop_minutes),
        )


def _cancellation(standing: Standing, order: Order, fact: Fact, policy: Policy) -> Act:
    told = standing.sealed.get(PICKUP_RELEASE)
    return Act(
        name="order_cancellation",
        to=standing.source,
        body=OrderCancellation(
            order=order.id,
            reason=told.body.reason if told else "the store gave it up",
            refund=policy.roles.payments is None,
        ),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.shop_minutes),
        priority=Priority.ORDERS,
    )


# --- what only people can settle ---------------------------------------------------------------------------------------


def _never_asked(order: Order) -> Trouble:
    return Trouble(
        cause="pickup_never_asked",
        title="Orders to be fetched that no store was ever asked for",
        remedy="Cancel the order in its shop, or have it fetched and record that there.",
        detail=f"order {order.number} was to be fetched at {order.pickup_at}, and that time is over",
    )


def _changed_since(standing: Standing, order: Order, fact: Fact | None) -> Iterator[Obligation]:
    """A store is asked once: what is edited later, a person has to tell it."""
    asked: PickupOrder = standing.sealed[PICKUP_ORDER].body
    kept = {} if fact is None else units_kept(fact.body)
    known = {line.line: line.units for line in asked.lines}
    now = {line.id: line.ordered for line in order.lines if line.ships and line.ordered > 0}
    edited = any(now.get(line, 0) not in (units, min(units, kept.get(line, units))) for line, units in known.items())
    if order.cancelled_at is None and (edited or now.keys() - known.keys() or order.pickup_at != asked.location):
        yield Trouble(
            cause=f"pickup_changed:{standing.entity}",
            title="An order to be fetched was changed after its store was asked for it",
            remedy="Tell the store what is wanted now; the case closes when the order has been handed over or given up.",
            detail=f"order {order.number} at {asked.location}",
        )


def _money_gone(standing: Standing, record: Record, policy: Policy) -> Iterator[Obligation]:
    """The authorisation has run out before anybody came; before that it was warned of (captures)."""
    if policy.pickup.authorisation_ends == "case" and _nothing_held(standing, record, policy):
        held = sum(record.money(each.body.authorised) for each in _payments(record, policy))
        yield Trouble(
            cause=f"authorisation_gone:{record.entity}",
            title="Goods are kept ready, and no payment is held for them any more",
            remedy="Ask the buyer to authorise it again, or cancel the order: the store is then told to give it up.",
            detail=f"order {record.order.number}: {Money(held, record.currency)} was authorised",
        )


def _too_much(record: Record, order: Order, fact: Fact) -> Iterator[Obligation]:
    """Handed over although it had been cancelled: the goods are gone, and nothing will be taken for them."""
    ordered = {line.id: line.ordered for line in order.lines}
    beyond = {line.line: line.handed_over - ordered.get(line.line, 0) for line in fact.body.lines}
    beyond = {line: units for line, units in beyond.items() if units > 0}
    if beyond:
        amount: AnyMoney = Money(worth_as_sold(record, beyond), record.currency)
        yield Trouble(
            cause=f"handed_over_unpaid:{record.entity}",
            title="A store handed over what had been cancelled",
            remedy="Ask the buyer to pay it or to bring it back; write it off by an allowance for the amount.",
            detail=f"order {order.number}: {_units(sum(beyond.values()))} worth {amount}",
        )
