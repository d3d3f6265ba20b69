"""Hears everything said aloud while a check runs (logs, prints, faults, reprs) and finds secrets in it."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import sys
import traceback
from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from urllib.parse import quote

LENGTH_MIN = 8
"""Characters; a shorter secret would be found in text that has nothing to do with it."""


class Watch:
    """Open it around a check; `leaks` then names every secret that showed, and where. `secrets` are by settings field."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._needles = {needle: field for field, secret in secrets.items() for needle in _spellings(secret)}
        self._leaks: dict[str, None] = {}
        self._around = contextlib.ExitStack()

    def __enter__(self) -> Watch:
        self._around.enter_context(_logs_heard_by(self))
        self._around.enter_context(_prints_heard_by(self))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._around.close()

    def hear(self, where: str, text: str) -> None:
        """Look for secrets in what was said at `where`."""
        for needle, field in self._needles.items():
            if needle in text:
                self._leaks[f"{field} in {where}"] = None

    def hear_error(self, where: str, error: BaseException) -> None:
        """Look in an exception's text, its arguments and those of what caused it, as a log would show them."""
        self.hear(where, "".join(traceback.format_exception(error)))
        cause: BaseException | None = error
        while cause is not None:
            self.hear(where, repr(cause) + repr(vars(cause)))
            cause = cause.__cause__

    def hear_value(self, where: str, value: object) -> None:
        """Look in what a value shows of itself."""
        self.hear(where, f"{value!r} {value}")
        if isinstance(value, BaseException):
            self.hear_error(where, value)

    @property
    def leaks(self) -> list[str]:
        return list(self._leaks)


class Boundary:
    """The one place where the kit catches whatever foreign code throws, so that a check can say what it means."""

    error: Exception | None = None

    def __enter__(self) -> Boundary:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def _spellings(secret: str) -> Iterator[str]:
    """The secret itself, and how it looks in an address, in a repr and inside base64 at any offset."""
    yield secret
    yield quote(secret, safe="")
    yield repr(secret)[1:-1]
    for lead in range(3):
        # The first group mixes with what stands before the secret, the last with what stands behind it.
        inside = base64.b64encode(bytes(lead) + secret.encode()).decode()[4 if lead else 0 : -4]
        if len(inside) >= LENGTH_MIN:
            yield inside


class _Ear(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self._watch = watch
        self.setFormatter(logging.Formatter())

    def emit(self, record: logging.LogRecord) -> None:
        where = f"a log record of {record.name}"
        self._watch.hear(where, self.format(record))
        self._watch.hear(where, repr(vars(record)))  # what a structured log would write


@contextlib.contextmanager
def _logs_heard_by(watch: Watch) -> Generator[None]:
    root, ear = logging.getLogger(), _Ear(watch)
    level, muted = root.level, logging.root.manager.disable
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    logging.disable(logging.NOTSET)
    try:
        yield
    finally:
        logging.disable(muted)
        root.setLevel(level)
        root.removeHandler(ear)


@contextlib.contextmanager
def _prints_heard_by(watch: Watch) -> Generator[None]:
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield
    finally:
        watch.hear("what was printed", out.getvalue() + err.getvalue())
        sys.stdout.write(out.getvalue())
        sys.stderr.write(err.getvalue())
