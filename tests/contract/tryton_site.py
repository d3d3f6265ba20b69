"""A running Tryton with the connector's link to it, and the commands tests send there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec

from crossdock.canonical.order import (
    ErpAddress,
    OpenLine,
    OpenUnits,
    Order,
    OrderLine,
    PartyAccount,
    SalesOrder,
    ShippingCharge,
    Tax,
)
from crossdock.canonical.party import Address
from crossdock.canonical.returns import BillingLine, CreditMemo, GoodsReturn, GoodsReturnLine, SupplementaryInvoice
from crossdock.canonical.shipment import GoodsIssue, InvoicePosting, Shipment, ShipmentLine
from crossdock.connect.connector import Command
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connect.secrets import Secret
from crossdock.connectors.tryton import Settings
from crossdock.connectors.tryton.goods_issue import issue_goods
from crossdock.connectors.tryton.invoices import post_invoice
from crossdock.connectors.tryton.sales import post_sales
from crossdock.kernel.money import AnyMoney, total, usd
from crossdock.simulators.tryton import Tryton
from crossdock.simulators.tryton_ledger import Session, ledger, ledger_of

N = TypeVar("N", bound=msgspec.Struct)
Row = dict[str, Any]

SEALED_AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOME = Address(name="Ada Example", street=("1 Example Street", "Apt 2"), city="Springfield", region="IL",
               postal_code="62701", country="US")  # fmt: skip
AWAY = Address(name="Ada Example", company="Example Ltd", street=("22 Sample Avenue",), city="Boston", region="MA",
               postal_code="02110", country="US")  # fmt: skip


async def spend(points: int) -> None: ...


def leased() -> None: ...


def settings_for(at: Tryton, **changed: Any) -> Settings:
    given = {
        "url": at.url,
        "database": at.db,
        "user": at.user,
        "password": Secret(at.password),
        "shop": at.facts["shop_name"],
        "warehouse": at.facts["warehouse_code"],
    }
    return Settings(**{**given, **changed})


class CountedHttp(Http):
    """The real line; it can be cut before or after its n-th call of a method, as a kill or a lost answer would."""

    cut: tuple[str, int] | None = None
    methods: list[str]

    async def send(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        called = body["method"].removeprefix("model.")
        self.methods.append(called)
        answer = await super().send(method, path, body, **given)
        if self.cut and called == self.cut[0] and self.methods.count(called) == self.cut[1]:
            raise Killed(called)
        return answer


class Killed(BaseException):
    """The process went away just after a call; nothing catches it."""


@dataclass
class Site:
    """A running ERP and one hub process's line to it."""

    at: Tryton
    link: Link[Settings]
    http: CountedHttp

    def books(self, *only: str) -> dict[str, list[Row]]:
        return ledger(self.at, *only)

    def ask(self, model: str, fields: str, where: list[Any]) -> list[Row]:
        with closing(Session(self.at)) as session:
            return session.rows(model, fields, where)

    def order(self, what: str, web_id: str) -> list[Row]:
        """Sales, or the shipments or invoices of the sale, of one order."""
        return ledger_of(self.at, what, web_id)


@asynccontextmanager
async def site(at: Tryton, *, timeout_seconds: float = 60.0, **changed: Any) -> AsyncGenerator[Site]:
    """One process's line, with a memory of its own."""
    async with aiohttp.ClientSession() as session:
        settings = settings_for(at, **changed)
        http = CountedHttp(session, settings.url, spend=spend, guard=leased, timeout_seconds=timeout_seconds)
        http.methods = []
        yield Site(at, Link(settings, http, {}, leased), http)


# --- orders ------------------------------------------------------------------------------------------------------------


@dataclass
class Bought:
    """A line of an order: price and discount in cents, as the shop states them."""

    sku: str
    units: int = 1
    price: int = 2000
    discount: int = 0
    rates: Sequence[str] = ("0.1",)
    line: str = field(default="")


def taxed(amount: int, rates: Sequence[str], *, included: bool) -> tuple[Tax, ...]:
    """Taxes as a shop computes them, line by line, half away from zero."""
    net = Decimal(amount) / (1 + sum(map(Decimal, rates))) if included else Decimal(amount)
    return tuple(
        Tax(
            title=f"Tax {rate}", rate=rate, amount=usd(int((net * Decimal(rate)).quantize(Decimal(1), "ROUND_HALF_UP")))
        )
        for rate in rates
    )


def order_of(
    number: str, bought: Sequence[Bought], *, shipping: int = 0, included: bool = False, **given: Any
) -> Order:
    lines = tuple(
        OrderLine(
            id=each.line or f"{number}{n}",
            sku=each.sku,
            title=each.sku.title(),
            ordered=each.units,
            unit_price=usd(each.price),
            discount=usd(each.discount) if each.discount else None,
            taxes=taxed(each.price * each.units - each.discount, each.rates, included=included),
        )
        for n, each in enumerate(bought, start=1)
    )
    charges = (
        (ShippingCharge(title="Standard", price=usd(shipping), taxes=taxed(shipping, ("0.1",), included=included)),)
        if shipping
        else ()
    )
    order = Order(
        id=number,
        number=f"#{number}",
        placed_at=SEALED_AT,
        currency="USD",
        lines=lines,
        total=usd(0),
        tax_included=included,
        shipping=charges,
        **{"bill_to": HOME, "ship_to": AWAY, "email": "ada@example.com", **given},
    )
    return msgspec.structs.replace(order, total=total_of(order))


def total_of(order: Order) -> AnyMoney:
    charged = [line.unit_price * line.ordered - (line.discount or usd(0)) for line in order.lines]
    charged += [charge.price for charge in order.shipping]
    taxes = [tax.amount for line in order.lines for tax in line.taxes]
    taxes += [tax.amount for charge in order.shipping for tax in charge.taxes]
    return total(charged + ([] if order.tax_included else taxes), order.currency)


# --- commands ----------------------------------------------------------------------------------------------------------


def command(entity: str, body: N, promise: str = "sale", ordinal: int = 1, **refs: str) -> Command[N]:
    return Command(key=f"{entity}/{promise}/placed/{ordinal}", entity=entity, body=body, refs=refs, sealed_at=SEALED_AT)


def sell(
    order: Order, ordinal: int = 1, invoice: Literal["parcels", "order"] = "parcels", **refs: str
) -> Command[SalesOrder]:
    body = SalesOrder(order=order, sold_by="shop", invoice=invoice)
    return command(f"order:shop:{order.id}", body, ordinal=ordinal, **refs)


def keep(code: str, **said: Any) -> Command[PartyAccount]:
    given = {"name": "Ada Example", "email": "ada@example.com", "phone": "+1 (217) 555-0100", "address": HOME}
    return command(code, PartyAccount(code=code, **{**given, **said}), "party_account")


def redirect(order: Order, to: Address, sale: str) -> Command[ErpAddress]:
    return command(f"order:shop:{order.id}", ErpAddress(ship_to=to), "erp_address", sale=sale)


def parcel(order: Order, id_: str, units: Mapping[int, int], sale: str, location: str = "MAIN") -> Command[GoodsIssue]:
    """A parcel with units of the order's lines by their place, from 0."""
    lines = tuple(
        ShipmentLine(line=order.lines[n].id, sku=order.lines[n].sku, units=count) for n, count in units.items()
    )
    shipped = Shipment(id=id_, reference=f"order:shop:{order.id}", location=location, lines=lines,
                       shipped_at=datetime.now(UTC) - timedelta(minutes=5))  # fmt: skip
    return command(f"order:shop:{order.id}", GoodsIssue(shipment=shipped), f"goods_issue:{id_}", sale=sale)


def bill(issued: Command[GoodsIssue], issue: str) -> Command[InvoicePosting]:
    shipment = issued.body.shipment
    body = InvoicePosting(shipment=shipment.id, invoice_date=shipment.shipped_at)
    return command(issued.entity, body, f"invoice:{shipment.id}", sale=issued.refs["sale"], issue=issue)


def owed_less(
    order: Order, lines: Sequence[BillingLine], sale: str, ordinal: int = 1, **given: Any
) -> Command[CreditMemo]:
    """A credit note of an order; `refs` and whatever else of the body may be given."""
    refs = {"sale": sale, **given.pop("refs", {})}
    body = CreditMemo(**_difference(order, lines, memo_date=given.pop("dated", None), **given))
    return command(f"order:shop:{order.id}", body, f"credit_memo:{ordinal}", **refs)


def owed_more(
    order: Order, lines: Sequence[BillingLine], sale: str, ordinal: int = 1, **given: Any
) -> Command[SupplementaryInvoice]:
    refs = {"sale": sale, **given.pop("refs", {})}
    body = SupplementaryInvoice(**_difference(order, lines, invoice_date=given.pop("dated", None), **given))
    return command(f"order:shop:{order.id}", body, f"supplementary_invoice:{ordinal}", **refs)


def _difference(order: Order, lines: Sequence[BillingLine], **given: Any) -> dict[str, Any]:
    dated = {name: value or datetime.now(UTC) for name, value in given.items() if name.endswith("_date")}
    said = {"number": order.number, "sold_by": "shop", "currency": "USD", "reason": "Returned", "lines": tuple(lines)}
    return {**said, **given, **dated}


def keep_open(order: Order, units: Mapping[int, int], *sales: str) -> Command[OpenUnits]:
    """Units that are to leave in all by an order's line (its place, from 0), in the order's sales."""
    lines = tuple(OpenLine(line=order.lines[n].id, sku=order.lines[n].sku, units=count) for n, count in units.items())
    refs = {"sale" if n == 1 else f"sale:{n}": sale for n, sale in enumerate(sales, start=1)}
    return command(f"order:shop:{order.id}", OpenUnits(lines=lines, parts=len(sales)), "open_units", **refs)


def came_back(
    order: Order, return_id: str, lines: Sequence[tuple[int, int, str]], sale: str, ordinal: int = 1, **refs: str
) -> Command[GoodsReturn]:
    """Units by an order's line (its place, from 0) and the location they go to."""
    received = tuple(
        GoodsReturnLine(line=order.lines[n].id, sku=order.lines[n].sku, units=units, location=location,
                        disposition="sellable")
        for n, units, location in lines
    )  # fmt: skip
    body = GoodsReturn(return_id=return_id, number=f"RMA-{return_id}", received_at=datetime.now(UTC), lines=received)
    return command(f"order:shop:{order.id}", body, f"goods_return:{return_id}:{ordinal}", sale=sale, **refs)


def part_of(order: Order, n: int, units: int, net: int, taxes: Mapping[str, int]) -> BillingLine:
    """A difference on an order's line by its place, from 0; amounts in cents, taxes by rate."""
    line = order.lines[n]
    charged = tuple(Tax(title=f"Tax {rate}", rate=rate, amount=usd(amount)) for rate, amount in taxes.items())
    return BillingLine(component="goods", net=usd(net), line=line.id, sku=line.sku, title=line.title, units=units,
                       taxes=charged)  # fmt: skip


# --- doing -------------------------------------------------------------------------------------------------------------


def done(outcome: Outcome) -> Confirmed:
    assert isinstance(outcome, Confirmed), repr(outcome)
    return outcome


async def sold(at: Site, order: Order, invoice: Literal["parcels", "order"] = "parcels", **refs: str) -> str:
    """The id of the order's sale."""
    asked = sell(order, invoice=invoice, **refs)
    return done((await post_sales([asked], at.link))[asked.key]).id


async def shipped(at: Site, asked: Command[GoodsIssue]) -> Confirmed:
    return done(await issue_goods(asked, at.link))


async def billed(at: Site, asked: Command[InvoicePosting]) -> Confirmed:
    return done(await post_invoice(asked, at.link))
