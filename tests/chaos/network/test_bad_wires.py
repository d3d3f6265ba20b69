"""Whatever the wires do, to an outside system or to the database: everything is done once, and the hub gets over it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.chaos.network.wire import CLEAR, Weather, Wire
from tests.chaos.plants.scene import ERP, Scene
from tests.chaos.plants.scenes.holding import done_twice
from tests.stage import order, shipment
from tests.standin.target import Target

pytestmark = pytest.mark.chaos

ROLES = {**ERP, "warehouse": "warehouse"}
WEATHERS = {
    "deaf out": Weather(deaf="out"),
    "deaf back": Weather(deaf="back"),
    "half open": Weather(half_open=True),
    "dripping": Weather(drip_seconds=0.002),
    "late": Weather(latency_seconds=0.3),
    "reset in an answer": Weather(reset_after=40),
}
STORM_SECONDS = 3.0
# A connection that is silent is given up after 35 s; a third of a minute is for what comes then.
REST_SECONDS = 60.0


async def live_through(scene: Scene, wire: Wire, weather: Weather) -> list[str]:
    """Orders come and parcels leave before, in and after the storm; what it made deaf stays so."""
    orders = [order(str(number), units=2) for number in range(1, 7)]
    async with scene.hubs(ROLES):
        await scene.tell(orders[0])
        assert await scene.within(15, lambda: scene.done("sales_order"))
        wire.change(weather)
        telling = asyncio.create_task(_tell_all(scene, orders))
        await asyncio.sleep(STORM_SECONDS)
        wire.change(CLEAR)
        await telling
        await scene.within(REST_SECONDS, lambda: not _missing(scene, len(orders)))
        assert wire.struck
        await asyncio.sleep(1)
    return done_twice(scene) + _missing(scene, len(orders))


async def _tell_all(scene: Scene, orders: list) -> None:
    for each in orders[1:]:
        await asyncio.sleep(0.4)
        await scene.tell(each)
    await scene.tell(*(shipment(f"p{each.id}", each, units=2) for each in orders))


def _missing(scene: Scene, orders: int) -> list[str]:
    nouns = ("sales_order", "shipment_order", "goods_issue", "invoice_posting", "fulfilment")
    return [f"{noun}: {len(scene.done(noun))} of {orders}" for noun in nouns if len(scene.done(noun)) < orders]


@pytest.mark.parametrize("weather", WEATHERS)
async def test_a_bad_wire_to_an_outside_system_doubles_and_loses_nothing(
    database_url: str, tmp_path: Path, weather: str
) -> None:
    async with Target().serve() as target:
        host, _, port = target.url.removeprefix("http://").partition(":")
        async with Wire((host, int(port))).serve() as wire:
            scene = Scene("", database_url, tmp_path, target, target_at=f"http://127.0.0.1:{wire.port}")
            assert await live_through(scene, wire, WEATHERS[weather]) == []


@pytest.mark.parametrize("weather", WEATHERS)
async def test_a_bad_wire_to_the_database_doubles_and_loses_nothing(
    database_url: str, tmp_path: Path, weather: str
) -> None:
    folder = conninfo_to_dict(database_url)["host"]
    async with Target().serve() as target, Wire(f"{folder}/.s.PGSQL.5432").serve() as wire:
        through = make_conninfo(database_url, host="127.0.0.1", port=wire.port)
        scene = Scene("", database_url, tmp_path, target, database_at=through, patience_seconds=REST_SECONDS)
        assert await live_through(scene, wire, WEATHERS[weather]) == []
