"""Whole processes: a hub that hears nothing finds it by sweeping, and people's commands say what was found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossdock.simulators.retailer import Retailer, open_retailer
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_state import Address
from crossdock.simulators.webhooks import WebhookMischief

SAGE = Address(first_name="Ada", last_name="Example", address1="1 Sage Street", city="Springfield", country_code="US")
OFTEN: dict[str, Any] = {"sweep": {"every_minutes": 0.01, "whole_every_hours": 0.0005, "grace_seconds": 0.0}}


async def _until(what: Callable[[], object], seconds: float = 90.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.1)


def _place(retailer: Retailer) -> str:
    placed = retailer.shop.place_order(
        [Bought("MUG-01", 2)], email="ada@example.com", shipping_address=SAGE, authorised=True, manual_gateway=True
    )
    return str(placed.id)


async def test_an_order_whose_webhooks_were_all_lost_goes_on_by_itself(database_url: str, tmp_path: Path):
    async with open_retailer(
        tmp_path, with_erp=False, database_url=database_url, connections={"shop": OFTEN}
    ) as retailer:
        retailer.shop.mischief.webhooks = WebhookMischief(drop=1.0)
        await retailer.start_hub("door", "settle", "deliver")
        await retailer.start_hub("sweep")
        order = _place(retailer)
        await _until(lambda: retailer.warehouse.floor.by_reference(f"order:shop:{order}"))
        [found] = [each for each in await retailer.ask_json("drift") if each["kind"] == "order"]
        assert (found["thing"], found["cause"], found["minor"]) == (order, "unheard", 1980)
        assert "Shipment order" in found["became"]
        _, text = await retailer.ask("drift", "--connection", "shop")
        assert f"order {order} of shop was never told" in text


async def test_people_sweep_when_they_like_and_see_as_of_when_all_is_known(database_url: str, tmp_path: Path):
    async with open_retailer(tmp_path, with_erp=False, database_url=database_url) as retailer:
        retailer.shop.mischief.webhooks = WebhookMischief(drop=1.0)
        await retailer.start_hub()
        _place(retailer)
        code, text = await retailer.ask("sweep", "shop", "order", "--full")
        assert (code, "1 listed of 1, 1 differ, complete" in text) == (0, True), text
        [changes] = await retailer.ask_json("sweep", "shop", "order")
        assert (changes["verdict"], changes["differing"]) == ("complete", 0)
        checked = await retailer.ask_json("check")
        assert checked["as_of"] is None
        assert all(
            each["whole"] for each in checked["verified"] if (each["connection"], each["kind"]) == ("shop", "order")
        )
        code, text = await retailer.ask("sweep", "shop", "nothing")
        assert (code, "it lists order, customer" in text) == (2, True)
        code, text = await retailer.ask("sweep", "nobody")
        assert (code, "there is no connection nobody" in text) == (2, True)
