"""The hub's database is restored from a copy of its folder, or set back under processes that live: nothing is doubled."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from crossdock.store.inbox import Message
from tests.chaos.environment.own import SETTINGS, hub, stop_postgres, written
from tests.chaos.environment.test_own_database import tell
from tests.chaos.hubs import PROGRAM, ROOT, Hubs
from tests.chaos.plants.scene import Scene
from tests.chaos.plants.scenes.holding import done_twice
from tests.chaos.plants.scenes.remembering import copy_of, restore
from tests.stage import message, order, shipment, told
from tests.standin.target import Target, until

pytestmark = pytest.mark.chaos


@pytest.fixture
def data() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cdo"))
    yield folder
    stop_postgres(folder)
    shutil.rmtree(folder, ignore_errors=True)


async def ask(config: Path, *words: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *PROGRAM, "--config", str(config), *words, "--json", cwd=ROOT, env=SETTINGS,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    said, _ = await process.communicate()
    return json.loads(said)


def copy(source: Path, target: Path) -> None:
    """As an administrator would, owners and rights included."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


async def test_a_folder_that_was_copied_while_the_server_was_stopped_and_put_back_later_doubles_nothing(
    data: Path, tmp_path: Path
) -> None:
    placed = [order(str(number), units=2) for number in range(1, 5)]
    parcels = [shipment(f"p{each.id}", each, units=2) for each in placed]
    async with Target().serve() as target:
        config = written(tmp_path, target, data)
        async with hub(config) as process:
            await tell(process, message("shop", told(placed[0])))
            await until(lambda: len(target.effects("sales_order")) == 1, 20)
            await asyncio.sleep(0.5)
        copy(data / "postgres", data / "backup")
        async with hub(config) as process:
            later: list[Message] = [message("shop", told(each)) for each in placed[1:]]
            later += [message("warehouse", told(each)) for each in parcels]
            for each in later:
                await tell(process, each)
            await until(lambda: len(target.effects("invoice_posting")) == len(target.effects("fulfilment")) == 4, 40)
            await asyncio.sleep(1)
            process.process.send_signal(signal.SIGKILL)
            await process.process.wait()
        stop_postgres(data)
        shutil.rmtree(data / "postgres")
        copy(data / "backup", data / "postgres")
        async with hub(config) as process:
            for each in later:
                await tell(process, each)
            done = len(target.ledger.entries)
            await asyncio.sleep(2)
            assert (await ask(config, "recovery"))["state"] == "stopped"
            assert len(target.ledger.entries) == done
            await ask(config, "recovery", "go-on", "--unswept")
            await tell(process, message("shop", told(order("9"))))
            await until(lambda: "order:shop:9/sale" in target.slots("sales_order"), 30)
            await asyncio.sleep(4)
            found = await ask(config, "recovery")
        assert done_twice(Scene("", "", tmp_path, target)) == []
        assert found["found_done"] >= 12
        assert found["open"] == 0


async def test_processes_that_live_through_it_end_and_those_after_them_double_nothing(
    database_url: str, tmp_path: Path
) -> None:
    placed = [order(str(number), units=2) for number in range(1, 4)]
    parcels = [shipment(f"p{each.id}", each, units=2) for each in placed]
    async with Target().serve() as target:
        scene = Scene("", database_url, tmp_path, target)
        async with scene.hubs() as running:
            await scene.tell(placed[0])
            assert await scene.within(20, lambda: scene.done("sales_order"))
            backup = await while_they_sleep(running, database_url, lambda: copy_of(database_url))
            first = len(scene.sent)
            await scene.tell(*placed[1:], *parcels)
            assert await scene.within(
                40, lambda: len(scene.done("fulfilment")) == len(scene.done("invoice_posting")) == 3
            )
            await asyncio.sleep(1)
            await while_they_sleep(running, database_url, lambda: restore(database_url, backup))
            async with asyncio.timeout(45):
                assert {await each.process.wait() for each in running.processes} == {1}
        again = scene.sent[first:]
        async with scene.hubs():
            await scene.tell(*again)
            assert (await scene.ask("recovery"))["state"] == "stopped"
            await scene.ask("recovery", "go-on", "--unswept")
            await scene.tell(order("9"))
            assert await scene.within(30, lambda: scene.done("sales_order")["order:shop:9"])
            await asyncio.sleep(4)
            assert (await scene.ask("check"))["holds"]
        assert done_twice(scene) == []


async def while_they_sleep(running: Hubs, url: str, deed: Any) -> Any:
    """Processes and their connections stop, something is done to the database, and the processes go on."""
    for each in running.processes:
        each.process.send_signal(signal.SIGSTOP)
    with psycopg.connect(url, autocommit=True, options="-c transaction_timeout=0") as connection:
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    done = await asyncio.to_thread(deed)
    for each in running.processes:
        each.go_on()
    return done
