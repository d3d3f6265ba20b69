"""Processes and a database that never outlive who started them: a watcher ends them when its standard input ends.

A pipe ends however its writer dies, SIGKILL included, and on every Unix; a death signal would be bound to one thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

_END_SECONDS_MAX = 5.0
# A database whose starter was killed may still be on its way up: nobody but us would ever stop it.
_STRAGGLING_SECONDS = 3.0
_ORDERLY = "orderly\n"


class Lifeline:
    """Whatever is tied to it ends when this process does, or earlier when `cut`."""

    def __init__(self, database: Path | None = None) -> None:
        command = [sys.executable, "-m", __spec__.name if __spec__ else __name__]
        command += [str(database)] if database else []
        # A session of its own: Ctrl-C in a terminal reaches us, and we end things in our order.
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603

    def tie(self, pid: int) -> None:
        """This process must not outlive us."""
        self._say(f"+{pid}\n")

    def untie(self, pid: int) -> None:
        """This process has ended; its number may be given to another."""
        self._say(f"-{pid}\n")

    def cut(self) -> None:
        """End what is still tied, and wait for it."""
        if self._watcher.poll() is None:
            self._say(_ORDERLY)
        assert self._watcher.stdin
        with contextlib.suppress(BrokenPipeError):
            self._watcher.stdin.close()
        self._watcher.wait()

    def _say(self, line: str) -> None:
        assert self._watcher.stdin
        with contextlib.suppress(BrokenPipeError):
            self._watcher.stdin.write(line)
            self._watcher.stdin.flush()


def tied(lines: Iterable[str]) -> tuple[set[int], bool]:
    """The processes still tied when the lines end, and whether that end was an orderly one."""
    found, orderly = set[int](), False
    for line in lines:
        match line[0]:
            case "+":
                found.add(int(line))
            case "-":
                found.discard(-int(line))
            case _:
                orderly = True
    return found, orderly


def end(pids: Collection[int]) -> None:
    """SIGTERM, and SIGKILL for those still there after five seconds."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        until = time.monotonic() + _END_SECONDS_MAX
        while any(map(alive, pids)) and time.monotonic() < until:
            time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody has asked about yet doesn't."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):  # no /proc: not Linux
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return True


def stop_database(folder: Path) -> None:
    """Stop the embedded PostgreSQL in the folder, if one runs there."""
    if (folder / "postmaster.pid").exists():
        from crossdock.store.postgres import EmbeddedPostgres  # 0.3 s to import: only when there is one to stop

        EmbeddedPostgres(folder.resolve(), "", started_here=False).stop()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pids, orderly = tied(sys.stdin)
    end(pids)
    if len(sys.argv) > 1:
        database = Path(sys.argv[1])
        until = time.monotonic() + (0.0 if orderly else _STRAGGLING_SECONDS)
        stop_database(database)
        while time.monotonic() < until:
            time.sleep(0.2)
            stop_database(database)


if __name__ == "__main__":
    main()
