"""S8 while it happens: acts on one target document, taken by several lanes at the same moment, go one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crossdock.deliver.lane import Lane
from tests.stage import Stage, order, shipment, staged
from tests.standin.target import Target

BOTH_UNRESOLVED = (
    "select count(*) from (select from due where stage in (1, 2, 3)"
    " group by entity, target, document having count(*) > 1) x"
)


def meet(lanes: list[Lane], where: str) -> None:
    """Every lane has come so far before any goes on."""
    arrived = asyncio.Barrier(len(lanes))
    for lane in lanes:
        step = getattr(lane, where)

        async def together(*given: Any, step: Any = step) -> Any:
            done = await step(*given)
            await arrived.wait()
            return done

        setattr(lane, where, together)


def counting(stage: Stage, lanes: list[Lane]) -> list[int]:
    """How many documents have two unresolved acts, whenever a lane has called and not recorded yet."""
    seen = list[int]()
    for lane in lanes:
        recording = lane._record

        async def record(*given: Any, recording: Any = recording) -> None:
            seen.append(stage.count(BOTH_UNRESOLVED))
            await recording(*given)

        lane._record = record  # pyright: ignore
    return seen


@pytest.mark.parametrize("parcels", [2, 3])
async def test_lanes_that_claim_two_parcels_of_one_sale_at_once_send_one_of_them(
    database_url: str, parcels: int
) -> None:
    placed = order()
    one_each: dict[str, Any] = {"hub": {"deliver_batch": 1}, "each": {"lanes": parcels}, "mail": False}
    async with Target().serve() as target, staged(database_url, target, **one_each) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(*(shipment(f"s{n}", placed) for n in range(parcels)))
        lanes = [lane for lane in stage.hub.lanes if lane.line.connection == "erp"]
        claiming = [lane._claim for lane in lanes]
        meet(lanes, "_claim")
        seen = counting(stage, lanes)
        await asyncio.gather(*(lane.round() for lane in lanes))
        assert set(seen) == {0}
        for lane, claim in zip(lanes, claiming, strict=True):
            lane._claim = claim  # pyright: ignore
        await stage.run()
        assert len(target.effects("goods_issue")) == parcels
        await stage.checked()
