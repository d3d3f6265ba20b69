"""What clerks do in a real ERP behind the hub's back: found in one sweep, put right where the hub owns it, else a case."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crossdock.simulators.shop_state import Order
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Refusal, Session
from tests.acceptance.drifting import ROSE, SKU, Silence, silence

pytestmark = pytest.mark.erp


@dataclass
class Office:
    """A running ERP, and its database for what no clerk may do but somebody did."""

    at: Tryton
    folder: Path

    def rows(self, model: str, fields: str, where: list[Any] | None = None) -> list[dict[str, Any]]:
        with closing(Session(self.at)) as session:
            return session.rows(model, fields, where or [])

    def write(self, model: str, ids: list[int], values: Mapping[str, Any]) -> None:
        with closing(Session(self.at)) as session:
            session.call(f"{model}.write", ids, values)

    def press(self, button: str, shipment: int) -> None:
        """A button on a customer shipment."""
        with closing(Session(self.at)) as session:
            session.call(f"stock.shipment.out.{button}", [shipment])

    def credit_by_hand(self, invoice: int) -> None:
        """As a clerk does it: the button that credits an invoice, and posts what that made."""
        with closing(Session(self.at)) as session:
            about = {
                **session._context,
                "active_id": invoice,
                "active_ids": [invoice],
                "active_model": "account.invoice",
            }
            made, start, _ = session._post("wizard.account.invoice.credit.create", [about])
            chosen = {"with_refund": False, "with_refund_allowed": True, "invoice_date": None}
            session._post("wizard.account.invoice.credit.execute", [made, {start: chosen}, "credit", about])
            [draft] = session.rows("account.invoice", "id", [["state", "=", "draft"], ["total_amount", "<", 0]])
            _posted(session, draft["id"])

    def tamper(self, statement: str, *given: Any) -> None:
        """In the database itself, past everything Tryton checks and stamps."""
        with closing(sqlite3.connect(self.folder / "shop.sqlite", timeout=30)) as connection:
            connection.execute(statement, given)
            connection.commit()


def _posted(session: Session, invoice: int) -> None:
    """Post it, saying yes to what Tryton asks about its taxes."""
    for _ in range(3):
        try:
            session.call("account.invoice.post", [invoice])
        except Refusal as refusal:
            name = str(refusal).partition("UserWarning', ['")[2].partition("'")[0]
            session.call("res.user.warning.skip", name, False)
        else:
            return
    raise AssertionError("it was not posted")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("erp")
    with boot(folder) as erp:
        yield Office(erp.at, folder)


async def _sold(at: Silence, names: tuple[str, ...]) -> dict[str, Order]:
    """Orders of known customers, sold, left and invoiced; everything is known and at rest."""
    orders: dict[str, Order] = {}
    for name in names:
        buyer = at.shop.create_customer(name.title(), "Example", f"{name}@example.com", address=ROSE)
        orders[name] = await at.paid(customer=buyer.id)
    await at.sweep()
    for order in orders.values():
        await at.do("wms", "ship", reference=f"order:shop:{order.id}", location="MAIN")
    await at.sweep()
    await at.sweep()
    assert at.cases() == []
    return orders


async def test_what_clerks_do_in_the_erp_is_found_in_one_sweep(database_url: str, tmp_path: Path, office: Office):
    names = (
        "renamed",
        "moved",
        "unmailed",
        "credited",
        "edited",
        "cancelled",
        "retaxed",
        "uninvoiced",
        "still",
        "recalled",
    )
    waiting: dict[str, Order] = {}
    async with silence(database_url, tmp_path, office.at) as at:
        for name in ("halted", "carried"):
            waiting[name] = await at.paid()
        orders = await _sold(at, names)
        known = {each.id for each in await at.drift()}
        sales = {row["web_id"]: row["id"] for row in office.rows("sale.sale", "id web_id")}
        sale = {name: sales[f"order:shop:{order.id}"] for name, order in (orders | waiting).items()}
        shipments = {row["id"]: row["shipments"] for row in office.rows("sale.sale", "id shipments")}
        [recalled], [halted], [carried] = (shipments[sale[name]] for name in ("recalled", "halted", "carried"))
        party = {row["code"]: row["id"] for row in office.rows("party.party", "id code")}
        whose = {name: party[f"customer:shop:{order.customer}"] for name, order in orders.items()}
        invoice = {row["sales"][0]: row["id"] for row in office.rows("account.invoice", "id sales")}
        before = len(office.rows("sale.sale", "id")), len(office.rows("stock.shipment.out", "id"))

        office.write("party.party", [whose["renamed"]], {"name": "Somebody Else"})
        [address, *_] = office.rows("party.address", "id street", [["party", "=", whose["moved"]]])
        office.write("party.address", [address["id"]], {"street": "9 Old Road"})
        mails = office.rows(
            "party.contact_mechanism", "id", [["party", "=", whose["unmailed"]], ["type", "=", "email"]]
        )
        office.write("party.contact_mechanism", [row["id"] for row in mails], {"value": "old@example.com"})
        office.credit_by_hand(invoice[sale["credited"]])
        office.tamper("update sale_line set unit_price = 8 where sale = ?", sale["edited"])
        office.tamper("update sale_sale set state = 'cancelled' where id = ?", sale["cancelled"])
        office.tamper(
            "update sale_sale set tax_amount_cache = 2, total_amount_cache = 22 where id = ?", sale["retaxed"]
        )
        office.tamper(
            "update account_invoice set state = 'draft', number = null where id = ?", invoice[sale["uninvoiced"]]
        )
        office.press("cancel", recalled)
        office.press("cancel", halted)
        for button in ("assign_force", "pick", "pack", "do"):
            office.press(button, carried)
        [product] = office.rows("product.product", "id template", [["code", "=", SKU]])
        office.write("product.template", [product["template"]], {"list_price": _decimal("11.00")})
        [other] = office.rows("product.product", "id template", [["code", "=", "BAG-01"]])
        office.write("product.template", [other["template"]], {"salable": False})

        ended = await at.sweep()
        assert [each for each in ended if each.verdict != "complete"] == []
        found = {(e.kind, e.thing, e.cause) for e in await at.drift() if e.id not in known and e.connection == "erp"}
        assert {
            *(("party_account", str(whose[name]), "edited") for name in ("renamed", "moved", "unmailed")),
            ("product", SKU, "changed"),
            ("product", "BAG-01", "gone"),
            *(("sale", str(sale[name]), "changed") for name in ("edited", "cancelled", "retaxed")),
            ("invoice", str(invoice[sale["uninvoiced"]]), "gone"),
            ("invoice", str(invoice[sale["uninvoiced"]]), "missing"),
            ("erp_shipment", str(recalled), "gone"),
            ("erp_shipment", str(recalled), "missing"),
            ("sale", str(sale["halted"]), "changed"),
            ("erp_shipment", str(carried), "unheard"),
        } <= found
        assert {thing for kind, thing, _ in found if kind == "erp_shipment"} == {str(recalled), str(carried)}
        by_hand = [thing for kind, thing, cause in found if kind == "invoice" and cause == "unheard"]
        assert len(by_hand) == 1
        assert at.cases() == [
            "edited:erp:sale:cancelled",
            "edited:erp:sale:lines",
            "edited:erp:sale:stopped",
            "edited:erp:sale:total",
            "missing:erp:erp_shipment",
            "missing:erp:invoice",
            "unasked:erp:invoice",
            "unasked:erp:shipment",
        ]
        _is_put_right(office, whose)
        assert (len(office.rows("sale.sale", "id")), len(office.rows("stock.shipment.out", "id"))) == before
        assert at.refunded() == []
        await at.checked()


def _decimal(value: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": value}


def _is_put_right(office: Office, whose: Mapping[str, int]) -> None:
    """What the hub owns of an account is as the customer said; nobody else's was touched."""
    names = {row["id"]: row["name"] for row in office.rows("party.party", "id name")}
    assert names[whose["renamed"]] == "Renamed Example"
    streets = {row["street"] for row in office.rows("party.address", "street", [["party", "=", whose["moved"]]])}
    assert "2 Rose Street" in streets
    mails = {
        row["value"] for row in office.rows("party.contact_mechanism", "value", [["party", "=", whose["unmailed"]]])
    }
    assert "unmailed@example.com" in mails
