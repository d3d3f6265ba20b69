"""What is asked at once of a warehouse: what is there, what is promised of it, and that it keeps no such thing."""

from __future__ import annotations

from crossdock.canonical.answers import Availability
from crossdock.canonical.stock import StockLevel
from crossdock.connectors.wms.answers import availability
from tests.contract.wms_site import site


def level(location: str, on_hand: int, reserved: int) -> StockLevel:
    return StockLevel(sku="MUG", location=location, on_hand=on_hand, reserved=reserved, available=on_hand - reserved)


async def test_a_warehouse_says_what_is_there_and_what_of_it_is_promised() -> None:
    async with site() as at:
        assert await availability("MUG", at.link) is None
        for location, units in (("MAIN", 10), ("EAST", 3)):
            await at.call("POST", "/_do/count", {"sku": "MUG", "location": location, "units": units})
        order = {
            "reference": "order:shop:1",
            "order_number": "1",
            "ship_to": {"name": "Ada", "street": ["1 Example Street"], "city": "Springfield", "country": "US"},
            "lines": [{"line": "1", "sku": "MUG", "units": 4}],
        }
        assert (await at.call("POST", "/v1/shipment-orders", order))[0] == 201
        assert await availability("MUG", at.link) == Availability(
            sku="MUG", levels=(level("MAIN", 10, 4), level("EAST", 3, 0))
        )
        task = {"reference": "order:shop:1", "lines": [{"line": "1", "units": 3}]}
        assert (await at.call("POST", "/_do/ship", task))[0] == 201
        found = await availability("MUG", at.link)
        assert found is not None
        assert found.levels == (level("MAIN", 7, 1), level("EAST", 3, 0))
        assert found.available == 9
