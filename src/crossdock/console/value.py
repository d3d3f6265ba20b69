"""Value: what the hub did in these days, counted; what that is worth by assumptions that people make, shown and changed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.desk import Desk
from crossdock.console.ledger import Span, span_of
from crossdock.console.signing_in import Person
from crossdock.kernel.money import from_decimal, minor_digits
from crossdock.store import desk as store
from crossdock.store import tally
from crossdock.store.database import Row, Transaction

ASSUMES = frozenset({"finance", "engineer", "admin"})
"""Roles that say what an hour costs and how long something takes by hand."""
HOUR = "hour."
_MINUTES = "minutes."
_DAYS = 30
_VALUE_MAX = 1_000_000
# (name, what is counted, title, how it is counted)
_WORK = (
    ("sales", ("act:sales_order",), "Orders entered in the ERP", "sales that the ERP confirmed"),
    (
        "shipping",
        ("act:shipment_order", "act:pickup_order"),
        "Warehouses and stores asked",
        "orders to ship or keep ready that were confirmed",
    ),
    ("parcels", ("act:goods_issue",), "Parcels booked out", "goods issues that the ERP confirmed"),
    ("invoices", ("act:invoice_posting",), "Parcels billed", "invoices that the ERP posted"),
    (
        "corrections",
        ("act:credit_memo", "act:supplementary_invoice"),
        "Credit notes and further invoices",
        "corrections that the ERP posted",
    ),
    ("returns", ("act:goods_return",), "Returned goods booked in", "goods returns that the ERP confirmed"),
    (
        "refunds",
        ("act:payment_refund", "act:store_credit", "act:payment_capture", "act:payment_void"),
        "Money moved",
        "refunds, credits, captures and releases that their payment service confirmed",
    ),
    (
        "told",
        ("act:parcel_notice", "act:pickup_notice", "act:refund_notice"),
        "Buyers told",
        "messages that were taken to be sent",
    ),
    (
        "shown",
        ("act:fulfilment", "act:return_record", "state:order_reference", "act:order_cancellation"),
        "Shown in the shop",
        "parcels, returns and numbers that the shop confirmed",
    ),
    (
        "same",
        ("state:party_account", "state:erp_address", "state:ship_to", "state:open_units", "state:shipment_lines"),
        "Customers, addresses and units kept the same",
        "values that were written and read back",
    ),
    ("repairs", ("repair",), "Drift put right", "values that somebody had changed there, written again"),
    ("again", ("again",), "Calls tried again or looked up", "calls that failed or whose answer got lost, no person asked"),
    ("released", ("released",), "Held up, and released by one name", "promises that a name given once let go"),
    ("alone", ("alone",), "Troubles that ended by themselves", "cases that closed without anybody's decision"),
)  # fmt: skip
NAMES = frozenset(f"{_MINUTES}{name}" for name, *_ in _WORK)


@dataclass(frozen=True)
class Line:
    """One sort of work; `minutes` by hand is None while nobody has said."""

    name: str
    title: str
    how: str
    count: int
    minutes: float | None
    said: str

    @property
    def hours(self) -> float | None:
        return None if self.minutes is None else self.count * self.minutes / 60


async def value(desk: Desk, asked: Asked, person: Person) -> Answered:
    today = datetime.now(UTC).date()
    first = asked.of_query("from") or str(today - timedelta(days=_DAYS - 1))
    span = span_of(first, asked.of_query("to"), today)
    async with desk.looking() as tx:
        counted, refused = await _counted(tx, span)
        assumed = await tally.assumptions(tx)
        mark = await tally.mark(tx)
    lines = list(lines_of(counted, assumed))
    hours = sum(line.hours or 0 for line in lines)
    return desk.pages.page(
        "value.html",
        asked,
        person,
        span=span,
        mark=mark,
        lines=lines,
        hours=hours,
        left_out=sum(line.minutes is None and line.count > 0 for line in lines),
        rate=rate_of(assumed),
        worth=worth_of(hours, assumed),
        refused=refused,
        may_assume=bool(person.roles & ASSUMES),
        said=asked.of_query("done") == "assumed",
    )


async def _counted(tx: Transaction, span: Span) -> tuple[Counter[str], tuple[int, dict[str, int]]]:
    """What was done, and (how often money was not allowed to go back, minor units by currency)."""
    since = datetime.combine(span.first, time(), UTC)
    until = datetime.combine(span.last, time(), UTC) + timedelta(days=1)
    counted = Counter(await tally.work(tx, span.first, span.last))
    counted["released"] = (await tally.released(tx, since, until))[1]
    counted["alone"] = (await tally.ended(tx, since, until))[0]
    times, amounts = await tally.refused(tx, since, until)
    return counted, (times, _sums(amounts))


def _sums(amounts: list[str]) -> dict[str, int]:
    """Of amounts as decisions record them, `20.00 USD`."""
    found: Counter[str] = Counter()
    for each in amounts:
        number, _, currency = each.partition(" ")
        found[currency] += from_decimal(Decimal(number), currency).minor
    return dict(found)


def lines_of(counted: Mapping[str, int], assumed: Mapping[str, Row]) -> Iterator[Line]:
    for name, keys, title, how in _WORK:
        minutes, by, at = assumed.get(_MINUTES + name, (None, "", None))
        said = f"{by}, {at:%Y-%m-%d}" if at else ""
        yield Line(name, title, how, sum(counted.get(key, 0) for key in keys), minutes, said)


def rate_of(assumed: Mapping[str, Row]) -> tuple[str, float, str] | None:
    """(currency, cost of an hour, who said so and when)"""
    found = [(name.removeprefix(HOUR), row) for name, row in assumed.items() if name.startswith(HOUR)]
    return next(((currency, row[0], f"{row[1]}, {row[2]:%Y-%m-%d}") for currency, row in sorted(found)), None)


def worth_of(hours: float, assumed: Mapping[str, Row]) -> dict[str, int]:
    """What so many hours cost: minor units by currency; empty while nobody has said what an hour costs."""
    rate = rate_of(assumed)
    if rate is None:
        return {}
    return {rate[0]: round(hours * rate[1] * 10 ** minor_digits(rate[0]))}


async def assume(desk: Desk, asked: Asked, person: Person) -> Answered:
    """Change what is assumed; each change is recorded with what it was, and only on what the page showed."""
    wanted = {name: (_number(asked, name), _number(asked, f"was.{name}")) for name in sorted(NAMES)}
    currency, was = asked.of_form("currency").upper(), asked.of_form("was.currency")
    cost = _number(asked, "hour")
    if cost is not None and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise Denied(422, "Something is missing", "Say in which currency an hour costs that, for instance USD.")
    if was and was != currency:
        wanted[HOUR + was] = (None, _number(asked, "was.hour"))
    if currency:
        wanted[HOUR + currency] = (cost, _number(asked, "was.hour") if was == currency else None)
    async with desk.deciding(person) as decider:
        for name, (now, before) in wanted.items():
            if now == before:
                continue
            held = await tally.assume(decider.tx, name, now, person.name)
            if held != before:
                raise store.Overtaken(f"Somebody else has changed {name} to {held} meanwhile.")
            await decider.record("assume", name=name, before=before, after=now)
    return see(to("value", **{"from": asked.of_form("from")}, to=asked.of_form("to"), done="assumed"))


def _number(asked: Asked, name: str) -> float | None:
    text = asked.of_form(name).replace(",", ".")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= _VALUE_MAX:
        raise Denied(422, "That is no number", "Write minutes and costs as 2.5; leave it empty to assume nothing.")
    return number
