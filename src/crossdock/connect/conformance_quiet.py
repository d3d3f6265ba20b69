"""Listens to one call for I/O, clocks and chance: a translation that touches any of them can't be replayed."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import PurePath
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

# Audit events (PEP 578) that reach outside the process.
_OUTSIDE = ("open", "socket.", "subprocess.", "os.", "shutil.", "glob.", "tempfile.", "sqlite3.", "urllib.", "ftplib.")
_IMPORTED = {".py", ".pyc", ".so", ".pyd", ".pth"}
# Built-in functions that no audit event tells of.
_CLOCKS = {f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time", "sleep")} | {
    f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time")
}
_MOMENTS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
_CHANCE = {"Random.random", "Random.getrandbits", "Random.seed", "urandom", "getrandom", "uuid1", "uuid4", "uuid7"}


class _Ear(threading.local):
    """What was heard in this thread; None while nobody listens, as an audit hook can never be taken off again."""

    heard: list[str] | None = None


_ear = _Ear()


def listening_to(call: Callable[[], T]) -> tuple[T, list[str]]:
    """What the call returns, and what it touched outside itself: ["open /etc/hosts", "time.time"]."""
    _hook_audit()
    heard: list[str] = []
    before, collects = sys.getprofile(), gc.isenabled()
    gc.disable()  # a test tool may time each collection, and that may fall into any call
    _ear.heard = heard
    sys.setprofile(_hear_built_in)
    try:
        result = call()
    finally:
        sys.setprofile(before)
        _ear.heard = None
        if collects:
            gc.enable()
    return result, heard


@cache
def _hook_audit() -> None:
    sys.addaudithook(_hear_event)


def _hear_event(event: str, arguments: tuple[Any, ...]) -> None:
    heard = _ear.heard
    if heard is not None and event.startswith(_OUTSIDE) and not _is_import(event, arguments):
        heard.append(" ".join([event, *map(str, arguments[:1])]))


def _is_import(event: str, arguments: tuple[Any, ...]) -> bool:
    """A module imported on first use is code, not data; the import system also lists folders."""
    if event == "os.listdir":
        return True
    return event == "open" and PurePath(str(arguments[0])).suffix in _IMPORTED


def _hear_built_in(_frame: FrameType, event: str, function: Any) -> None:
    heard = _ear.heard
    if event != "c_call" or heard is None:
        return
    name = f"{getattr(function, '__module__', None)}.{getattr(function, '__name__', '')}"
    qualified = str(getattr(function, "__qualname__", ""))
    if name in _CLOCKS:
        heard.append(name)
    elif qualified in _MOMENTS or qualified in _CHANCE:
        heard.append(qualified)
