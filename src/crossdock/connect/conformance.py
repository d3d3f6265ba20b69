"""A connector's tests, made from its declaration and the examples beside it. The whole test file of a connector:

from crossdock.connect.conformance import conformance_of
TestErp = conformance_of("our_shop.erp:connector")
"""

from __future__ import annotations

import asyncio
import re
import unittest
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossdock.connect.conformance_declaration import declaration_trials
from crossdock.connect.conformance_door import door_trials
from crossdock.connect.conformance_failures import failure_trials
from crossdock.connect.conformance_stand_in import Misbehaviour, OpenStandIn, StandIn, stand_in_trials
from crossdock.connect.conformance_subject import Subject, Unfit, subject_of
from crossdock.connect.conformance_translation import translation_trials
from crossdock.connect.conformance_trial import Trial
from crossdock.connect.conformance_watch import Boundary, Watch
from crossdock.connect.connector import Connector
from crossdock.connect.loading import Loaded, load

__all__ = ["Check", "Misbehaviour", "OpenStandIn", "StandIn", "checks_for", "conformance_of"]


@dataclass(frozen=True)
class Check:
    """One named test; `run` raises AssertionError saying what is wrong and what would be right."""

    name: str
    run: Callable[[], Awaitable[None]]

    def __str__(self) -> str:
        return self.name


def checks_for(
    connector: str | Connector[Any], *, examples: Path | None = None, stand_in: OpenStandIn | None = None
) -> list[Check]:
    """All checks of a connector, named or given with its folder of examples.

    Those that need a true ledger (repeats, lost answers, pages) come with a `stand_in` only. `NoSuchConnector` when the
    name leads nowhere; examples that can't be read become a check that fails.
    """
    loaded = load(connector) if isinstance(connector, str) else Loaded(connector, examples or Path("examples"))
    try:
        subject = subject_of(loaded.connector, examples or loaded.examples)
    except Unfit as error:
        return [Check("the examples can be read", _failing(str(error)))]
    return [Check(trial.name, _asked(subject, trial)) for trial in _trials(subject, stand_in)]


def conformance_of(
    connector: str | Connector[Any], *, examples: Path | None = None, stand_in: OpenStandIn | None = None
) -> type[unittest.IsolatedAsyncioTestCase]:
    """The checks as a test case, for pytest and unittest alike."""
    methods: dict[str, object] = {"__doc__": f"What the hub relies on in {connector}."}
    for check in checks_for(connector, examples=examples, stand_in=stand_in):
        name = f"test_{re.sub(r'[^a-z0-9]+', '_', check.name.lower()).strip('_')}"
        methods[name if name not in methods else f"{name}_{len(methods)}"] = _method(check)
    return type("Conformance", (unittest.IsolatedAsyncioTestCase,), methods)


def _trials(subject: Subject, stand_in: OpenStandIn | None) -> Iterator[Trial]:
    yield from declaration_trials(subject)
    yield from translation_trials(subject)
    yield from door_trials(subject)
    yield from failure_trials(subject, stand_in)
    if stand_in is not None:
        yield from stand_in_trials(subject, stand_in)


def _asked(subject: Subject, trial: Trial) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        with Watch(subject.secrets) as watch, Boundary() as boundary:
            await trial.ask(watch)
        if boundary.error is not None:
            watch.hear_error("an exception", boundary.error)
        assert not watch.leaks, f"{trial.name}: a secret shows: {'; '.join(watch.leaks)}"
        if isinstance(boundary.error, AssertionError):
            raise boundary.error
        if boundary.error is not None:
            told = f"{type(boundary.error).__name__}: {str(boundary.error)[:300]}"
            raise AssertionError(f"{trial.name}: {told}; only faults may come out of a connector") from boundary.error

    return run


def _failing(why: str) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        raise AssertionError(why)

    return run


def _method(check: Check) -> Callable[[Any], Awaitable[None]]:
    async def test(_self: unittest.TestCase) -> None:
        # unittest asks asyncio for the stack of every callback, which takes half of the time and shows in no check.
        asyncio.get_running_loop().set_debug(False)
        await check.run()

    test.__doc__ = check.name
    return test
