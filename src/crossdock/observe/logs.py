"""Logs: one JSON object a line, with the correlation id of what it is about, and without anybody's personal data.

An error is told by its type, its place and its code. Its text is not: what a database or a target says quotes what it was given.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from crossdock.observe.blotting import blotted

LEVELS = ("debug", "info", "warning", "error")
_OUR_ROOM = "/crossdock/"
# Their messages name addresses and states of connections; all other libraries' may quote what they were given.
_SPOKEN = ("uvicorn", "psycopg.pool", "opentelemetry")


def log_as_json(level: str, to: TextIO | None = None) -> None:
    """From now on this process logs so, its libraries included; to standard error unless said otherwise."""
    number, out = getattr(logging, level.upper()), to or sys.stderr
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_persons,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    libraries = logging.StreamHandler(out)
    libraries.setFormatter(_Libraries())
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[libraries], force=True)


def told(error: BaseException) -> dict[str, str]:
    """An error for a log: what it is and where it arose, never what it quotes."""
    about = {"error": type(error).__name__, "where": _where(error)}
    if code := getattr(error, "sqlstate", None):
        about["sqlstate"] = str(code)
    if isinstance(error, OSError) and error.strerror:
        about["reason"] = error.strerror
    return about


def _where(error: BaseException) -> str:
    """The innermost place in our own code; else the innermost of all."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _OUR_ROOM in frame.filename] or frames
    if not ours:
        return "unknown"
    room = ours[-1].filename.rpartition(_OUR_ROOM)[2] or ours[-1].filename
    return f"{room}:{ours[-1].lineno}"


def _without_persons(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Texts are blotted; an exception is told as above."""
    event.pop("exc_info", None)
    return {name: blotted(value) if isinstance(value, str) else value for name, value in event.items()}


class _Libraries(logging.Formatter):
    """A library's line in the same form. Of a message that may quote something only its author's own words are left."""

    def format(self, record: logging.LogRecord) -> str:
        spoken = record.name.startswith(_SPOKEN)
        text = record.getMessage() if spoken else str(record.msg)
        line: dict[str, Any] = {
            "event": blotted(text.partition("\n")[0]),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": structlog.processors.TimeStamper(fmt="iso", utc=True)(None, "", {})["timestamp"],
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)
