"""What the neutral warehouse API promises, asked of the simulated warehouse with plain HTTP."""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
import pytest

from tests.contract.wms_site import (
    AWAY,
    HOME,
    site,
    wanted,
)


async def test_the_same_reference_and_content_is_one_order_however_often_it_is_sent():
    async with site() as at:
        first = await at.call("POST", "/v1/shipment-orders", wanted())
        again = await at.call("POST", "/v1/shipment-orders", wanted())
        assert (first[0], again[0], first[1]["id"]) == (201, 200, again[1]["id"])
        assert len(at.happened("order_received")) == 1


async def test_the_same_reference_with_other_content_is_refused_and_changes_nothing():
    async with site() as at:
        await at.call("POST", "/v1/shipment-orders", wanted())
        status, problem = await at.call("POST", "/v1/shipment-orders", wanted(units=3))
        assert (status, problem["code"]) == (409, "reference_taken")
        _, found = await at.call("GET", "/v1/shipment-orders?reference=order:shop:1001")
        assert found["items"][0]["lines"][0]["units"] == 2


async def test_an_order_sent_again_after_its_address_changed_is_still_the_same_order():
    async with site() as at:
        _, order = await at.call("POST", "/v1/shipment-orders", wanted())
        await at.call("PUT", f"/v1/shipment-orders/{order['id']}/ship-to", AWAY)
        status, again = await at.call("POST", "/v1/shipment-orders", wanted())
        assert (status, again["id"], again["ship_to"]["street"]) == (200, order["id"], AWAY["street"])


async def test_a_bulk_request_answers_each_item_as_the_single_request_would():
    async with site(unknown_skus=["GONE"]) as at:
        await at.call("POST", "/v1/shipment-orders", wanted(1))
        items = [wanted(1), wanted(1, units=9), wanted(2), wanted(3, sku="GONE"), {"reference": "x"}, 5]
        status, answer = await at.call("POST", "/v1/shipment-orders/bulk", {"items": items})
        assert status == 207
        assert [item["status"] for item in answer["items"]] == [200, 409, 201, 422, 422, 422]
        assert [item["index"] for item in answer["items"]] == [0, 1, 2, 3, 4, 5]
        assert answer["items"][3]["problem"] | {"message": ""} == {
            "code": "unknown_sku", "message": "", "field": "lines", "line": "11", "sku": "GONE",
        }  # fmt: skip
        assert [entry["id"] for entry in at.happened("order_received")] == ["so_000001", "so_000002"]


async def test_more_than_a_hundred_items_at_once_are_refused_whole():
    async with site() as at:
        status, problem = await at.call("POST", "/v1/shipment-orders/bulk", {"items": [wanted(n) for n in range(101)]})
        assert (status, problem["code"], at.happened("order_received")) == (422, "too_many", [])


async def test_orders_are_found_by_any_number_of_references():
    async with site() as at:
        for number in (1, 2):
            await at.call("POST", "/v1/shipment-orders", wanted(number))
        query = "&".join(f"reference=order:shop:{number}" for number in (2, 9, 1))
        _, found = await at.call("GET", f"/v1/shipment-orders?{query}")
        assert [order["reference"] for order in found["items"]] == ["order:shop:2", "order:shop:1"]


async def test_a_request_without_the_key_is_refused_and_one_for_nothing_is_not_found():
    async with site() as at:
        async with at.http.get("/v1/shipments") as answer:
            assert (answer.status, (await answer.json())["code"]) == (401, "unauthorised")
        for path in ("/v1/shipments/sh_9", "/v1/shipment-orders/so_9"):
            status, problem = await at.call("GET", path)
            assert (status, problem["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "body", [[], {}, {**wanted(), "lines": []}, {**wanted(), "lines": wanted()["lines"][:1] * 2}, wanted(units=0)]
)
async def test_an_order_that_makes_no_sense_is_refused_with_the_reason(body: object):
    async with site() as at:
        status, problem = await at.call("POST", "/v1/shipment-orders", body)
        assert (status, problem["code"]) == (422, "invalid")
        assert at.happened("order_received") == []


async def test_a_new_address_is_used_for_what_is_not_picked_yet_and_only_for_that():
    async with site() as at:
        _, order = await at.call("POST", "/v1/shipment-orders", wanted())
        picked = [{"line": "11", "units": 1}]
        await at.call("POST", "/_do/pick", {"reference": "order:shop:1001", "location": "MAIN", "lines": picked})
        status, _ = await at.call("PUT", f"/v1/shipment-orders/{order['id']}/ship-to", AWAY)
        assert status == 200
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001", "location": "MAIN", "lines": picked})
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1001", "location": "EAST"})
        left = [entry["shipment"] for entry in at.happened("parcel_left", "order:shop:1001")]
        assert [(p["location"], p["ship_to"]["street"]) for p in left] == [
            ("MAIN", HOME["street"]),
            ("EAST", AWAY["street"]),
        ]
        assert [[line["units"] for line in p["lines"]] for p in left] == [[1], [1, 1]]
        assert left[0]["tracking"]["number"] != left[1]["tracking"]["number"]


async def test_a_new_address_is_too_late_when_all_is_picked():
    async with site() as at:
        _, order = await at.call("POST", "/v1/shipment-orders", wanted())
        await at.call("POST", "/_do/pick", {"reference": "order:shop:1001", "lines": [{"line": "11", "units": 2}]})
        path = f"/v1/shipment-orders/{order['id']}/ship-to"
        assert (await at.call("PUT", path, AWAY))[0] == 200
        await at.call("POST", "/_do/pick", {"reference": "order:shop:1001", "lines": [{"line": "12", "units": 1}]})
        status, problem = await at.call("PUT", path, HOME)
        assert (status, problem["code"]) == (409, "all_picked")
        assert len(at.happened("ship_to_changed")) == 1


async def test_units_picked_for_two_addresses_never_share_a_parcel():
    async with site() as at:
        _, order = await at.call("POST", "/v1/shipment-orders", wanted())
        await at.call("POST", "/_do/pick", {"reference": "order:shop:1001", "lines": [{"line": "11", "units": 1}]})
        await at.call("PUT", f"/v1/shipment-orders/{order['id']}/ship-to", AWAY)
        status, problem = await at.call("POST", "/_do/ship", {"reference": "order:shop:1001"})
        assert (status, problem["code"]) == (409, "mixed_addresses")
        assert at.happened("parcel_left") == []
        assert len(at.happened("picked")) == 1


async def test_no_more_leaves_than_was_ordered_unless_it_is_forced():
    async with site() as at:
        await at.call("POST", "/v1/shipment-orders", wanted())
        task = {"reference": "order:shop:1001", "location": "MAIN", "lines": [{"line": "12", "units": 2}]}
        status, problem = await at.call("POST", "/_do/ship", task)
        assert (status, problem["code"], at.happened("parcel_left")) == (409, "more_than_ordered", [])
        status, _ = await at.call("POST", "/_do/ship", {**task, "force": True})
        assert (status, at.happened("parcel_left")[0]["forced"]) == (201, True)


async def test_shipments_are_listed_page_by_page_in_the_order_they_left():
    async with site() as at:
        for number in range(5):
            await at.call("POST", "/v1/shipment-orders", wanted(number))
            await at.call("POST", "/_do/ship", {"reference": f"order:shop:{number}"})
        seen, cursor, more = list[str](), "", True
        while more:
            _, page = await at.call("GET", f"/v1/shipments?since={cursor}&limit=2")
            seen += [item["reference"] for item in page["items"]]
            cursor, more = page["cursor"], page["more"]
        assert seen == [f"order:shop:{number}" for number in range(5)]
        _, page = await at.call("GET", f"/v1/shipments?since={cursor}")
        assert (page["items"], page["cursor"], page["more"]) == ([], cursor, False)


async def test_a_seed_gives_the_same_tracking_numbers_and_a_restore_never_gives_one_twice():
    async def numbers(seed: int) -> list[str]:
        async with site(seed=seed) as at:
            await at.call("POST", "/v1/shipment-orders", wanted())
            await at.http.post("/_control/snapshot")
            for _ in range(2):
                await at.call("POST", "/_do/ship", {"reference": "order:shop:1001"})
                await at.http.post("/_control/restore")
            return [entry["shipment"]["tracking"]["number"] for entry in at.happened("parcel_left")]

    first = await numbers(1)
    assert first == await numbers(1)
    assert len({*first, *await numbers(2)}) == 4


async def test_a_restored_warehouse_has_forgotten_but_its_ledger_has_not():
    async with site() as at:
        await at.http.post("/_control/snapshot")
        await at.call("POST", "/v1/shipment-orders", wanted())
        await at.http.post("/_control/restore")
        assert (await at.call("GET", "/v1/shipment-orders/so_000001"))[0] == 404
        assert len(at.happened("order_received")) == 1


async def test_in_auto_mode_everything_leaves_by_itself():
    async with site(auto_ship_after_ms=10) as at:
        await at.call("POST", "/v1/shipment-orders/bulk", {"items": [wanted(n) for n in range(20)]})
        await at.warehouse.mischief.settled()
        assert len(at.happened("parcel_left")) == 20
        assert (await at.call("GET", "/v1/shipment-orders/so_000001"))[1]["status"] == "shipped"


async def test_the_warehouse_runs_as_a_program():
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossdock.simulators.warehouse", "--stop-with-stdin"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdin is not None
    url = json.loads(await program.stdout.readline())["url"]
    async with aiohttp.ClientSession(url) as http, http.get("/_ledger") as answer:
        assert await answer.json() == []
    program.stdin.close()
    assert await asyncio.wait_for(program.wait(), 5) == 0
