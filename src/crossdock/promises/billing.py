"""What the ERP is owed when what was billed is not what should be: a credit memo, an invoice, or both; never their sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from crossdock.books.amounts import Amounts, Position, Value
from crossdock.books.billing import difference
from crossdock.books.record import Record
from crossdock.canonical.order import Order, Tax
from crossdock.canonical.returns import BillingLine, CreditMemo, SupplementaryInvoice
from crossdock.kernel.money import Money
from crossdock.promises.money import every_sale, late_digest
from crossdock.promises.obligations import Act, Kept, Obligation, Priority
from crossdock.promises.policy import Policy, due
from crossdock.promises.shipments import invoices_owed
from crossdock.promises.standing import Fact, Standing

_CHANGES = ("order", "shipment", "return", "allowance")
_TITLES = {"shipping": "Delivery", "tip": "Tip", "fee": "Return fee", "discount": "Allowance", "goods": "Goods"}


def owed_corrections(
    standing: Standing, order_fact: Fact, record: Record, policy: Policy, erp: str
) -> Iterator[Obligation]:
    """Bring what is billed to what should be, as soon as the parcels it corrects are billed."""
    found = difference(record)
    if found.size <= policy.tolerance_minor:
        return
    cause = _newest(standing, order_fact)
    for name, amounts in (("credit_memo", found.to_credit), ("supplementary_invoice", found.to_bill)):
        if amounts:
            yield _correction(standing, record, policy, erp, cause, name, amounts)


def _newest(standing: Standing, order_fact: Fact) -> Fact:
    """What was learned last is what made the difference; an approval did only where it let a late return count."""
    late = {late_digest(fact, order_fact.body.currency) for fact in standing.of("return")}
    changes = [
        fact
        for fact in standing.facts
        if fact.kind in _CHANGES or (fact.kind == "approval" and fact.body.digest in late)
    ]
    return max(changes, key=lambda fact: (fact.changed_at, fact.id), default=order_fact)


def _correction(
    standing: Standing, record: Record, policy: Policy, erp: str, cause: Fact, name: str, amounts: Amounts
) -> Act:
    nth = next(standing.free(name))
    invoices = invoices_owed(standing, record)
    lines, day = _lines(record.order, amounts), _open_day(cause.changed_at, policy)
    about = {"number": record.order.number, "sold_by": standing.source, "currency": record.currency}
    reason = f"order {record.order.number}: {_why(cause)}"
    return Act(
        name=f"{name}:{nth}",
        to=erp,
        body=CreditMemo(**about, memo_date=day, reason=reason, lines=lines)
        if name == "credit_memo"
        else SupplementaryInvoice(**about, invoice_date=day, reason=reason, lines=lines),
        cause=cause,
        by=due(cause.changed_at, policy.deadlines.credit_minutes),
        priority=Priority.MONEY,
        document=name,
        needs=every_sale(standing) | {f"invoice:{n}": Kept(standing.entity, each) for n, each in enumerate(invoices)},
    )


def _why(cause: Fact) -> str:
    return f"return {cause.body.number or cause.body.id}" if cause.kind == "return" else f"{cause.kind} changed"


def _open_day(moment: datetime, policy: Policy) -> datetime:
    """In the open period: a closed one is never written to again."""
    closed = policy.books_closed_until
    return moment if closed is None or moment > closed else closed + timedelta(days=1)


def _lines(order: Order, amounts: Amounts) -> tuple[BillingLine, ...]:
    lines = {line.id: (line.sku, line.title) for line in order.lines}
    titles = _tax_titles(order)
    return tuple(_line(position, value, lines, titles, order.currency) for position, value in sorted(amounts.items()))


def _line(
    position: Position, value: Value, lines: Mapping[str, tuple[str, str]], titles: Mapping[str, str], currency: str
) -> BillingLine:
    sku, title = lines.get(position.line, ("", _TITLES.get(position.component, "")))
    return BillingLine(
        component=position.component,
        net=Money(value.net, currency),
        line=position.line,
        sku=sku,
        title=title,
        taxes=tuple(
            Tax(title=titles.get(rate, "Tax"), rate=rate, amount=Money(amount, currency))
            for rate, amount in zip(position.rates, value.taxes, strict=True)
        ),
    )


def _tax_titles(order: Order) -> dict[str, str]:
    on_goods = {tax.rate: tax.title for line in order.lines for tax in line.taxes}
    return {tax.rate: tax.title for charge in order.shipping for tax in charge.taxes} | on_goods
