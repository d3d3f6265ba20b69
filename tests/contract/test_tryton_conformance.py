"""What the hub relies on in every connector, asked of Tryton's: without an ERP, and against the real one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from crossdock.canonical.order import ErpAddress, OpenUnits, Order, PartyAccount, SalesOrder
from crossdock.canonical.returns import CreditMemo, GoodsReturn, SupplementaryInvoice
from crossdock.canonical.shipment import GoodsIssue, InvoicePosting
from crossdock.connect.conformance import Misbehaviour, StandIn, conformance_of
from crossdock.connect.connector import Command
from crossdock.connectors.tryton.sales import post_sales
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_proxy import door
from tests.contract.tryton_site import (
    AWAY,
    HOME,
    Bought,
    bill,
    came_back,
    done,
    keep,
    keep_open,
    order_of,
    owed_less,
    owed_more,
    parcel,
    part_of,
    redirect,
    sell,
    settings_for,
    shipped,
    site,
)

_EFFECTS = {
    SalesOrder: "sale.sale.create",
    GoodsIssue: "stock.shipment.out.do",
    InvoicePosting: "account.invoice.post",
    CreditMemo: "account.invoice.post",
    SupplementaryInvoice: "account.invoice.post",
    GoodsReturn: "stock.shipment.out.return.do",
}
_PREPARED = 9
"""Sales to issue and parcels to bill: each trial that has an effect uses one up."""
_LISTED = 130


@dataclass
class Shop:
    """The ERP of this module, and what is prepared in it."""

    at: Tryton
    session: Session
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    open_sale: str = ""
    open_order: Order = field(default_factory=lambda: order_of("0", []))
    left: tuple[Order, str] = field(default_factory=lambda: (order_of("0", []), ""))
    """An order whose goods have left, and its sale."""
    remembered: dict[str, bytes] = field(default_factory=dict[str, bytes])
    to_issue: list[Command[GoodsIssue]] = field(default_factory=list[Command[GoodsIssue]])
    to_bill: list[Command[InvoicePosting]] = field(default_factory=list[Command[InvoicePosting]])

    async def prepare(self) -> None:
        """Sell in one list, and let half of it leave."""
        orders = [order_of(f"{next(self.numbers)}", [Bought("MUG-01", 2)]) for _ in range(2 * _PREPARED + 1)]
        async with site(self.at) as here:
            sold = await post_sales([sell(order) for order in orders], here.link)
            sales = [done(outcome).id for outcome in sold.values()]
            self.open_order, self.open_sale = orders[0], sales[0]
            self.left = (orders[-1], sales[-1])
            issues = [
                parcel(order, f"P{order.id}", {0: 1}, sale) for order, sale in zip(orders[1:], sales[1:], strict=True)
            ]
            self.to_issue = issues[:_PREPARED]
            self.to_bill = [bill(each, (await shipped(here, each)).id) for each in issues[_PREPARED:]]

    async def effects(self, command: Command[Any]) -> int:
        return self.count(command)

    def count(self, command: Command[Any]) -> int:
        match command.body:
            case SalesOrder():
                model, where = "sale.sale", [["web_id", "=", command.entity]]
            case GoodsIssue():
                model, where = (
                    "stock.shipment.out",
                    [["reference", "=", command.body.shipment.id], ["state", "=", "done"]],
                )
            case InvoicePosting():
                model, where = (
                    "account.invoice",
                    [["sales", "in", [int(command.refs["sale"])]], ["state", "=", "posted"]],
                )
            case CreditMemo() | SupplementaryInvoice():
                model, where = (
                    "account.invoice",
                    [["sales.web_id", "=", command.key], ["state", "=", "posted"]],
                )
            case GoodsReturn():
                model, where = (
                    "stock.shipment.out.return",
                    [["reference", "like", f"%{command.key}"], ["state", "=", "done"]],
                )
            case _:
                raise AssertionError(command)
        return self.session.call(f"{model}.search_count", where)

    def commands(self) -> dict[type[msgspec.Struct], list[Command[Any]]]:
        """New orders and customers, and what of the prepared is still to be done."""
        self.to_issue = [each for each in self.to_issue if self.count(each) == 0]
        self.to_bill = [each for each in self.to_bill if self.count(each) == 0]
        numbers = [str(next(self.numbers)) for _ in range(3)]
        orders = [order_of(n, [Bought("MUG-01"), Bought("TEE-BLK-M", 2)], shipping=500) for n in numbers]
        order, sale = self.left
        line = part_of(order, 0, 1, 2000, {"0.1": 200})
        elsewhere = msgspec.structs.replace(AWAY, street=(f"{numbers[0]} Sample Avenue",))
        return {
            PartyAccount: [keep(f"customer:shop:{n}", address=HOME) for n in numbers],
            SalesOrder: [sell(order) for order in orders],
            ErpAddress: [redirect(orders[0], elsewhere, self.open_sale)],
            GoodsIssue: self.to_issue[:2],
            InvoicePosting: self.to_bill[:2],
            OpenUnits: [keep_open(self.open_order, {0: 1}, self.open_sale)],
            CreditMemo: [owed_less(order, [line], sale, int(n)) for n in numbers],
            SupplementaryInvoice: [owed_more(order, [line], sale, int(n)) for n in numbers],
            GoodsReturn: [came_back(order, n, [(0, 1, "MAIN")], sale) for n in numbers],
        }

    async def fill(self, kind: str) -> Collection[str]:
        """More than goes on one page."""
        if kind == "party_account":
            listed = [f"listed-{next(self.numbers)}" for _ in range(_LISTED)]
            parties = [{"code": f"customer:shop:{each}", "name": f"Buyer {each}"} for each in listed]
            return [str(id_) for id_ in self.session.call("party.party.create", parties)]
        if kind == "sale":
            return self._drafts()
        if kind == "erp_shipment":
            return self._called_off()
        if kind == "invoice":  # Tryton takes 2 s to post one: those that are there have to do
            return []
        skus = [f"{kind}-{next(self.numbers)}" for _ in range(_LISTED)]
        price = {"__class__": "Decimal", "decimal": "1.00"}
        unit = self.at.facts["unit"]
        shared = {"type": "goods", "default_uom": unit, "sale_uom": unit, "salable": True, "list_price": price}
        variant = [["create", [{"cost_price": price}]]]
        self.session.call(
            "product.template.create", [{**shared, "name": sku, "code": sku, "products": variant} for sku in skus]
        )
        places = [""] if kind == "product" else [f"@{code}" for code in self.at.facts["locations"]]
        return [f"{sku}{place}" for sku in skus for place in places]

    def _called_off(self) -> list[str]:
        """Shipments of nothing, for a buyer of a sale that is there: cancelled, and so listed."""
        [like] = self.session.rows(
            "sale.sale", "company party shipment_address warehouse", [["id", "=", int(self.open_sale)]]
        )
        whole = {"customer": like["party"], "delivery_address": like["shipment_address"]}
        [there] = self.session.rows(
            "stock.location", "output_location storage_location", [["id", "=", like["warehouse"]]]
        )
        places = {"warehouse_output": there["output_location"], "warehouse_storage": there["storage_location"]}
        shared = {**whole, **places, "company": like["company"], "warehouse": like["warehouse"]}
        made = self.session.call("stock.shipment.out.create", [shared for _ in range(_LISTED)])
        self.session.call("stock.shipment.out.cancel", made)
        return [str(id_) for id_ in made]

    def _drafts(self) -> list[str]:
        """Sales like one that is there, of other orders."""
        shared = "company party invoice_address shipment_address currency warehouse web_shop"
        [like] = self.session.rows("sale.sale", shared, [["id", "=", int(self.open_sale)]])
        values = {name: like[name] for name in shared.split()}
        web_ids = [f"order:shop:listed-{next(self.numbers)}" for _ in range(_LISTED)]
        return [str(id_) for id_ in self.session.call("sale.sale.create", [{**values, "web_id": w} for w in web_ids])]


_open: list[Shop] = []


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The real ERP."""
    with boot(tmp_path_factory.mktemp("erp")) as erp, closing(Session(erp.at)) as session:
        _open.append(Shop(erp.at, session))
        yield
        _open.clear()


@asynccontextmanager
async def erp() -> AsyncGenerator[StandIn]:
    """The real Tryton behind a door that can lose its answers."""
    [there] = _open
    if not there.open_sale:
        await there.prepare()
    async with door(there.at, there.remembered) as spoiling:

        async def misbehave(noun: type[msgspec.Struct], way: Misbehaviour) -> None:
            spoiling.spoilt[_EFFECTS[noun]] = way

        yield StandIn(
            settings=settings_for(there.at, url=spoiling.url),
            effects=there.effects,
            misbehave=misbehave,
            commands=there.commands(),
            fill=there.fill,
        )


TestTryton = conformance_of("tryton")
TestTrytonItself = pytest.mark.erp(pytest.mark.usefixtures("shop")(conformance_of("tryton", stand_in=erp)))
for name in [name for name in vars(TestTrytonItself) if name.startswith("test_")]:
    # The kit's time-outs are shorter than a real ERP takes to read on a busy machine; test_tryton_failures has one.
    if hasattr(TestTryton, name) or name.endswith("about_to_change_something_meets_a_time_out"):
        delattr(TestTrytonItself, name)
