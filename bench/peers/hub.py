"""Crossdock among its peers: a door process and two that settle and deliver, told of the shop and the ERP alone."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import ClassVar

from bench.peers.peer import Peer
from bench.peers.running import start
from bench.peers.stores import Postgres
from bench.stage import Stuck

_SETTLE_SECONDS = 300.0
# The simulated orders carry a fixed date; without this their parcels would be overdue at once and each settled twice.
_SETTINGS = """
[hub]
listen = "127.0.0.1:{port}"
data = "{folder}"
database_url = "{database}"
{hub}
[roles]
erp = "erp"
[policy.deadlines]
parcels_minutes = 5_256_000
[connections.shop]
connector = "bench.peers.shop"
url = "{erp}"
webhook_secrets = ["env:BENCH_SECRET"]
[connections.erp]
connector = "bench.peers.erp"
url = "{erp}"
{pace}
"""


class Crossdock(Peer):
    name, variant = "Crossdock", "one order a call"
    configuration: ClassVar[Mapping[str, str]] = {
        "bulk_max": "1",
        "effect of the ERP's sale": "Searchable: looked for by our reference where the answer was lost",
        "PostgreSQL": "as it brings it: fsync and synchronous_commit on",
    }
    hub, pace = "", "bulk_max = 1"

    def new_store(self) -> Postgres:
        return Postgres(self.folder / "postgres")

    def prepare(self) -> None:
        names = {"port": self.port, "folder": self.folder, "database": self.store.address}
        settings = _SETTINGS.format(erp=self.erp, hub=self.hub, pace=self.pace, **names)
        (self.folder / "crossdock.toml").write_text(settings)

    def environment(self) -> Mapping[str, str]:
        return {}

    def door_command(self) -> Sequence[str]:
        return self._run("door")

    def worker_commands(self) -> Sequence[Sequence[str]]:
        return [self._run("settle", "deliver")] * 2

    def settle(self) -> None:
        """Work out what is owed for all that waits, and deliver nothing."""
        settler = start(self._run("settle"), self.environment(), self.folder / "settler.log")
        try:
            until = time.monotonic() + _SETTLE_SECONDS
            while left := self._count("inbox_pending", "dirty"):
                if time.monotonic() > until:
                    raise Stuck(f"{left} messages and entities are not settled")
                time.sleep(0.5)
        finally:
            settler.stop()

    def _run(self, *roles: str) -> list[str]:
        words = [word for role in roles for word in ("--role", role)]
        config = str(self.folder / "crossdock.toml")
        return [sys.executable, "-m", "crossdock.main", "--config", config, "run", *words]

    def held(self) -> int:
        return self._count("inbox_pending", "dirty", "due")

    def _count(self, *tables: str) -> int:
        assert isinstance(self.store, Postgres)
        # In one look: what is done here makes something wait there.
        counts = (f"(select count(*) from {table})" for table in tables)
        return self.store.count(f"select {' + '.join(counts)}")

    def versions(self) -> dict[str, str]:
        return {"crossdock": version("crossdock"), **super().versions()}


class BulkCrossdock(Crossdock):
    variant = "up to 100 orders a call, short lease"
    hub, pace = "call_lease_seconds = 10", "timeout_seconds = 5"
    configuration: ClassVar[Mapping[str, str]] = {
        "bulk call": "100 orders, as the ERP's connector declares",
        "call_lease_seconds": "10 (by itself 60): so long a killed process's calls wait for another",
        "timeout_seconds": "5 (by itself 30)",
        **{name: value for name, value in Crossdock.configuration.items() if name != "bulk_max"},
    }


HUBS: Sequence[type[Peer]] = (Crossdock, BulkCrossdock)
