"""Programs of a peer: started in a session of their own, measured with all their children, killed with all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.stage import ROOT, Stuck

_READY_SECONDS = 90.0
_STOP_SECONDS = 15.0


@dataclass
class Running:
    """One program; its output is in `log`."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def tree(self) -> list[psutil.Process]:
        return tree_of(self.process.pid)

    def cpu_seconds(self) -> float:
        return cpu_seconds_of(self.tree)

    def rss_bytes(self) -> int:
        return sum(_or_nothing(lambda each=each: each.memory_info().rss) for each in self.tree)

    def killed(self) -> None:
        """kill -9, the program and whatever it started, all at one moment."""
        kill(self.tree)
        self.process.wait()

    def stop(self) -> None:
        """End this very program politely; harder when it doesn't go."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_SECONDS)
        self.killed()


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Running:
    """Start a program; what it says is added to the log."""
    with log.open("ab") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    return Running(process, log)


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Run a program to its end; `Stuck` with the end of its log when it fails."""
    started = start(command, environment, log)
    if started.process.wait(_READY_SECONDS):
        raise Stuck(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")


def until_open(port: int, running: Running) -> None:
    """Until something listens on that port of ours."""
    until = time.monotonic() + _READY_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if running.process.poll() is not None or time.monotonic() > until:
            raise Stuck(f"nothing listens on port {port}:\n{running.log.read_text()[-2000:]}")
        time.sleep(0.1)


def tree_of(pid: int) -> list[psutil.Process]:
    """The process and all it started, without those that are gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def cpu_seconds_of(processes: Iterable[psutil.Process]) -> float:
    """Processor time of these, and of their children that have ended."""
    return sum(_or_nothing(lambda each=each: sum(each.cpu_times()[:4])) for each in processes)


def kill(processes: Iterable[psutil.Process]) -> None:
    """kill -9; a whole tree is stopped first, so that none of it sees another one die."""
    everyone = list(processes)
    for blow in (signal.SIGSTOP, signal.SIGKILL):
        for each in everyone:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(blow)
    psutil.wait_procs(everyone, timeout=_STOP_SECONDS)


def _or_nothing(ask: Callable[[], float]) -> float:
    try:
        return ask()
    except psutil.NoSuchProcess:
        return 0
