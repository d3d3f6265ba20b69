"""The stage of a measurement: PostgreSQL as the product starts it, hub processes as the command starts them, a stand-in."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
import psycopg

from bench.load import Came
from bench.standin import Told
from crossdock.govern.database import database_of
from crossdock.govern.settings import read_settings

ROOT = Path(__file__).parents[1]
# The secret that the simulated shop signs with; also ours, for we read the same settings as the hub processes.
os.environ["BENCH_SECRET"] = "simulated-client-secret"
_READY_SECONDS = 60.0
_STOP_SECONDS = 15.0

# The simulated orders carry a fixed date; without this their parcels would be overdue at once and each settled twice.
_SETTINGS = """
[hub]
listen = "127.0.0.1:0"
data = "{data}"
[roles]
erp = "erp"
warehouse = "warehouse"
{roles}
[policy.deadlines]
parcels_minutes = 5_256_000
"""
_ALL_ON = """
[people]
finance = ["fay@example.com"]
[[policy.returns]]
approve_over = {{ USD = "10.00" }}
[[policy.recognition]]
when = "ordered"
[observe]
listen = "127.0.0.1:0"
traces = "{traces}/v1/traces"
"""
_SWEEP_MINUTES = 0.1
_CONNECTIONS = {
    "shop": 'connector = "bench.shop"\nwebhook_secrets = ["env:BENCH_SECRET"]',
    "erp": 'connector = "bench.standin"',
    "warehouse": 'connector = "bench.standin"',
}


class Stuck(RuntimeError):
    """A measurement did not come to its end in time."""


@dataclass
class Program:
    """A process of ours that said it is ready, and where."""

    process: subprocess.Popen[str]
    address: str
    ps: psutil.Process
    observed_at: str = ""
    """Where a hub process tells its metrics."""

    def cpu_seconds(self) -> float:
        used = self.ps.cpu_times()
        return used.user + used.system

    def rss_bytes(self) -> int:
        return self.ps.memory_info().rss

    def told_to_go(self) -> str:
        """Let a program that waits for a line on its input go on; answers the line that it prints at its end."""
        self.tell("go")
        return self.said()

    def tell(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def said(self) -> str:
        """The next line it prints."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def stop(self) -> None:
        """End this very process; harder when it doesn't go."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def start(*command: str) -> Program:
    """Start a program that prints one JSON line when it is ready."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT)
    assert process.stdout
    readable, _, _ = select.select([process.stdout], [], [], _READY_SECONDS)
    line = process.stdout.readline() if readable else ""
    program = Program(process, "", psutil.Process(process.pid))
    if not line:
        program.stop()
        raise Stuck(f"{' '.join(command)} did not become ready")
    ready = json.loads(line)
    program.address, program.observed_at = ready["address"], ready.get("observe") or ""
    return program


@dataclass(frozen=True)
class Cast:
    """What a measurement has beside the shop, the ERP and the warehouse: stand-ins by connection, and who plays which part."""

    standins: Sequence[str] = ()
    roles: Mapping[str, str] = field(default_factory=dict[str, str])
    erp_calls_per_second: float | None = None
    """With a limit the ERP is a stand-in of its own, which can be taken off the network."""
    erp_pace: str = ""
    """What the hub's settings say of it."""
    shop: str = ""
    """A module that is a shop: its connector, and as a program its other side. Else all that is told it goes to a stand-in."""
    all_on: bool = False
    """Policies, metrics, traces of everything and sweeps are switched on."""


@dataclass
class Stage:
    """One folder, one database, one stand-in, and the hub processes that were started on them."""

    folder: Path
    url: str
    sql: psycopg.Connection
    standin: Program
    cast: Cast
    erp: Program
    """The same as the stand-in, where it has no limit."""
    shop: Program
    """The same, where the cast has none of its own."""
    hubs: list[Program] = field(default_factory=list[Program])

    def start_hubs(self, *roles: Sequence[str], connection: str = "") -> list[Program]:
        """One hub process for each list of roles; `connection` is added to the settings of each connection."""
        file = self.folder / "crossdock.toml"
        addresses = _addresses(self.standin, self.erp, self.shop)
        file.write_text(_settings(self.folder, addresses, self.cast, connection))
        command = [sys.executable, "-m", "crossdock.main", "--config", str(file), "run"]
        started: list[Program] = []
        for names in roles:
            hub_process = start(*command, *(word for name in names for word in ("--role", name)))
            started.append(hub_process)
            self.hubs.append(hub_process)
        return started

    def stop_hubs(self) -> None:
        for hub in self.hubs:
            hub.stop()
        self.hubs.clear()

    def send(self, to: Program, first: int, count: int, connections: int, *rate: int) -> Came:
        """Send that many orders' webhooks to a hub process, from a process of its own; `Stuck` when one was refused."""
        words = [to.address, *map(str, (first, count, connections, *rate))]
        load = start(sys.executable, "-m", "bench.load", *words)
        try:
            came = msgspec.json.decode(load.told_to_go(), type=Came)
        finally:
            load.stop()
        if came.refused:
            raise Stuck(f"{came.refused} webhooks were refused")
        return came

    def told(self, by: Program | None = None) -> Told:
        return msgspec.json.decode(fetch(f"{(by or self.standin).address}/_ledger"), type=Told)

    def arrivals(self, at: Program | None = None) -> dict[str, float]:
        """Unix seconds at which each key first reached the stand-in."""
        return msgspec.json.decode(fetch(f"{(at or self.standin).address}/_times"), type=dict[str, float])

    def cpu_seconds(self) -> float:
        """Processor time of the hub processes and of all of PostgreSQL, backends that have ended included."""
        return sum(hub.cpu_seconds() for hub in self.hubs) + self.postgres_cpu_seconds()

    def others_cpu_seconds(self) -> float:
        """Processor time of everything on this machine that is no part of the measurement: what disturbs it."""
        whole, me = psutil.cpu_times(), psutil.Process().cpu_times()
        used = whole.user + whole.nice + whole.system + whole.irq + whole.softirq + whole.steal
        mine = me.user + me.system + me.children_user + me.children_system
        return used - mine - self.cpu_seconds() - self.standin.cpu_seconds()

    def postgres_cpu_seconds(self) -> float:
        pid = int((self.folder / "postgres" / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        used = postmaster.cpu_times()
        total = used.user + used.system + used.children_user + used.children_system
        for child in postmaster.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                own = child.cpu_times()
                total += own.user + own.system
        return total

    def count(self, query: str) -> int:
        found = self.sql.execute(query).fetchone()  # pyright: ignore[reportArgumentType,reportCallIssue]
        assert found
        return int(found[0])

    def wait_for(self, query: str, wanted: int, seconds: float) -> None:
        """Until the query answers this number; `Stuck` when it doesn't in time."""
        until = time.monotonic() + seconds
        while (found := self.count(query)) != wanted:
            if time.monotonic() > until:
                raise Stuck(f"{query} is {found} and not {wanted} after {seconds} s")
            time.sleep(0.05)

    def wait_for_done(self, kind: str, wanted: int, seconds: float) -> Told:
        """Until the stand-in has done this many of a kind."""
        until = time.monotonic() + seconds
        while (told := self.told()).done.get(kind, 0) < wanted:
            if time.monotonic() > until:
                raise Stuck(f"the stand-in has {told.done} and not {wanted} {kind} after {seconds} s")
            time.sleep(0.02)
        return told

    def settle_down(self, seconds: float = 60.0) -> None:
        """Until nothing is pending, dirty or due."""
        # In one look: what is done here makes something pending there.
        counts = [f"(select count(*) from {table})" for table in ("inbox_pending", "dirty", "due")]
        self.wait_for(f"select {' + '.join(counts)}", 0, seconds)


def _addresses(standin: Program, erp: Program, shop: Program) -> Mapping[str, str]:
    """By connection; all others are at the stand-in, which is under no name."""
    return {"": standin.address, "erp": erp.address, "shop": shop.address}


def _settings(folder: Path, addresses: Mapping[str, str], cast: Cast, connection: str = "") -> str:
    roles = "".join(f'{role} = "{name}"\n' for role, name in cast.roles.items())
    text = _SETTINGS.format(data=folder, roles=roles)
    if cast.all_on:
        text += _ALL_ON.format(traces=addresses[""])
    for name, connector in (_CONNECTIONS | dict.fromkeys(cast.standins, 'connector = "bench.standin"')).items():
        if name == "shop" and cast.shop:
            connector = connector.replace("bench.shop", cast.shop)
        pace = cast.erp_pace if name == "erp" else ""
        url = addresses.get(name, addresses[""])
        text += f'[connections.{name}]\nurl = "{url}"\n{connector}\n{connection}\n{pace}\n'
        text += f"[connections.{name}.sweep]\nevery_minutes = {_SWEEP_MINUTES}\n" if cast.all_on else ""
    return text


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read()


@contextlib.contextmanager
def staged(cast: Cast = Cast()) -> Generator[Stage]:
    """A stage of its own, taken down whatever happens on it."""
    # Short: the path of a socket must stay under 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="cdb", dir="/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        standin = start(sys.executable, "-m", "bench.standin")
        stack.callback(standin.stop)
        erp = standin
        if cast.erp_calls_per_second:
            erp = start(sys.executable, "-m", "bench.standin", str(cast.erp_calls_per_second))
            stack.callback(erp.stop)
        shop = standin
        if cast.shop:
            shop = start(sys.executable, "-m", cast.shop)
            stack.callback(shop.stop)
        file = folder / "crossdock.toml"
        file.write_text(_settings(folder, _addresses(standin, erp, shop), cast))
        # Used by us as by a hub process: the last one to leave stops the server.
        url = stack.enter_context(database_of(read_settings(file)))
        sql = stack.enter_context(psycopg.connect(url, autocommit=True))
        stage = Stage(folder, url, sql, standin, cast, erp, shop)
        stack.callback(stage.stop_hubs)
        yield stage
