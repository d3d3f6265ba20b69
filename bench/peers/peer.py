"""What every peer is to the measurement: a store, a door, and workers; each is started, measured and killed alike."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from bench.peers.running import Running, start, until_open
from bench.peers.stores import Store
from crossdock.simulators.ports import port_for_good


@dataclass
class Peer(ABC):
    """One peer in one configuration, in a folder of its own, selling to the ERP at an address."""

    name: ClassVar[str]
    variant: ClassVar[str]
    configuration: ClassVar[Mapping[str, str]]
    """What differs from what comes by itself, by option."""
    one_process: ClassVar[bool] = False
    """Its door does the work, too: no order can wait for a worker, and no part of it can be killed or measured alone."""
    connections: ClassVar[int] = 32
    """So many webhooks of the shop are on their way to it at once."""
    orders_share: ClassVar[float] = 1.0
    """How many of the others' orders are timed and sized; less for one that would take longer than all of them together."""

    folder: Path
    erp: str
    store: Store = field(init=False)
    door: Running | None = None
    workers: list[Running] = field(default_factory=list[Running])
    port: int = field(default_factory=port_for_good)

    def __post_init__(self) -> None:
        self.store = self.new_store()

    @abstractmethod
    def new_store(self) -> Store: ...
    @abstractmethod
    def prepare(self) -> None:
        """Make the tables, on a store that runs."""

    @abstractmethod
    def door_command(self) -> Sequence[str]: ...
    @abstractmethod
    def worker_commands(self) -> Sequence[Sequence[str]]: ...
    @abstractmethod
    def environment(self) -> Mapping[str, str]: ...
    @abstractmethod
    def held(self) -> int:
        """How many orders are still to be sold, as far as the store knows."""

    def versions(self) -> dict[str, str]:
        return {"Python": platform.python_version(), **self.store.versions()}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_store(self) -> None:
        self.store.start()

    def start_door(self) -> None:
        self.door = start(self.door_command(), self.environment(), self.folder / "door.log")
        until_open(self.port, self.door)

    def start_workers(self) -> None:
        for n, command in enumerate(self.worker_commands()):
            environment = {**self.environment(), "PEER_WORKER": f"worker-{n}"}
            self.workers.append(start(command, environment, self.folder / f"worker{n}.log"))

    def kill_workers(self) -> None:
        """Whoever works, so that somebody else has to be started; where the door does, that's the door."""
        if self.one_process:
            assert self.door
            self.door.killed()
        for each in self.workers:
            each.killed()
        self.workers.clear()

    def kill_everything(self) -> None:
        """Workers, door and store, as when somebody trips over the cable; the disk keeps what it was given."""
        self.kill_workers()
        assert self.door
        self.door.killed()
        self.store.killed()

    def stop(self) -> None:
        for each in [*self.workers, self.door]:
            if each:
                each.stop()
        self.store.stop()

    def cpu_seconds(self) -> dict[str, float]:
        """Processor seconds so far, by part."""
        assert self.door
        door, store = self.door.cpu_seconds(), self.store.cpu_seconds()
        workers = sum(each.cpu_seconds() for each in self.workers)
        parts = {} if self.one_process else {"door": door, "workers": workers, "workers and store": workers + store}
        return {**parts, "store": store, "all of it": door + workers + store}

    def rss_bytes(self) -> int:
        """Resident memory of door and workers."""
        assert self.door
        return sum(each.rss_bytes() for each in [self.door, *self.workers])
