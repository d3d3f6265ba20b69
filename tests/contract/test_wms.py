"""The warehouse connector: its acts, state and reads come out right whatever goes wrong between the two.

Effects are judged on the simulated warehouse's ledger, never on its answers.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import msgspec
import pytest

from crossdock.canonical.shipment import ShipmentLine, ShipmentLines, ShipmentOrder, ShipTo
from crossdock.connect.connector import Command
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Accepted, Confirmed
from crossdock.connectors.wms import connector
from crossdock.connectors.wms.acts import ask_about_order, find_shipment_orders, order_shipments
from crossdock.connectors.wms.reads import list_shipments, read_shipment
from crossdock.kernel.faults import Refused, Rejected, Throttled, Transient, Unknown
from crossdock.simulators.mischief import FaultRule
from tests.contract.wms_site import (
    AWAY,
    ORIGIN,
    command,
    guard,
    lines,
    order_one,
    redirect_one,
    set_lines_of,
    ship_to,
    site,
    spend,
    wanted,
)


def done(asked: Command[ShipmentOrder], id_: str = "so_000001") -> Confirmed:
    """Asked for exactly so."""
    return Confirmed(id=id_, body=asked.body)


# ---- the connector's acts


async def test_many_orders_are_asked_for_in_one_call_and_confirmed_one_by_one():
    async with site() as at:
        asked = [command(number) for number in range(100)]
        outcomes = await order_shipments(asked, at.link)
        assert list(outcomes) == [one.key for one in asked]
        assert outcomes[asked[0].key] == done(asked[0])
        assert len(at.happened("order_received")) == 100


async def test_an_act_sent_again_confirms_the_order_that_exists():
    async with site() as at:
        first, again = await order_one(at, command()), await order_one(at, command())
        assert first == again == done(command())
        assert len(at.happened("order_received")) == 1


async def test_one_bad_item_is_rejected_alone_and_names_our_sku_that_needs_a_mapping():
    async with site(unknown_skus=["WH-9"]) as at:
        good, bad = command(1), command(2, sku="MUG", **{"product/MUG": "WH-9"})
        outcomes = await order_shipments([good, bad], at.link)
        assert isinstance(outcomes[good.key], Confirmed)
        rejected = outcomes[bad.key]
        assert isinstance(rejected, Rejected)
        assert rejected.missing is not None
        assert (rejected.missing.kind, rejected.missing.key, rejected.field) == ("product", "MUG", "lines")


async def test_a_mapped_sku_is_what_the_warehouse_gets():
    async with site() as at:
        await order_one(at, command(**{"product/MUG": "WH-1"}))
        assert [line["sku"] for line in at.happened("order_received")[0]["order"]["lines"]] == ["WH-1", "TEA"]


async def test_a_reference_taken_by_other_content_is_a_persons_matter():
    async with site() as at:
        await order_one(at, command())
        outcome = await order_one(at, command(units=5))
        assert isinstance(outcome, Rejected)
        assert (outcome.field, "reference_taken" in outcome.detail) == ("reference", True)


@pytest.mark.parametrize("kind", ["partial", "silent"])
async def test_items_left_out_of_the_answer_are_unknown_and_safe_to_send_again(kind: Any):
    async with site() as at:
        at.warehouse.mischief.arm(FaultRule(match="/bulk", kind=kind, times=1))
        asked = [command(number) for number in range(6)]
        outcomes = await order_shipments(asked, at.link)
        assert len(outcomes) == 3
        missing = [one for one in asked if one.key not in outcomes]
        outcomes = {**outcomes, **await order_shipments(missing, at.link)}
        assert {outcome for outcome in outcomes.values() if isinstance(outcome, Confirmed)} == {*outcomes.values()}
        assert len(at.happened("order_received")) == 6


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_status", "commit_then_timeout", "garbage", "late"])
async def test_after_a_lost_answer_the_outcome_is_unknown_and_a_second_send_leaves_one_order(kind: Any):
    async with site(timeout_seconds=0.3) as at:
        at.warehouse.mischief.arm(FaultRule(match="/bulk", kind=kind, seconds=0.5, status=502, times=1))
        with pytest.raises(Unknown):
            await order_one(at, command())
        await at.warehouse.mischief.settled()
        assert await order_one(at, command()) == done(command())
        assert len(at.happened("order_received")) == 1


@pytest.mark.parametrize(
    ("status", "fault"),
    [(401, Refused), (403, Refused), (429, Throttled), (500, Unknown), (503, Unknown)],
)
async def test_a_refused_call_is_the_fault_its_status_stands_for(status: int, fault: type[Exception]):
    async with site() as at:
        at.warehouse.mischief.arm(FaultRule(match="/v1/", kind="refuse", status=status, retry_after=3))
        with pytest.raises(fault):
            await order_one(at, command())
        with pytest.raises(fault):
            await redirect_one(at, ship_to(shipment_order="so_000001"))


async def test_a_call_refused_as_a_whole_is_rejected_as_a_whole_so_that_it_is_bisected():
    async with site() as at:
        at.warehouse.mischief.arm(FaultRule(match="/bulk", kind="refuse", status=413))
        with pytest.raises(Rejected):
            await order_shipments([command(1), command(2)], at.link)


async def test_an_address_with_no_warehouse_behind_it_stops_the_lane_instead_of_rejecting_orders():
    async with site() as at:
        at.warehouse.mischief.arm(FaultRule(match="/v1/", kind="refuse", status=404))
        with pytest.raises(Refused):
            await order_one(at, command())
        with pytest.raises(Refused):
            await list_shipments("", at.link)


async def test_a_wrong_key_is_refused_so_that_the_lane_stops():
    async with site(key="no such key") as at:
        with pytest.raises(Refused):
            await order_one(at, command())


async def test_a_warehouse_that_is_down_is_an_outage_and_nothing_happened():
    async with site() as at, aiohttp.ClientSession() as session:
        dead = Http(session, "http://127.0.0.1:1", spend=spend, guard=guard)
        with pytest.raises(Transient) as caught:
            await order_shipments([command()], Link(at.link.settings, dead, {}, guard))
        assert caught.value.outage


async def test_orders_are_found_by_our_reference_and_the_others_are_absent():
    async with site() as at:
        asked = [command(number) for number in range(120)]
        await order_shipments(asked[:100], at.link)
        found = await find_shipment_orders(asked, at.link)
        assert set(found) == {one.key for one in asked[:100]}
        assert found[asked[0].key] == done(asked[0])


async def test_what_is_found_is_told_as_it_is_held_and_not_as_it_is_asked_for_now():
    async with site() as at:
        first = command(1)
        await order_shipments([first], at.link)
        moved = msgspec.structs.replace(first.body, ship_to=ship_to().body.address, lines=())
        found = await find_shipment_orders([msgspec.structs.replace(first, body=moved)], at.link)
        assert found[first.key] == done(first)


async def test_an_order_only_received_is_accepted_until_the_warehouse_has_decided():
    async with site(accept_after_ms=60_000, unknown_skus=["GONE"]) as at:
        good, bad = command(1), command(2, sku="GONE")
        outcomes = await order_shipments([good, bad], at.link)
        job = outcomes[good.key]
        assert isinstance(job, Accepted)
        assert isinstance(await ask_about_order(good, job.job, at.link), Accepted)
        for number in (1, 2):
            await at.call("POST", "/_do/decide", {"reference": f"order:shop:{number}"})
        assert await ask_about_order(good, job.job, at.link) == done(good, job.job)
        rejected = await ask_about_order(bad, "so_000002", at.link)
        assert isinstance(rejected, Rejected)
        assert rejected.missing is not None
        assert rejected.missing.key == "GONE"
        assert isinstance(await ask_about_order(good, "so_999999", at.link), Unknown)


async def test_a_rejected_order_can_be_asked_for_again_once_the_warehouse_knows_the_item():
    async with site(accept_after_ms=60_000, unknown_skus=["GONE"]) as at:
        await order_one(at, command(sku="GONE"))
        await at.call("POST", "/_do/decide", {"reference": "order:shop:1001"})
        await at.call("POST", "/_do/skus", {"unknown": []})
        again = await order_one(at, command(sku="GONE"))
        assert again == Accepted(job="so_000002", ask_after=again.ask_after) if isinstance(again, Accepted) else False


# ---- the connector's state


@pytest.mark.parametrize("refs", [{"shipment_order": "so_000001"}, {}], ids=["known id", "looked up"])
async def test_an_address_is_changed_and_read_back_as_the_warehouse_holds_it(refs: dict[str, str]):
    async with site() as at:
        await order_one(at, command())
        untidy = {**AWAY, "street": [" 22 Sample Avenue ", " "], "country": "us"}
        asked = ship_to(untidy, **refs)
        outcome = await redirect_one(at, asked)
        assert isinstance(outcome, Confirmed)
        normalise = connector.capabilities[ShipTo].normalise
        assert normalise is not None
        assert (outcome.id, outcome.body) == ("so_000001", normalise(asked.body))
        assert at.happened("ship_to_changed")[0]["ship_to"]["street"] == ["22 Sample Avenue"]


async def test_the_same_address_twice_changes_nothing():
    async with site() as at:
        await order_one(at, command())
        for _ in range(2):
            assert isinstance(await redirect_one(at, ship_to()), Confirmed)
        assert len(at.happened("ship_to_changed")) == 1


async def test_an_address_that_comes_too_late_or_makes_no_sense_is_rejected_with_the_reason():
    async with site() as at:
        await order_one(at, command())
        nowhere = await redirect_one(at, ship_to({**AWAY, "country": ""}))
        assert isinstance(nowhere, Rejected)
        assert nowhere.field == "country"
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001"})
        late = await redirect_one(at, ship_to())
        assert isinstance(late, Rejected)
        assert "picked or gone" in late.detail
        with pytest.raises(Rejected):
            await redirect_one(at, ship_to(number=9))


def told(outcome: object) -> dict[str, int]:
    """What the warehouse says will leave in all."""
    assert isinstance(outcome, Confirmed)
    assert isinstance(outcome.body, ShipmentLines)
    return {line.line: line.units for line in outcome.body.lines}


@pytest.mark.parametrize("refs", [{"shipment_order": "so_000001"}, {}], ids=["known id", "looked up"])
async def test_units_are_added_lowered_and_cancelled_and_read_back(refs: dict[str, str]):
    async with site() as at:
        await order_one(at, command(units=3))
        asked = lines({"13": 2, "11": 1, "12": 0}, **refs)
        outcome = await set_lines_of(at, asked)
        normalise = connector.capabilities[ShipmentLines].normalise
        assert normalise is not None
        assert isinstance(outcome, Confirmed)
        assert (outcome.id, outcome.body) == ("so_000001", normalise(asked.body))
        assert told(outcome) == {"11": 1, "13": 2}
        assert at.happened("lines_changed") == [{"lines": {"11": 1, "12": 0, "13": 2}}]
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001"})
        (parcel,) = at.happened("parcel_left")
        assert {line["line"]: line["units"] for line in parcel["shipment"]["lines"]} == {"11": 1, "13": 2}


async def test_what_is_picked_or_gone_stays_and_the_hub_is_told_what_will_leave_in_all():
    async with site() as at:
        await order_one(at, command(units=4))
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001", "lines": [{"line": "11", "units": 1}]})
        pick = {"reference": "order:shop:1001", "location": "MAIN", "lines": [{"line": "11", "units": 2}]}
        await at.call("POST", "/_do/pick", pick)
        assert told(await set_lines_of(at, lines({"12": 1}))) == {"11": 3, "12": 1}
        assert at.happened("lines_held") == [{"held": {"11": 3}}]
        assert told(await set_lines_of(at, lines({"11": 3}))) == {"11": 3}
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001"})
        assert told(await set_lines_of(at, lines({"11": 3}))) == {"11": 3}
        assert len(at.happened("lines_changed")) == 2


async def test_an_order_of_which_nothing_is_left_is_cancelled_and_may_be_added_to_again():
    async with site() as at:
        await order_one(at, command())
        assert told(await set_lines_of(at, lines({}))) == {}
        assert (await at.call("GET", "/v1/shipment-orders/so_000001"))[1]["status"] == "cancelled"
        again = await order_one(at, command())
        assert isinstance(again, Confirmed)
        assert again.id == "so_000001"
        assert told(await set_lines_of(at, lines({"11": 1}))) == {"11": 1}
        assert (await at.call("GET", "/v1/shipment-orders/so_000001"))[1]["status"] == "accepted"


async def test_the_same_lines_twice_change_nothing_and_a_lost_answer_does_no_harm():
    async with site() as at:
        await order_one(at, command())
        at.warehouse.mischief.arm(FaultRule(match="/lines", kind="commit_then_drop", times=1))
        with pytest.raises(Unknown):
            await set_lines_of(at, lines({"11": 5}))
        assert told(await set_lines_of(at, lines({"11": 5}))) == {"11": 5}
        assert len(at.happened("lines_changed")) == 1


async def test_mapped_skus_go_out_as_the_warehouses_and_come_back_as_ours():
    async with site() as at:
        await order_one(at, command(**{"product/MUG": "WH-1"}))
        outcome = await set_lines_of(at, lines({"11": 1}, **{"product/MUG": "WH-1"}))
        assert isinstance(outcome, Confirmed)
        assert outcome.body == ShipmentLines(
            reference="order:shop:1001", lines=(ShipmentLine(line="11", sku="MUG", units=1),)
        )


async def test_lines_the_warehouse_cannot_take_are_rejected_and_nothing_is_changed():
    async with site(unknown_skus=["POT"]) as at:
        await order_one(at, command())
        unknown = await set_lines_of(at, lines({"11": 1, "13": 1}))
        assert isinstance(unknown, Rejected)
        assert unknown.missing is not None
        assert (unknown.missing.key, unknown.field) == ("POT", "lines")
        other = lines({"11": 1}, **{"product/MUG": "WH-9"})
        assert isinstance(await set_lines_of(at, other), Rejected)
        with pytest.raises(Rejected):
            await set_lines_of(at, lines({"11": 1}, number=9))
        assert at.happened("lines_changed") == []


# ---- reads


async def test_shipments_are_read_and_listed_in_the_same_words_as_their_webhook():
    async with site() as at:
        await order_one(at, command())
        _, parcel = await at.call("POST", "/_do/ship", {"reference": "order:shop:1001", "location": "EAST"})
        one = await read_shipment(parcel["id"], at.link)
        page = await list_shipments("", at.link)
        assert one is not None
        assert [(item.topic, item.id, json.loads(item.body)) for item in (one, *page.items)] == [
            ("shipment.read", parcel["id"], parcel)
        ] * 2
        (document,) = connector.topics["shipment.read"](one.body, ORIGIN)
        told = {"type": "shipment.shipped", "sequence": parcel["sequence"], "data": parcel}
        assert [document] == [*connector.topics["shipment.shipped"](msgspec.json.encode(told), ORIGIN)]
        assert await read_shipment("sh_9", at.link) is None
        assert (await list_shipments(page.cursor, at.link)).items == []


async def test_listing_ends_resumes_at_its_cursor_and_misses_nothing():
    async with site(auto_ship_after_ms=0) as at:
        for start in range(0, 250, 50):
            items = {"items": [wanted(number) for number in range(start, start + 50)]}
            await at.call("POST", "/v1/shipment-orders/bulk", items)
        await at.warehouse.mischief.settled()
        first = await list_shipments("", at.link)
        second = await list_shipments(first.cursor, at.link)
        assert (len(first.items), first.more, len(second.items), second.more) == (200, True, 50, False)
        assert len({item.id for item in (*first.items, *second.items)}) == 250


@pytest.mark.parametrize("kind", ["commit_then_drop", "garbage", "refuse"])
async def test_a_read_that_fails_leaves_no_doubt(kind: Any):
    async with site() as at:
        at.warehouse.mischief.arm(FaultRule(match="GET /v1/shipments", kind=kind, status=500))
        with pytest.raises(Transient):
            await list_shipments("", at.link)
