"""Two real hub processes on one database, which a test may kill or stop for real at a named checkpoint."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psycopg

from crossdock.store.checking import check
from crossdock.store.database import Database
from crossdock.store.inbox import Message

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "crossdock.main")
SECRET = "a secret between the stand-in and the hub"
_READY_SECONDS = 30.0

# A call's lease must outlive its time-out by a second and more; both are short, so that a test needn't wait for long.
_SETTINGS = """
[hub]
listen = "127.0.0.1:0"
lease_seconds = 1.0
call_lease_seconds = 2.5
probe_seconds = 0.2
[roles]
erp = "erp"
warehouse = "warehouse"
mail = "mail"
"""
_CONNECTION = """
[connections.{name}]
connector = "tests.standin"
url = "{target}"
timeout_seconds = 1.0
webhook_secrets = ["env:STANDIN_SECRET"]
"""


@dataclass
class HubProcess:
    """One `crossdock run`; its output is in `log`."""

    process: asyncio.subprocess.Process
    address: str
    log: Path

    @property
    def died(self) -> bool:
        return self.process.returncode is not None

    @property
    def stopped(self) -> bool:
        if self.died:
            return False
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        if not self.died:
            self.go_on()
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


@dataclass
class Hubs:
    """The processes, and the database behind them."""

    processes: list[HubProcess]
    database_url: str
    marker: Path

    async def tell(self, message: Message, patience_seconds: float = 20.0) -> None:
        """A vendor's webhook: sent to one process after the other until one of them says 200."""
        signature = hmac.digest(SECRET.encode(), message.body, "sha256").hex()
        headers = {"X-Topic": message.topic, "X-Id": message.message_id or "", "X-Signature": signature}
        ends = time.monotonic() + patience_seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while time.monotonic() < ends:
                for hub in self.processes:
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                        url = f"{hub.address}/in/{message.connection}"
                        async with session.post(url, data=message.body, headers=headers) as answer:
                            if answer.status == 200:
                                return
        raise AssertionError("no process took the message")

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(statement).fetchall()  # pyright: ignore

    @property
    def struck(self) -> bool:
        """Whether a process reached the point."""
        return self.marker.exists()

    @property
    def at_rest(self) -> bool:
        """Nothing is left to do but for a person."""
        [(left,)] = self.rows(
            "select (select count(*) from inbox_pending) + (select count(*) from dirty)"
            " + (select count(*) from due where not (stage = 3 and due_at = 'infinity'))"
        )
        return left == 0

    async def assert_sound(self) -> None:
        async with Database(self.database_url) as database, database.transaction() as tx:
            found = await check(tx)
        assert found.holds, [each for each in found.invariants if each.breaches] or found


@contextlib.asynccontextmanager
async def hubs(
    database_url: str,
    target: str,
    folder: Path,
    *,
    kill_at: str = "",
    stop_at: str = "",
    count: int = 1,
    settings: str = "",
    program: Sequence[str] = PROGRAM,
) -> AsyncGenerator[Hubs]:
    """Two processes of all roles, of which the first to reach the point (for the n-th time) dies or stops there.

    `program` follows the interpreter; `settings` are the whole of theirs, where the usual ones won't do.
    """
    file, marker = folder / "crossdock.toml", folder / "struck"
    names = ("shop", "erp", "warehouse", "mail")
    usual = _SETTINGS + "".join(_CONNECTION.format(name=name, target=target) for name in names)
    file.write_text(settings or usual)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "STANDIN_SECRET": SECRET,
        "CROSSDOCK_DATABASE_URL": database_url,
        "CROSSDOCK_CHECKPOINT_MARKER": str(marker),
        "CROSSDOCK_CHECKPOINT_COUNT": str(count),
        **({"CROSSDOCK_KILL_AT": kill_at} if kill_at else {}),
        **({"CROSSDOCK_STOP_AT": stop_at} if stop_at else {}),
    }
    logs = [folder / f"hub-{n}.log" for n in range(2)]
    started = await asyncio.gather(*(start(program, file, log, environment) for log in logs))
    try:
        yield Hubs(list(started), database_url, marker)
    finally:
        await asyncio.gather(*(each.end() for each in started))


async def start(program: Sequence[str], file: Path, log: Path, environment: Mapping[str, str]) -> HubProcess:
    """One process that works."""
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *program, "--config", str(file), "run",
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=ROOT,
        )  # fmt: skip
    ends = time.monotonic() + _READY_SECONDS
    while time.monotonic() < ends and process.returncode is None:
        for line in _said(log):
            if line.startswith('{"ready"'):
                return HubProcess(process, json.loads(line)["address"], log)
        await asyncio.sleep(0.05)
    if process.returncode is None:
        process.kill()
        await process.wait()
    raise AssertionError(f"a hub process did not become ready: {_said(log)}")


def _said(log: Path) -> list[str]:
    return log.read_text().splitlines()
