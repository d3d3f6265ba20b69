"""Points in time: always UTC, whole microseconds, and read from a clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Later than anything: the due time of what only an event can wake."""


def system_clock() -> datetime:
    return datetime.now(UTC)


def parse(text: str) -> datetime:
    """An RFC 3339 time as UTC; `ValueError` when it is none or names no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # year 1 or 9999, moved out of the calendar by its offset
        raise ValueError(f"{text!r} is not in the calendar") from error


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970, exact (a float of seconds would lose them)."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND
