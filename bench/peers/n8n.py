"""n8n: a workflow that is answered, proves, maps and calls; in one process by itself, in a door and workers where it's tuned."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from bench.peers import environments
from bench.peers.environments import PROGRAMS
from bench.peers.peer import Peer
from bench.peers.running import run
from bench.peers.stores import Postgres, Redis, RedisAndPostgres
from bench.stage import Stuck, fetch
from crossdock.simulators.ports import port_for_good

_READY_SECONDS = 90.0
_FILES = PROGRAMS / "n8n"
_WORKFLOW = "sellOrders"
_ALONE = {
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_DIAGNOSTICS_CONFIG_FRONTEND": "",
    "N8N_DIAGNOSTICS_CONFIG_BACKEND": "",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_DYNAMIC_BANNERS_ENABLED": "false",
    "N8N_HIRING_BANNER_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_LICENSE_AUTO_RENEW_ENABLED": "false",
    "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
    "EXTERNAL_FRONTEND_HOOKS_URLS": "",
}
"""Nothing is told to its makers, and nothing asked of them."""


class N8n(Peer):
    """One process takes webhooks in and runs the workflow; what it has taken in is in its memory, and noted in PostgreSQL."""

    name, variant = "n8n", "default"
    one_process = True
    connections = 8
    """It doubts its database when that doesn't answer in time, and then refuses all; seen with 32 on a busy machine."""
    orders_share = 0.25
    configuration: ClassVar[Mapping[str, str]] = {
        "DB_TYPE": "postgresdb (by itself sqlite): the server and the settings that Crossdock has",
        "Webhook node, Respond, Raw Body": "Immediately (as it comes), on: the Crypto node proves the signature of it",
        "HTTP Request node, Retry On Fail": "5 tries, 5 s apart",
        "diagnostics, notifications, templates": "off",
    }

    def new_store(self) -> Postgres | RedisAndPostgres:
        return Postgres(self.folder / "postgres")

    def environment(self) -> Mapping[str, str]:
        where = urlsplit(self.store.address)
        return {
            **_ALONE,
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_ENCRYPTION_KEY": "the same for all its processes",
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_PORT": str(self.port),
            "N8N_ENDPOINT_WEBHOOK": "in",
            "DB_TYPE": "postgresdb",
            "DB_POSTGRESDB_HOST": parse_qs(where.query)["host"][0],
            "DB_POSTGRESDB_USER": where.username or "",
            "DB_POSTGRESDB_DATABASE": where.path.removeprefix("/"),
        }

    def prepare(self) -> None:
        """Its tables, the shop's secret and the workflow, each by its own command."""
        secret = {"id": "shopSecret", "name": "The shop's secret", "type": "crypto"}
        secrets = self._written("secrets", [{**secret, "data": {"hmacSecret": os.environ["BENCH_SECRET"]}}])
        for words in (
            ("import:credentials", f"--input={secrets}"),
            ("import:workflow", f"--input={self._written('workflow', workflow(self.erp))}"),
            ("publish:workflow", f"--id={_WORKFLOW}"),
        ):
            run(self._n8n(*words), self.environment(), self.folder / "prepare.log")

    def _written(self, name: str, content: object) -> Path:
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(content))
        return file

    def _n8n(self, *words: str) -> list[str]:
        # Each process has helpers that run the workflow's code, and a port of its own for them.
        helped = f"N8N_RUNNERS_BROKER_PORT={port_for_good()}"
        program = environments.node_environment("n8n") / "n8n" / "bin" / "n8n"
        return ["env", helped, environments.node(), str(program), *words]

    def door_command(self) -> Sequence[str]:
        return self._n8n("start")

    def worker_commands(self) -> Sequence[Sequence[str]]:
        return []

    def start_door(self) -> None:
        """It listens before it knows its workflows."""
        super().start_door()
        until = time.monotonic() + _READY_SECONDS
        while not self._knows_the_shop():
            if time.monotonic() > until:
                raise Stuck("n8n does not know its workflow")
            time.sleep(0.1)

    def _knows_the_shop(self) -> bool:
        """Asked with GET, it answers that only POST will do; as long as it knows of neither, that there is nothing."""
        try:
            fetch(f"{self.address}/in/shop")
        except urllib.error.HTTPError as told:
            return b"POST" in told.read()
        except OSError:
            pass
        return False

    def held(self) -> int:
        """What it will take up by itself: nothing, after a kill; its start writes off what was begun."""
        return self.counted("select count(*) from execution_entity where status in ('new', 'running', 'waiting')")

    def counted(self, query: str) -> int:
        assert isinstance(self.store, Postgres)
        return self.store.count(query)

    def versions(self) -> dict[str, str]:
        package = environments.node_environment("n8n") / "n8n" / "package.json"
        node = subprocess.run([environments.node(), "--version"], check=True, capture_output=True, text=True).stdout
        mine = {"n8n": json.loads(package.read_text())["version"], "Node.js": node.strip().removeprefix("v")}
        return {**mine, **self.store.versions()}


class TunedN8n(N8n):
    """Queue mode: the door notes each order in PostgreSQL and its number in Redis; workers take the numbers from there."""

    variant = "tuned"
    one_process = False
    configuration: ClassVar[Mapping[str, str]] = {
        "EXECUTIONS_MODE": "queue, with two workers of 10 executions at once, as they come",
        "EXECUTIONS_DATA_SAVE_ON_PROGRESS": "true",
        "QUEUE_WORKER_STALLED_INTERVAL": "5 s (by itself 30 s)",
        "DB_POSTGRESDB_POOL_SIZE": "10 (by itself 2)",
        "Redis appendonly, appendfsync": "yes, always",
        **N8n.configuration,
    }

    def new_store(self) -> RedisAndPostgres:
        redis = Redis(self.folder / "redis", {"appendonly": "yes", "appendfsync": "always"})
        return RedisAndPostgres(redis, Postgres(self.folder / "postgres"))

    @property
    def _redis(self) -> Redis:
        assert isinstance(self.store, RedisAndPostgres)
        return self.store.redis

    def environment(self) -> Mapping[str, str]:
        return {
            **super().environment(),
            "EXECUTIONS_MODE": "queue",
            "EXECUTIONS_DATA_SAVE_ON_PROGRESS": "true",
            "DB_POSTGRESDB_POOL_SIZE": "10",
            "QUEUE_BULL_REDIS_HOST": "127.0.0.1",
            "QUEUE_BULL_REDIS_PORT": str(self._redis.port),
            # The lock stays at its minute: whoever is late to renew it has its order written off, not done again.
            "QUEUE_WORKER_STALLED_INTERVAL": "5000",
        }

    def worker_commands(self) -> Sequence[Sequence[str]]:
        return [self._n8n("worker") for _ in range(2)]

    def held(self) -> int:
        """What Redis has; a killed worker's own are there until their lock ends, and are then written off."""
        waiting = (int(self._redis.ask("llen", f"bull:jobs:{state}")) for state in ("wait", "active"))
        return sum(waiting)


def workflow(erp: str) -> dict[str, Any]:
    """As it is imported: the file, with the program of its Code node and the ERP's address."""
    found = json.loads((_FILES / "workflow.json").read_text())
    for node in found["nodes"]:
        settings = node["parameters"]
        if "jsCode" in settings:
            settings["jsCode"] = (_FILES / "sale.js").read_text()
        if "url" in settings:
            settings["url"] = f"{erp}/sales"
    return found


N8NS: Sequence[type[Peer]] = (N8n, TunedN8n)
