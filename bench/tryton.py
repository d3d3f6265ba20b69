"""Orders of three lines into a real Tryton: through the hub, and one sale at a time by a plain client, in the same run.

The plain client does what the hub has Tryton do for a sale (create, quote, confirm), and nothing else; the hub also translates
the webhook and keeps the buyers' accounts. One known buyer, so that both sides sell to an account that is there.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.stage import Stuck
from crossdock.simulators.retailer import Retailer, open_retailer
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address
from crossdock.simulators.tryton_ledger import Session

RUNS = 3
PLAIN_SALES = 15
HUB_ORDERS = 400
BASKET = {"TEE-BLK-M": "20.00", "MUG-01": "9.90", "CAP-RED": "14.90"}
ADDRESS = {"first_name": "Ada", "last_name": "Lovelace", "address1": "1 Main Street", "city": "Boston", "zip": "02110",
           "province_code": "MA", "country_code": "US"}  # fmt: skip
_LOOK_SECONDS = 0.25
_DONE_SECONDS_MAX = 120.0


def measure() -> None:
    """Sales a second each way, and their ratio run by run."""
    plain, hub = asyncio.run(_measured())
    show("tryton", "sales per second, one at a time by a plain client", plain, "1/s")
    show("tryton", "sales per second through the hub", hub, "1/s")
    ratios = [through / alone for through, alone in zip(hub, plain, strict=True)]
    show("tryton", "hub against plain client", ratios, "times", target=">= 6")


async def _measured() -> tuple[list[float], list[float]]:
    folder = Path(tempfile.mkdtemp(prefix="cdb", dir="/tmp"))  # short: a socket's path must stay under 107 bytes
    plain: list[float] = []
    hub: list[float] = []
    try:
        async with open_retailer(folder, connections={"erp": {"in_flight": 1}}) as retailer:
            party = await asyncio.to_thread(_buyer, retailer)
            for run in range(RUNS):
                plain.append(await asyncio.to_thread(_one_at_a_time, retailer, party, run))
                hub.append(await _through_the_hub(retailer))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return plain, hub


def _buyer(retailer: Retailer) -> dict[str, Any]:
    assert retailer.erp
    facts = retailer.erp.at.facts
    address = {"street": "1 Main Street", "city": "Boston", "postal_code": "02110", "country": facts["countries"]["US"]}
    buyer = {"code": "PLAIN", "name": "Ada Lovelace", "addresses": [["create", [address]]]}
    with closing(Session(retailer.erp.at)) as session:
        session.call("party.party.create", [buyer])
        return session.rows("party.party", "addresses", [["code", "=", "PLAIN"]])[0]


def _one_at_a_time(retailer: Retailer, party: dict[str, Any], run: int) -> float:
    """Sales a second."""
    assert retailer.erp
    with closing(Session(retailer.erp.at)) as session:
        _sell(session, retailer.erp.at.facts, party, f"PLAIN-{run}-warm")
        began = time.monotonic()
        for n in range(PLAIN_SALES):
            _sell(session, retailer.erp.at.facts, party, f"PLAIN-{run}-{n}")
        return PLAIN_SALES / (time.monotonic() - began)


def _sell(session: Session, facts: Any, party: dict[str, Any], web_id: str) -> None:
    lines = [
        {"product": facts["products"][sku], "quantity": 1, "unit": facts["unit"], "taxes": [["add", [facts["tax"]]]],
         "unit_price": {"__class__": "Decimal", "decimal": price}}
        for sku, price in BASKET.items()
    ]  # fmt: skip
    sale = {
        "party": party["id"],
        "invoice_address": party["addresses"][0],
        "shipment_address": party["addresses"][0],
        "web_shop": facts["shop"],
        "web_id": web_id,
        "reference": web_id,
        "lines": [["create", lines]],
    }
    ids = session.call("sale.sale.create", [sale])
    session.call("sale.sale.quote", ids)
    session.call("sale.sale.confirm", ids)


async def _through_the_hub(retailer: Retailer) -> float:
    """Sales a second, from when the hub is ready to work on what its door has stored until Tryton has the last one.

    Like the plain client, which is signed in and has sold once before its clock starts, the hub isn't timed while it starts.
    """
    assert retailer.erp
    await retailer.start_hub("door")
    address = Address(**ADDRESS)
    buyer = retailer.shop.create_customer("Ada", "Lovelace", "ada@example.com", address=address)
    for _ in range(HUB_ORDERS):
        retailer.shop.place_order([Bought(sku) for sku in BASKET], customer=buyer.id, shipping_address=address)
    await _until(retailer, lambda found: found["inbox"]["total"] >= HUB_ORDERS)
    with closing(
        Session(retailer.erp.at)
    ) as session:  # one for all looks: signing in takes Tryton longer than ten sales
        before = await asyncio.to_thread(_sold, session)
        await retailer.start_hub("settle", "deliver")
        began = time.monotonic()
        while await asyncio.to_thread(_sold, session) < before + HUB_ORDERS:
            if time.monotonic() > began + _DONE_SECONDS_MAX:
                _, cases = await retailer.ask("cases")
                raise Stuck(f"Tryton has not all {HUB_ORDERS} sales after {_DONE_SECONDS_MAX:.0f} s; {cases}")
            await asyncio.sleep(_LOOK_SECONDS)
    rate = HUB_ORDERS / (time.monotonic() - began)
    await retailer.stop_hubs()
    return rate


def _sold(session: Session) -> int:
    return session.call("sale.sale.search_count", [["state", "in", ["processing", "done"]]])


async def _until(retailer: Retailer, true_of: Any) -> None:
    until = time.monotonic() + _DONE_SECONDS_MAX
    while not true_of(await retailer.ask_json("check")):
        if time.monotonic() > until:
            raise Stuck("the door did not store all orders")
        await asyncio.sleep(0.5)
