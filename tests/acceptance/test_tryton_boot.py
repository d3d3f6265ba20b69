"""The real ERP boots from its snapshot, takes an order all the way to a posted invoice, and survives a power cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crossdock.simulators.tryton import Erp, boot
from crossdock.simulators.tryton_ledger import Refusal, Session, ledger

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erp]:
    with boot(tmp_path_factory.mktemp("erp")) as running:
        yield running


@pytest.fixture
def rpc(erp: Erp) -> Iterator[Session]:
    with closing(Session(erp.start())) as session:
        yield session


def decimal(value: str) -> dict[str, str]:
    return {"__class__": "Decimal", "decimal": value}


def customer(code: str, facts: Any) -> dict[str, Any]:
    country = facts["countries"]["US"]
    address = {"street": "1 Main St", "city": "Boston", "postal_code": "02110", "country": country}
    email = {"type": "email", "value": f"{code.lower()}@example.com"}
    return {
        "code": code,
        "name": "Ada Lovelace",
        "addresses": [["create", [address]]],
        "contact_mechanisms": [["create", [email]]],
    }


def order(facts: Any, party: dict[str, Any], web_id: str, lines: list[tuple[str, int, str]]) -> dict[str, Any]:
    """A sale as raw RPC needs it: no form runs, so addresses, units, prices and taxes are all given."""
    return {
        "party": party["id"],
        "invoice_address": party["addresses"][0],
        "shipment_address": party["addresses"][0],
        "web_shop": facts["shop"],
        "web_id": web_id,
        "reference": web_id,
        "lines": [["create", [
            {"product": facts["products"][sku], "quantity": quantity, "unit": facts["unit"],
             "unit_price": decimal(price), "taxes": [["add", [facts["tax"]]]]}
            for sku, quantity, price in lines
        ]]],
    }  # fmt: skip


def ship(rpc: Session, web_id: str, parcel: str, sku: str, quantity: int, location: int) -> None:
    """Send one product of the sale's open shipment from a named location, and leave the rest for later."""
    open_shipment = [["state", "=", "waiting"], ["moves.sale.reference", "=", web_id]]
    (shipment,) = rpc.rows("stock.shipment.out", "inventory_moves.product.code", open_shipment)
    moves = [
        [
            "write",
            [move["id"]],
            {"quantity": quantity if move["product."]["code"] == sku else 0, "from_location": location},
        ]
        for move in shipment["inventory_moves."]
    ]
    rpc.call("stock.shipment.out.write", [shipment["id"]], {"reference": parcel, "inventory_moves": moves})
    for button in ("assign_try", "pick", "pack", "do"):
        rpc.call(f"stock.shipment.out.{button}", [shipment["id"]])


def post_invoices(rpc: Session, web_id: str) -> None:
    drafts = rpc.call("account.invoice.search", [["sales.reference", "=", web_id], ["state", "=", "draft"]])
    today = date.today()
    stamp = {"__class__": "date", "year": today.year, "month": today.month, "day": today.day}
    rpc.call("account.invoice.write", drafts, {"invoice_date": stamp})
    rpc.call("account.invoice.post", drafts)


def test_an_order_is_sold_shipped_in_part_from_a_named_place_and_billed_for_that_part(erp: Erp, rpc: Session) -> None:
    facts = erp.at.facts
    stocked = {(level["location"], level["product"]): level["on_hand"] for level in ledger(erp.at)["stock"]}
    rpc.call("party.party.create", [customer("CUST-1", erp.at.facts)])
    (party,) = rpc.rows("party.party", "addresses", [["code", "=", "CUST-1"]])
    sale = order(facts, party, "WEB-1", [("TEE-BLK-M", 3, "20.00"), ("MUG-01", 2, "9.90")])
    sales = rpc.call("sale.sale.create", [sale])
    rpc.call("sale.sale.quote", sales)
    rpc.call("sale.sale.confirm", sales)
    ship(rpc, "WEB-1", "PARCEL-1", "TEE-BLK-M", 2, facts["locations"]["EAST"])
    post_invoices(rpc, "WEB-1")

    books = ledger(erp.at)
    (sold,) = books["sales"]
    assert (sold["state"], sold["party"], sold["total"]) == ("processing", "CUST-1", "87.78")
    assert [(line["product"], line["quantity"]) for line in sold["lines"]] == [("TEE-BLK-M", 3), ("MUG-01", 2)]
    sent, rest = books["shipments"]
    assert (sent["reference"], sent["state"], [sale["reference"] for sale in sent["sales"]]) == (
        "PARCEL-1",
        "done",
        ["WEB-1"],
    )
    assert sent["lines"] == [{"product": "TEE-BLK-M", "quantity": 2, "from": "EAST"}]
    assert (sent["address"]["city"], sent["address"]["country"]) == ("Boston", "US")
    assert {line["product"]: line["quantity"] for line in rest["lines"]} == {"TEE-BLK-M": 1, "MUG-01": 2}
    assert rest["state"] == "waiting"
    (billed,) = books["invoices"]
    assert (billed["state"], billed["type"], [sale["reference"] for sale in billed["sales"]]) == (
        "posted",
        "out",
        ["WEB-1"],
    )
    assert (billed["untaxed"], billed["tax"], billed["total"]) == ("40.00", "4.00", "44.00")
    left = {(level["location"], level["product"]): level["on_hand"] for level in books["stock"]}
    assert left == stocked | {("EAST", "TEE-BLK-M"): stocked["EAST", "TEE-BLK-M"] - 2}


def test_what_names_a_customer_or_a_web_order_is_taken_once(erp: Erp, rpc: Session) -> None:
    rpc.call("party.party.create", [customer("CUST-2", erp.at.facts)])
    (party,) = rpc.rows("party.party", "addresses", [["code", "=", "CUST-2"]])
    sale = order(erp.at.facts, party, "WEB-2", [("MUG-01", 1, "9.90")])
    rpc.call("sale.sale.create", [sale])
    with pytest.raises(Refusal, match="code on party must be unique"):
        rpc.call("party.party.create", [customer("CUST-2", erp.at.facts)])
    with pytest.raises(Refusal, match="web ID on the sale must be unique"):
        rpc.call("sale.sale.create", [sale])


def test_a_list_of_two_hundred_sales_is_one_call(erp: Erp, rpc: Session) -> None:
    rpc.call("party.party.create", [customer("CUST-3", erp.at.facts)])
    (party,) = rpc.rows("party.party", "addresses", [["code", "=", "CUST-3"]])
    sales = [order(erp.at.facts, party, f"BULK-{n}", [("MUG-01", 1, "9.90")]) for n in range(200)]
    assert len(rpc.call("sale.sale.create", sales)) == 200


def test_after_a_power_cut_it_answers_at_the_same_address_with_the_same_books(erp: Erp) -> None:
    before, books = erp.at, ledger(erp.at)
    erp.kill()
    with pytest.raises(ConnectionRefusedError):
        ledger(before)
    after = erp.start()
    assert (after.url, ledger(after)) == (before.url, books)
    assert after.pid != before.pid


def test_it_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        f"from pathlib import Path; from crossdock.simulators.tryton import boot; "
        f"print(boot(Path({str(tmp_path)!r})).at.pid, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        orphan = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    until = time.monotonic() + 10
    while alive(orphan) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(orphan)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()  # a zombie waits for its new parent only
