"""Where a plant is shown: a stand-in for every outside system, two hub processes with or without the plant, and people.

What comes of it is read from the stand-in's true ledger, from what its sender was answered, and from the hub's own public
verbs (`crossdock … --json`); never from its tables.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from crossdock.store.inbox import Message
from tests.chaos.hubs import PROGRAM, ROOT, SECRET, Hubs, hubs
from tests.chaos.plants import program
from tests.stage import message, told
from tests.standin import Told
from tests.standin.target import Target

HUB: Mapping[str, Any] = {
    "listen": "127.0.0.1:0",
    "lease_seconds": 1.0,
    "call_lease_seconds": 2.5,
    "probe_seconds": 0.2,
}
NAMES = ("shop", "erp", "warehouse", "mail")
ERP = {"erp": "erp"}


@dataclass
class Scene:
    """One retailer, for as long as the test; `plant` is empty for a healthy hub."""

    plant: str
    database_url: str
    folder: Path
    target: Target
    sent: list[Message] = field(default_factory=list[Message])
    """Every message that was answered with 200, as often as it was."""
    hub: Hubs | None = None
    target_at: str = ""
    database_at: str = ""
    """Where the hub's processes reach either, when not directly."""
    patience_seconds: float = 20.0
    """How long a sender tries."""
    call_lease_seconds: float = HUB["call_lease_seconds"]

    @contextlib.asynccontextmanager
    async def hubs(
        self,
        roles: Mapping[str, str] = ERP,
        each: Mapping[str, Any] | None = None,
        *,
        policy: Mapping[str, Any] | None = None,
        kill_at: str = "",
        stop_at: str = "",
        count: int = 1,
    ) -> AsyncGenerator[Hubs]:
        """Two processes with these roles; `each` is added to every connection's settings."""
        self._hurry_sleepers()
        async with hubs(
            self.database_at or self.database_url,
            self.target.url,
            self.folder,
            kill_at=kill_at,
            stop_at=stop_at,
            count=count,
            settings=self.settings(roles, each, policy),
            program=program(self.plant),
        ) as running:
            self.hub = running
            yield running

    def settings(
        self,
        roles: Mapping[str, str] = ERP,
        each: Mapping[str, Any] | None = None,
        policy: Mapping[str, Any] | None = None,
    ) -> str:
        """What the hub's processes are told."""
        connection = {"connector": "tests.standin", "url": self.target_at or self.target.url, "timeout_seconds": 1.0}
        connection |= {"webhook_secrets": ["env:STANDIN_SECRET"], **(each or {})}
        hub = {**HUB, "call_lease_seconds": self.call_lease_seconds}
        tables = {"hub": hub, "roles": roles, "policy": policy or {}}
        return as_toml(tables | {f"connections.{name}": connection for name in NAMES})

    def _hurry_sleepers(self) -> None:
        """What a sleeper holds locked in the middle of a transaction the database takes from it; here sooner than usual."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f'alter database "{name}" set transaction_timeout = 1500')  # pyright: ignore

    async def tell(self, *said: Any) -> None:
        """Each by a webhook, sent until one of the processes says 200."""
        assert self.hub is not None
        for each in said:
            sent = each if isinstance(each, Message) else message(*_told(each))
            await self.hub.tell(sent, self.patience_seconds)
            self.sent.append(sent)

    async def ask(self, *words: str) -> Any:
        """What a public verb answers, as JSON."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *PROGRAM, "--config", str(self.folder / "crossdock.toml"), *words, "--json",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CROSSDOCK_DATABASE_URL": self.database_url, "STANDIN_SECRET": SECRET},
        )  # fmt: skip
        said, complaint = await process.communicate()
        assert said, complaint.decode()
        return json.loads(said)

    def done(self, noun: str) -> Counter[str]:
        """How often a noun was really done at the stand-in, by its entity."""
        return Counter(str(entry.details["entity"]) for entry in self.target.ledger.select(noun))

    async def within(self, seconds: float, condition: Callable[[], Any]) -> bool:
        """Whether it came true in time."""
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                return False
            await asyncio.sleep(0.05)
        return True


def _told(said: Any) -> tuple[str, Told]:
    stated = said if isinstance(said, Told) else told(said)
    return ("warehouse" if stated.kind == "shipment" else "shop"), stated


def as_toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Numbers, texts and lists of them are written as JSON writes them."""
    return "\n".join(
        line
        for name, table in tables.items()
        for line in [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    )
