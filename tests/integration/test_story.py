"""A story told in any order, or many times, ends in the same effects, counted on the target's ledger."""

from __future__ import annotations

import msgspec

from tests.stage import ROSE, customer, order, shipment, staged, told
from tests.standin.target import Target


async def test_a_story_ends_in_one_effect_each_and_everything_adds_up(database_url: str) -> None:
    placed = order(customer="customer:shop:c1")
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed, customer())
        await stage.run()
        await stage.tell(told(msgspec.structs.replace(placed, ship_to=ROSE), 2))
        await stage.run()  # what has left needs no address, so it has to be heard of before the last parcel
        await stage.tell(shipment("s1", placed), shipment("s2", placed, units=2))
        await stage.run()
        for noun, times in {"sales_order": 1, "goods_issue": 2, "invoice_posting": 2, "parcel_notice": 2}.items():
            assert len(target.effects(noun)) == times, noun
        assert target.held["order:shop:1/erp_address"]["ship_to"]["street"] == ["2 Rose Street"]
        assert (await stage.checked()).states["converged"] == 2
