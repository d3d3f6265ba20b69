"""Ways in which systems drift apart behind the hub's back: all found in one sweep, and nothing done that wasn't owed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossdock.simulators.shop_state import Order
from crossdock.store.drift import Found
from tests.acceptance.drifting import ROSE, SKU, Silence, silence

Expected = tuple[str, str, str]
"""(connection, kind, cause)"""


@dataclass
class Town:
    """What was known before anything drifted, and what a sweep should find of what drifted."""

    at: Silence
    orders: dict[str, Order] = field(default_factory=dict[str, Order])
    customers: dict[str, int] = field(default_factory=dict[str, int])
    returns: dict[str, int] = field(default_factory=dict[str, int])
    expected: dict[str, tuple[Expected, str]] = field(default_factory=dict[str, tuple[Expected, str]])
    """By what happened, what it is found as, and the id of the thing."""

    def expect(self, what: str, connection: str, kind: str, cause: str, id_: object) -> None:
        self.expected[what] = ((connection, kind, cause), str(id_))


async def _before(town: Town) -> None:
    """A quiet day: everything is known, sold, and at rest."""
    at = town.at
    for name in ("fewer", "cancelled", "moved", "clerk", "disputed", "deleted", "parcel", "discount", "more", "quiet"):
        town.orders[name] = await at.paid()
    for name in ("failed", "won", "packed", "unpacked", "returned", "fewer_back", "declined", "handmade", "unshipped"):
        town.orders[name] = await at.paid()
    town.orders["held"] = at.order()
    await at.do("psp", "pay", order=str(town.orders["held"].id), amount=2000, capture_method="manual")
    await at.do("psp", "clerk_refund", order=str(town.orders["failed"].id), amount=300)
    await at.do("psp", "open_dispute", order=str(town.orders["won"].id), amount=400)
    for name in ("mailed", "left", "renamed", "unmailed", "stale", "still"):
        made = at.shop.create_customer(name.title(), "Example", f"{name}@example.com", address=ROSE)
        town.customers[name] = made.id
    await at.sweep()
    for name in ("unpacked", "returned", "fewer_back", "declined", "unshipped"):
        await at.do("wms", "ship", reference=f"order:shop:{town.orders[name].id}", location="MAIN")
    await at.sweep()
    for name in ("fewer_back", "declined"):
        town.returns[name] = at.shop.request_return(town.orders[name].id, _all_of(town.orders[name]), approved=True).id
    await at.sweep()  # what was asked back is known, and what the hub itself did before is in the lists, too
    await at.checked()


def _all_of(order: Order) -> dict[int, int]:
    return {line.id: line.current for line in order.lines}


async def _shop_drifts(town: Town) -> None:
    at, orders = town.at, town.orders
    fewer = orders["fewer"]
    at.shop.set_quantity(fewer.id, fewer.lines[0].id, 1)
    town.expect("units taken off", "shop", "order", "changed", fewer.id)
    at.shop.cancel_order(orders["cancelled"].id, refund=False)
    town.expect("order cancelled", "shop", "order", "changed", orders["cancelled"].id)
    at.shop.edit_address(orders["moved"].id, ROSE)
    town.expect("stale address", "shop", "order", "changed", orders["moved"].id)
    at.shop.add_discount(orders["discount"].id, "3.00")
    town.expect("discount given", "shop", "order", "changed", orders["discount"].id)
    at.shop.add_line(orders["more"].id, SKU, 1)
    town.expect("line added", "shop", "order", "changed", orders["more"].id)
    at.shop.delete_order(orders["deleted"].id)
    town.expect("order deleted", "shop", "order", "gone", orders["deleted"].id)
    town.orders["new"] = at.order()
    town.expect("order never told", "shop", "order", "unheard", town.orders["new"].id)
    at.shop.update_customer(town.customers["mailed"], email="new@example.com")
    town.expect("customer's address of mail", "shop", "customer", "changed", town.customers["mailed"])
    at.shop.delete_customer(town.customers["left"])
    town.expect("customer deleted", "shop", "customer", "gone", town.customers["left"])
    made = at.shop.create_customer("New", "Example", "fresh@example.com")
    town.expect("customer never told", "shop", "customer", "unheard", made.id)


async def _goods_drift(town: Town) -> None:
    """Parcels and returns, of which no message came: in the shop, and in the ERP."""
    at, orders = town.at, town.orders
    by_hand = at.shop.fulfil_by_hand(orders["packed"].id, _all_of(orders["packed"]), "1Z-BY-HAND")
    town.expect("fulfilment never told", "shop", "fulfilment", "unheard", by_hand.id)
    [shown] = orders["unpacked"].fulfilments
    at.shop.cancel_fulfilment(shown.id)
    town.expect("fulfilment called off", "shop", "fulfilment", "gone", shown.id)
    town.expect("the hub's own fulfilment called off", "shop", "fulfilment", "missing", shown.id)
    asked = at.shop.request_return(orders["returned"].id, _all_of(orders["returned"]))
    town.expect("return never told", "shop", "return", "unheard", asked.id)
    at.shop.remove_from_return(town.returns["fewer_back"], orders["fewer_back"].lines[0].id, 1)
    town.expect("return edited by a clerk", "shop", "return", "changed", town.returns["fewer_back"])
    at.shop.cancel_return(town.returns["declined"])
    town.expect("return called off", "shop", "return", "changed", town.returns["declined"])
    entity = f"order:shop:{orders['handmade'].id}"
    left = at.erp.ship("by-hand", entity, {"id": "", "lines": [{"sku": SKU, "units": 2}]})
    town.expect("shipment by hand at the ERP", "erp", "erp_shipment", "unheard", left.id)
    [issued] = [id_ for kind, id_ in at.erp.things if kind == "erp_shipment" and f":{orders['unshipped'].id}/" in id_]
    at.erp.remove("erp_shipment", issued)
    town.expect("shipment cancelled at the ERP", "erp", "erp_shipment", "gone", issued)
    town.expect("the hub's own goods issue taken back", "erp", "erp_shipment", "missing", issued)


async def _money_drifts(town: Town) -> None:
    at, orders = town.at, town.orders
    paid = await at.do("psp", "pay", order=str(orders["new"].id), amount=2000)
    town.expect("payment never told", "psp", "payment", "unheard", paid["id"])
    charge = at.psp.books.get("payment_intent", paid["id"])["latest_charge"]
    town.expect("capture unheard of", "psp", "capture", "unheard", f"{charge}-2000")
    refund = await at.do("psp", "clerk_refund", order=str(orders["clerk"].id), amount=500)
    town.expect("refund by hand", "psp", "refund", "unheard", refund["id"])
    dispute = await at.do("psp", "open_dispute", order=str(orders["disputed"].id), amount=700)
    town.expect("dispute never told", "psp", "dispute", "unheard", dispute["id"])
    [failing] = [r for r in at.psp.books.all("refund") if r["amount"] == 300]
    await at.do("psp", "settle_refund", refund=failing["id"], outcome="failed")
    town.expect("refund of wrong status", "psp", "refund", "changed", failing["id"])
    won = await at.do("psp", "close_dispute", order=str(orders["won"].id), won=True)
    town.expect("dispute won", "psp", "dispute", "changed", won["id"])
    expired = await at.do("psp", "expire", order=str(orders["held"].id))
    town.expect("authorisation ran out", "psp", "payment", "changed", expired["id"])


async def _store_drifts(town: Town) -> None:
    at = town.at
    parcel = await at.do("wms", "ship", reference=f"order:shop:{town.orders['parcel'].id}", location="MAIN")
    town.expect("parcel never told", "wms", "shipment", "unheard", parcel["id"])
    sold = await at.do("till", "sell", lines=[{"sku": SKU, "units": 1}], tender="CASH")
    town.expect("sale at the till", "till", "order", "unheard", sold["id"])
    [payment] = [p for p in at.till.counter.payments.values() if p["order_id"] == sold["id"]]
    town.expect("payment at the till", "till", "payment", "unheard", payment["id"])
    back = await at.do("till", "take_return", lines=[{"sku": SKU, "units": 1}], source_order=sold["id"])
    town.expect("goods handed in", "till", "return", "unheard", back["id"])
    out = await at.do("till", "payout", id=back["id"], amount=1000, tender="CASH")
    town.expect("cash paid out", "till", "refund", "unheard", out["id"])


async def _erp_drifts(town: Town) -> None:
    edits: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "renamed": lambda body: {**body, "name": "Somebody Else"},
        "unmailed": lambda body: {key: value for key, value in body.items() if key != "email"},
        "stale": lambda body: {**body, "address": {**body["address"], "street": ["9 Old Road"]}},
    }
    for name, edit in edits.items():
        code = f"customer:shop:{town.customers[name]}"
        held = town.at.erp.things["party_account", code]
        town.at.erp.put(type(held)(kind=held.kind, id=code, entity=code, token=held.token + 1, body=edit(held.body)))
        town.expect(f"account {name} at the ERP", "erp", "party_account", "edited", code)


def _found(town: Town, listed: list[Found]) -> dict[str, bool]:
    there = {((each.connection, each.kind, each.cause), each.thing) for each in listed}
    return {what: wanted in there for what, wanted in town.expected.items()}


async def test_every_drift_is_found_in_one_sweep_and_only_what_is_owed_is_done(database_url: str, tmp_path: Path):
    async with silence(database_url, tmp_path) as at:
        town = Town(at)
        await _before(town)
        known = {each.id for each in await at.drift()}
        refunds, accounts = at.refunded(), len(at.erp.ledger.select("account"))
        sales = {entry.key for entry in at.erp.ledger.select("sales_order")}
        for drifts in (_shop_drifts, _goods_drift, _money_drifts, _store_drifts, _erp_drifts):
            await drifts(town)
        assert len(town.expected) >= 30
        ended = await at.sweep()
        assert {each.verdict for each in ended} == {"complete"}
        new = [each for each in await at.drift() if each.id not in known]
        assert [what for what, there in _found(town, new).items() if not there] == []
        _nothing_else_was_found(town, new)
        _what_nobody_else_may_do_is_a_case(town)
        _only_what_is_owed_was_done(town, refunds, accounts, sales)
        await at.checked()
        known |= {each.id for each in new}
        await at.sweep()
        assert [each for each in await at.drift() if each.id not in known] == [], "the next sweep finds nothing more"


def _nothing_else_was_found(town: Town, new: list[Found]) -> None:
    """What else is listed are other documents of the same deeds: a sale's capture, what left with it, the order's own word."""
    wanted = {id_ for _, id_ in town.expected.values()}
    others = {(each.connection, each.kind) for each in new if each.thing not in wanted}
    assert others <= {("till", "capture"), ("till", "shipment"), ("till", "refund"), ("psp", "capture")}


def _what_nobody_else_may_do_is_a_case(town: Town) -> None:
    """What the hub did there and is not there any more, and what was done there without it."""
    goods = {cause for cause in town.at.cases() if "shipment" in cause or "fulfilment" in cause}
    assert goods == {"missing:erp:erp_shipment", "missing:shop:fulfilment", "unasked:erp:shipment"}


def _only_what_is_owed_was_done(town: Town, refunds: list[tuple[str, int]], accounts: int, sales: set[str]) -> None:
    at = town.at
    shipped = ("unpacked", "returned", "fewer_back", "declined", "unshipped", "parcel")
    parcels = sorted(f"order:shop:{town.orders[name].id}" for name in shipped)
    at_the_till = town.expected["sale at the till"][1]
    issued = sorted(entry.details["entity"] for entry in at.erp.ledger.select("goods_issue"))
    assert issued == sorted([*parcels, f"order:till:{at_the_till}"]), "each parcel once, and none for what a clerk did"
    shown = [entry for entry in at.shop.ledger.select("fulfilment_created") if entry.details["by"] == "api"]
    assert sorted(f"order:shop:{entry.key}" for entry in shown) == parcels
    assert at.erp.ledger.select("goods_return") == [], "nothing came back yet"
    owed = {"fewer": 1000, "cancelled": 2000, "discount": 300}
    paid = [(f"order:shop:{town.orders[name].id}", minor) for name, minor in owed.items()]
    assert at.refunded() == sorted(refunds + paid)
    sold = {entry.key.split("/")[0] for entry in at.erp.ledger.select("sales_order") if entry.key not in sales}
    assert sold == {f"order:shop:{town.orders[name].id}" for name in ("new", "more")} | {f"order:till:{at_the_till}"}
    told = [entry.key for entry in at.erp.ledger.select("account")[accounts:]]
    repaired = [f"customer:shop:{town.customers[name]}" for name in ("mailed", "renamed", "unmailed", "stale")]
    assert set(repaired) <= set(told)
    assert len(told) == len(repaired) + 1, "each once, and the new customer's"
    assert at.erp.body("party_account", repaired[1])["name"] == "Renamed Example"
