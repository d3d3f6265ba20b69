"""What goods that come back make us owe: the ERP receives them, the channel shows them, and people look at what is odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from crossdock.books.amounts import gross_of
from crossdock.books.entitlements import entitlements
from crossdock.books.exchanges import replacing
from crossdock.books.record import Asked, Record
from crossdock.books.units import Back, LinesByName, came_back, lines_by_name, shipped_units
from crossdock.books.worth import worth_of
from crossdock.canonical.returns import (
    Disposition,
    GoodsReturn,
    GoodsReturnLine,
    Return,
    ReturnedUnits,
    ReturnRecord,
)
from crossdock.kernel.money import Money
from crossdock.promises.approvals import rejected
from crossdock.promises.money import (
    LATE,
    SALE,
    forgotten_refunds,
    is_late,
    late_cause,
    late_digest,
    latest,
    since_allowed,
    since_paid,
)
from crossdock.promises.obligations import Act, ApprovalNeeded, Kept, Obligation, Priority, Trouble, Wait
from crossdock.promises.policy import Policy, due
from crossdock.promises.shipments import fulfilments_owed, issues_owed
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms, terms_at

GOODS_RETURN = "goods_return"
Stocked = tuple[str, str, str, Disposition]
"""(line, SKU, location, disposition)"""


def owed_for_returns(
    standing: Standing, record: Record, policy: Policy, erp: str | None, going: Mapping[Asked, datetime | None]
) -> Iterator[Obligation]:
    """What each return makes us owe beside its money, of which `going` is what is about to go back, and since when it may."""
    backs = {back.returned.cause: back for back in came_back(record)}
    heard = sorted(standing.of("return"), key=lambda fact: (fact.recorded_at, fact.id), reverse=True)
    first = {fact.body.id: fact for fact in heard}
    to_stock = _to_stock(standing, record, policy, first.values()) if erp is not None else {}
    for fact in standing.of("return"):
        terms = terms_at(policy.returns, fact.body.returned_at)
        if fact.body.status == "cancelled":
            continue
        yield from _expected(fact, policy, terms)
        if fact.id in backs:
            yield from _odd(record, backs[fact.id])
            yield from _late(standing, record, fact, terms)
        if first[fact.body.id] is not fact:
            yield _of_one_number(record, fact, first[fact.body.id])
            continue
        if erp is not None:
            yield from _goods_return(standing, record, fact, policy, erp, to_stock[fact.id])
        if fact.id in backs and standing.shows(ReturnRecord):
            yield from _return_record(standing, record, fact, backs[fact.id], policy, going)


def _expected(fact: Fact, policy: Policy, terms: ReturnTerms) -> Iterator[Obligation]:
    """Goods that were announced are waited for, goods that were handed in wait to be looked at."""
    body: Return = fact.body
    if body.status == "closed":
        return
    handed_in = [line for line in body.lines if line.received and line.disposition is None and not line.keeps_goods]
    announced = sum(max(line.units - line.received, 0) for line in body.lines if not line.keeps_goods)
    name = body.number or body.id
    if terms.inspect and handed_in:
        yield Wait(
            name=f"inspection:{fact.id}",
            on=body.channel or fact.connection,
            what=f"to say what became of {sum(line.received for line in handed_in)} returned of {name}",
            until=due(fact.changed_at, policy.deadlines.inspection_minutes),
        )
    if announced:
        yield Wait(
            name=f"goods_back:{fact.id}",
            on="customer",
            what=f"{announced} of return {name} to be handed in",
            until=due(body.returned_at, policy.deadlines.return_minutes),
        )


def _of_one_number(record: Record, fact: Fact, first: Fact) -> Trouble:
    """What is done about a return is named by its number, so that the second of that number would be taken for the first."""
    body: Return = fact.body
    return Trouble(
        cause=f"return_of_one_number:{record.entity}:{body.id}",
        title="Two systems state a return under one number",
        remedy=f"Where it is one return, cancel it at one of them. Where it is two, the goods of that of {fact.connection} are "
        "put into the books and shown by hand; its money goes back as it should.",
        detail=f"return {body.number or body.id} of order {record.order.number}: at {first.connection} and {fact.connection}",
    )


def _odd(record: Record, back: Back) -> Iterator[Obligation]:
    body = back.returned.body
    for what, units in back.strangers:
        yield Trouble(
            cause=f"return_of_strangers:{record.entity}:{body.id}",
            title="Something came back that never left on this order",
            remedy="Correct the return where it was taken, or bind it to the order it belongs to.",
            detail=f"return {body.number or body.id} of order {record.order.number}: {units} of {what} too many",
        )


def _late(standing: Standing, record: Record, fact: Fact, terms: ReturnTerms) -> Iterator[Obligation]:
    """A return after the window is a person's to allow; until then it moves goods and no money."""
    body: Return = fact.body
    mine = next((each for each in record.returns if each.cause == fact.id), None)
    if mine is None or mine.counts or not is_late(standing, body, terms) or body.settle_by == "nothing":
        return
    digest = late_digest(fact, record.currency)
    if rejected(standing, digest) is not None:
        return  # decided: the goods are kept or sent back, and no money is owed
    yield ApprovalNeeded(
        name=f"late_return:{fact.id}",
        role=terms.approver,
        people=1,
        digest=digest,
        what=f"let return {body.number or body.id} count, handed in after {terms.window_days} days",
        amount=Money(0, record.currency),
        payee=LATE,
        cause=late_cause(fact),
        until=due(fact.changed_at, terms.approve_within_minutes),
        hours=terms.approval_hours,
    )


# --- goods -------------------------------------------------------------------------------------------------------------


def _goods_return(
    standing: Standing, record: Record, fact: Fact, policy: Policy, erp: str, to_stock: Mapping[Stocked, int]
) -> Iterator[Obligation]:
    """The ERP receives what was handed in and looked at, where its disposition says; what it received before stays."""
    body: Return = fact.body
    slots = f"{GOODS_RETURN}:{body.id}"
    missing = Counter(to_stock)
    for sealed in standing.all_sealed(slots):
        missing.subtract({_stocked(line): line.units for line in sealed.body.lines})
    if any(units < 0 for units in missing.values()) and any(units > 0 for units in missing.values()):
        yield _stocked_elsewhere(record, body)
    lines = _not_received_yet(missing)
    if not lines:
        return
    issues = issues_owed(standing, record)
    yield Act(
        name=f"{slots}:{next(standing.free(slots))}",
        to=erp,
        body=GoodsReturn(return_id=body.id, number=body.number or body.id, received_at=body.returned_at, lines=lines),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.credit_minutes),
        priority=Priority.ORDERS,
        document="sale",
        needs={SALE: Kept(standing.entity, SALE)}
        | {f"issue:{n}": Kept(standing.entity, name) for n, name in enumerate(issues)},
    )


def _not_received_yet(missing: Counter[Stocked]) -> tuple[GoodsReturnLine, ...]:
    """Units that the ERP has not received at all; those that it received under another disposition are not among them."""
    elsewhere: Counter[str] = Counter()
    for (line, *_), units in missing.items():
        elsewhere[line] += max(-units, 0)
    found: list[GoodsReturnLine] = []
    for (line, sku, location, disposition), units in sorted(missing.items()):
        known = min(max(units, 0), elsewhere[line])
        elsewhere[line] -= known
        if units > known:
            new = units - known
            found.append(GoodsReturnLine(line=line, sku=sku, units=new, location=location, disposition=disposition))
    return tuple(found)


def _stocked_elsewhere(record: Record, body: Return) -> Trouble:
    return Trouble(
        cause=f"disposition_changed:{record.entity}:{body.id}",
        title="What became of returned goods was said otherwise after they were received",
        remedy="Move them to the right location in the ERP, then resolve the case.",
        detail=f"return {body.number or body.id} of order {record.order.number} is at another location in the ERP",
    )


def _stocked(line: GoodsReturnLine) -> Stocked:
    return (line.line, line.sku, line.location, line.disposition)


def _to_stock(
    standing: Standing, record: Record, policy: Policy, returns: Collection[Fact]
) -> dict[str, Counter[Stocked]]:
    """By fact, the units handed in, by where they go; only of what has left: a return may be heard before its parcel.

    What the ERP received for a return stays that one's; of the rest of what left, the earliest return has as much as it brought.
    """
    lines, left, found = lines_by_name(record), shipped_units(record), dict[str, Counter[Stocked]]()
    received = {fact.id: _received(standing, fact.body) for fact in returns}
    for units in received.values():
        left.subtract(units)
    for fact in sorted(returns, key=lambda each: (each.body.returned_at, each.id)):
        left.update(received[fact.id])
        found[fact.id] = _handed_in(fact.body, terms_at(policy.returns, fact.body.returned_at), lines, left)
        left.subtract(received[fact.id] - _by_line(found[fact.id]))
    return found


def _received(standing: Standing, body: Return) -> Counter[str]:
    """Units by line that the ERP received for a return."""
    sealed = standing.all_sealed(f"{GOODS_RETURN}:{body.id}")
    return sum((Counter({line.line: line.units}) for each in sealed for line in each.body.lines), Counter[str]())


def _by_line(stocked: Mapping[Stocked, int]) -> Counter[str]:
    units: Counter[str] = Counter()
    for (line, *_), count in stocked.items():
        units[line] += count
    return units


def _handed_in(body: Return, terms: ReturnTerms, lines: LinesByName, left: Counter[str]) -> Counter[Stocked]:
    """Takes what it attributes out of `left`."""
    found: Counter[Stocked] = Counter()
    for line in body.lines if body.status != "cancelled" else ():
        if not line.received or line.keeps_goods or (line.disposition is None and terms.inspect):
            continue
        disposition = line.disposition or "sellable"
        location, rest = terms.locations.get(disposition, line.location), line.received
        for named in lines.meant_by(line) if location else ():
            if (units := min(rest, left[named])) > 0:
                left[named] -= units
                rest -= units
                found[named, line.sku, location, disposition] += units
    return found


# --- telling the channel -----------------------------------------------------------------------------------------------


def _return_record(
    standing: Standing, record: Record, fact: Fact, back: Back, policy: Policy, going: Mapping[Asked, datetime | None]
) -> Iterator[Obligation]:
    """The channel shows what came back and what was paid for it, once the money has gone.

    Of a return that it announced itself it shows the goods already, and what it gave back itself of any.
    """
    body: Return = fact.body
    slots = f"return_record:{body.id}"
    told = standing.all_sealed(slots)
    units = Counter[str]() if fact.connection == standing.source else _known_there(record, back)
    for sealed in told:
        units.subtract({line.line: line.units for line in sealed.body.lines})
    money, refunds = _money_back(record, fact, going)
    if money is None:
        return
    money -= _by_the_channel(standing, record, fact, refunds)
    money -= sum(record.money(sealed.body.amount) for sealed in told)
    dispositions = _dispositions(record, body)
    lines = tuple(
        ReturnedUnits(line=line, units=count, restock=dispositions.get(line, "none"))
        for line, count in sorted(units.items())
        if count > 0
    )
    if not lines and money <= 0:
        return
    shipping = _delivery_back(record, fact.id) - sum(record.money(sealed.body.shipping) for sealed in told)
    # What the database was set back over has been made, and nobody makes it here any more.
    made = forgotten_refunds(standing)
    yield Act(
        name=f"{slots}:{next(standing.free(slots))}",
        to=standing.source,
        body=ReturnRecord(
            order=record.order.id,
            return_id=body.id,
            lines=lines,
            amount=Money(max(money, 0), record.currency),
            shipping=Money(min(max(shipping, 0), max(money, 0)), record.currency),
            note=f"Return {body.number or body.id}",
        ),
        cause=fact,
        by=due(fact.changed_at, policy.deadlines.shop_minutes),
        priority=Priority.ORDERS,
        document="refunds",
        since=latest(
            since_paid(standing, {each.payment for each in refunds}),
            since_allowed(standing, fact, record.currency),
            *(since for each, since in going.items() if each in refunds),
        ),
        needs=_shown_before(standing, record, lines)
        | {f"refund:{n}": Kept(standing.entity, each.name) for n, each in enumerate(refunds) if each.name not in made},
    )


def _known_there(record: Record, back: Back) -> Counter[str]:
    """Without new goods in exchange that came back again: they never stood on the channel's order."""
    new = replacing(record)
    return Counter({line: units for line, units in back.units.items() if line not in new})


def _shown_before(standing: Standing, record: Record, lines: Sequence[ReturnedUnits]) -> dict[str, Kept]:
    """The channel takes nothing back that it hasn't shown as gone: the first parcels that held so much of the lines."""
    missing = Counter({each.line: each.units for each in lines})
    found: dict[str, Kept] = {}
    for parcel, shown in fulfilments_owed(standing, record).items():
        held = [each for each in shown if missing[each.line] > 0]
        missing.subtract({each.line: each.units for each in held})
        if held:
            found[f"shown:{parcel}"] = Kept(standing.entity, f"fulfilment:{parcel}")
    return found


def _money_back(record: Record, fact: Fact, going: Iterable[Asked]) -> tuple[int | None, list[Asked]]:
    """What goes back for a return in all, and by which of our refunds; None while some of it has yet to be allowed."""
    mine = next((each for each in entitlements(record).of if each.cause == fact.id), None)
    if mine is None:
        return 0, []
    about_to = [each for each in going if each.cause == fact.id]
    if mine.open != sum(each.amount for each in about_to):
        return None, []
    return mine.settled + mine.open, [*(each for each in record.asked if each.cause == fact.id), *about_to]


def _by_the_channel(standing: Standing, record: Record, fact: Fact, refunds: Sequence[Asked]) -> int:
    """Minor units that the channel gave back for a return itself, its own store credit among them."""
    credit = sum(each.amount for each in refunds if each.name.startswith("store_credit:"))
    own = (each for id_, each in record.refunds if id_.startswith(f"refund:{standing.source}:"))
    paid = (each for each in own if each.for_return == fact.body.id and each.status != "failed")
    return credit + sum(record.money(each.amount) for each in paid)


def _delivery_back(record: Record, cause: str) -> int:
    given = [each for each in worth_of(record).given if each.cause == cause]
    return sum(gross_of({p: v}) for each in given for p, v in each.amounts.items() if p.component == "shipping")


def _dispositions(record: Record, body: Return) -> dict[str, Disposition]:
    """By order line, what became of what came back of it; the first that was said."""
    lines, found = lines_by_name(record), dict[str, Disposition]()
    for each in body.lines:
        if each.disposition is not None:
            for line in lines.meant_by(each):
                found.setdefault(line, each.disposition)
    return found
