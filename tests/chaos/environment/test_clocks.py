"""Wall clocks that are wrong by minutes, a day or months, of the database or of the hub's processes: nothing is done twice,
nothing is thrown away, and what comes in is done.

Simulated: a library put before the C library's own answers every look at the wall clock with a time that is off by what a
file says, for the whole process it is loaded into, PostgreSQL's included; time that only rises is left alone. A machine's
clock that is set wrong looks just so to them. Daylight saving changes no such clock; it is a time zone of processes, and here
both keep one that puts its clocks back while they work.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from crossdock.store.migrate import make_partitions, migrate
from crossdock.store.postgres import start_or_attach
from tests.chaos.plants.scene import Scene
from tests.chaos.plants.scenes.holding import done_twice
from tests.stage import order, shipment
from tests.standin.target import Target

pytestmark = pytest.mark.chaos

Turn = Callable[[int], None]
"""Puts the clock wrong by so many seconds."""
MINUTES, DAY, MONTHS = 600, 86_400, 60 * 86_400
BUDGET = {"calls_per_second": 40.0, "burst": 10.0}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turn]:
    """Whatever is started while this is in use has the clock."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a C compiler makes the wrong clock")
    folder = Path(tempfile.mkdtemp(prefix="cdk"))
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    library, said = folder / "clock.so", folder / "wrong_by"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    said.write_text("0")
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CROSSDOCK_WRONG_CLOCK", str(said))
    yield lambda seconds: replaced(said, str(seconds))
    shutil.rmtree(folder)


def replaced(file: Path, text: str) -> None:
    """At once, for it is read at any moment."""
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


@pytest.fixture
def wrong_database(clock: Turn, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with that clock, and in a time zone that has daylight saving."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    folder = Path(tempfile.mkdtemp(prefix="cdk"))
    server = start_or_attach(folder / "pg")
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create database hub")
        url = make_conninfo(server.url, dbname="hub")
        migrate(url)
        make_partitions(url, today=datetime.now(UTC).date(), keep_days=30)
        monkeypatch.delenv("LD_PRELOAD")  # the hub's processes know the time
        yield url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def trade(scene: Scene, number: int) -> bool:
    """An order is sold, and leaves; whether all of it is done in time."""
    placed = order(str(number), units=2)
    await scene.tell(placed)
    sold = await scene.within(20, lambda: scene.done("sales_order")[f"order:shop:{number}"])
    await scene.tell(shipment(f"p{number}", placed, units=2))
    nouns = ("goods_issue", "invoice_posting", "fulfilment")
    return sold and await scene.within(20, lambda: all(scene.done(each)[f"order:shop:{number}"] for each in nouns))


def before_the_clocks_go_back() -> int:
    """Seconds from now to half a minute before they do in Berlin."""
    return int((datetime(2027, 10, 31, 0, 59, 30, tzinfo=UTC) - datetime.now(UTC)).total_seconds())


async def test_a_database_whose_clock_jumps_goes_on_at_every_time(
    clock: Turn, wrong_database: str, tmp_path: Path
) -> None:
    async with Target().serve() as target:
        scene = Scene("", wrong_database, tmp_path, target)
        async with scene.hubs(each=BUDGET):
            for number, wrong_by in enumerate(
                (0, MINUTES, -MINUTES, DAY, -DAY, before_the_clocks_go_back(), 0), start=1
            ):
                clock(wrong_by)
                assert await trade(scene, number), f"order {number}, with a clock {wrong_by} s off"
        assert done_twice(scene) == []
        assert (await scene.ask("check"))["inbox"]["total"] == len(scene.sent)


@pytest.mark.parametrize("wrong_by", [MINUTES, -MINUTES, DAY, -DAY, MONTHS])
async def test_a_process_whose_clock_is_wrong_does_its_work_and_throws_nothing_away(
    clock: Turn, database_url: str, tmp_path: Path, wrong_by: int
) -> None:
    async with Target().serve() as target:
        scene = Scene("", database_url, tmp_path, target)
        async with scene.hubs():
            assert await trade(scene, 1)
        clock(wrong_by)
        async with scene.hubs():
            assert await trade(scene, 2)
        clock(0)
        assert (await scene.ask("check"))["inbox"]["total"] == len(scene.sent) == 4
        assert done_twice(scene) == []


def in_doubt(scene: Scene) -> bool:
    """Whether something is to be searched for; read from the table, for what it says must be so before the clock jumps."""
    with psycopg.connect(scene.database_url, autocommit=True) as connection:
        return connection.execute("select from due where stage = 3 limit 1").fetchone() is not None


@pytest.mark.parametrize("processes", ["alive", "killed"])
async def test_nothing_is_searched_for_too_early_because_the_databases_clock_was_put_forward(
    clock: Turn, wrong_database: str, tmp_path: Path, processes: str
) -> None:
    """The goods issue happens 4 s after its connection was cut, and its target may take 6 s for it."""
    placed, far = order("1"), {"connector": "tests.chaos.far_erp"}
    async with Target().serve() as target:
        scene = Scene("", wrong_database, tmp_path, target)
        async with scene.hubs(each=far) as hub:
            await scene.tell(placed)
            assert await scene.within(20, lambda: scene.done("sales_order"))
            target.fault("/one/goods_issue", "late", status=0, seconds=4.0)
            await scene.tell(shipment("s1", placed))
            assert await scene.within(20, lambda: in_doubt(scene))
            assert not scene.done("goods_issue")
            if processes == "killed":
                for each in hub.processes:
                    each.process.kill()
                    await each.process.wait()
            clock(MINUTES)
            if processes == "alive":
                await asyncio.sleep(2)
        async with scene.hubs(each=far):
            assert await scene.within(20, lambda: scene.done("invoice_posting"))
            await target.mischief.settled()
        assert done_twice(scene) == []


async def test_a_lease_on_a_call_lasts_as_long_as_its_holder_believes_whatever_the_databases_clock_says(
    clock: Turn, wrong_database: str, tmp_path: Path
) -> None:
    """A process pauses between its seal and its call, for less than its lease, in which the clock jumps."""
    placed = order("1")
    async with Target().serve() as target:
        scene = Scene("", wrong_database, tmp_path, target, call_lease_seconds=8.0)
        async with scene.hubs(policy={"tell_shop_erp_number": False}, stop_at="call:before", count=2) as hub:
            await scene.tell(placed)
            assert await scene.within(20, lambda: scene.done("sales_order"))
            await scene.tell(shipment("s1", placed))
            assert await scene.within(20, lambda: any(each.stopped for each in hub.processes))
            clock(MINUTES)
            await asyncio.sleep(3)
            for each in hub.processes:
                each.go_on()
            assert await scene.within(20, lambda: scene.done("goods_issue") and scene.done("invoice_posting"))
            await asyncio.sleep(1)
        assert done_twice(scene) == []
