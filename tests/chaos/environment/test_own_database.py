"""The hub's own PostgreSQL ends under it, or has no room left: nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from crossdock.canonical.order import Order
from crossdock.store.inbox import Message
from tests.chaos.environment.own import hub, kill_postgres, postmaster, written
from tests.chaos.hubs import SECRET, HubProcess
from tests.stage import message, order, told
from tests.standin.target import Target, until

pytestmark = pytest.mark.chaos


async def said(hub: HubProcess, sent: Message) -> int:
    """What the door answers; 0 when it doesn't."""
    headers = {"X-Topic": sent.topic, "X-Id": sent.message_id or ""}
    headers["X-Signature"] = hmac.digest(SECRET.encode(), sent.body, "sha256").hex()
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.post(f"{hub.address}/in/{sent.connection}", data=sent.body, headers=headers) as answer,
        ):
            return answer.status
    return 0


async def tell(hub: HubProcess, sent: Message, seconds: float = 60.0) -> None:
    """Until it is taken."""
    ends = time.monotonic() + seconds
    while (status := await said(hub, sent)) != 200:
        assert time.monotonic() < ends, f"the door still answers {status}"
        await asyncio.sleep(0.3)


async def test_a_database_that_was_killed_is_started_again_by_the_hub_that_owns_it(tmp_path: Path) -> None:
    data = Path(tempfile.mkdtemp(prefix="cdo"))
    try:
        async with Target().serve() as target, hub(written(tmp_path, target, data)) as process:
            await tell(process, message("shop", told(order("1"))))
            await until(lambda: len(target.effects("sales_order")) == 1, 20)
            before = postmaster(data)
            kill_postgres(data)
            await tell(process, message("shop", told(order("2"))))
            await until(lambda: len(target.effects("sales_order")) == 2, 30)
            assert postmaster(data) != before
            assert not process.died
    finally:
        shutil.rmtree(data, ignore_errors=True)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of that size in memory; skips where nobody may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="cdd"))
    asked = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "tmpfs", str(folder)]
    if subprocess.run(asked, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("mounting a small file system takes root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
        folder.rmdir()


def fill(disk: Path) -> Path:
    """Not a byte is left."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), b"\0" * 4096)
    return ballast


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slice), 9])
async def test_on_a_full_disk_nothing_is_acknowledged_that_is_not_stored_and_room_is_enough_to_go_on(
    tmp_path: Path, times: int
) -> None:
    """Messages of 20 KB, so that even what the database has in reserve is soon used up."""
    orders = (order(str(number), email="x" * 20_000 + "@example.com") for number in itertools.count(1))
    with small_disk(220 + 20 * times) as data:
        async with Target().serve() as target, hub(written(tmp_path, target, data)) as process:
            await tell(process, message("shop", told(order("0"))))
            await until(lambda: len(target.effects("sales_order")) == 1, 20)
            everything = set[str]()
            for _ in range(times):
                ballast = fill(data)
                taken, refused = await filled_up(process, orders)
                ballast.unlink()
                for sent in refused.values():
                    await tell(process, sent)
                everything |= taken | refused.keys()
                due = 1 + len(everything)
                await until(lambda due=due: len(target.effects("sales_order")) >= due, 60)
            sold = Counter(entry.details["entity"] for entry in target.ledger.select("sales_order"))
            assert everything <= sold.keys()
            assert set(sold.values()) == {1}
            assert not process.died


async def filled_up(process: HubProcess, orders: Iterator[Order]) -> tuple[set[str], dict[str, Message]]:
    """Until nothing is stored any more: the orders that were acknowledged, and by order the messages that were not."""
    taken, refused, answers = set[str](), dict[str, Message](), Counter[int]()
    while answers[503] + answers[0] < 5:
        each = next(orders)
        sent = message("shop", told(each))
        status = await said(process, sent)
        answers[status] += 1
        if status == 200:
            taken.add(f"order:shop:{each.id}")
        else:
            refused[f"order:shop:{each.id}"] = sent
        assert answers[200] < 400, "the disk never fills up"
    assert answers[503] >= 1, answers
    assert set(answers) <= {200, 503, 0}
    return taken, refused
