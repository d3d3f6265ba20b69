"""`crossdock chaos`: a connector struck with every fault its system could answer with, over real HTTP, and what came of it."""

from __future__ import annotations

import asyncio
import importlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from crossdock.cli.app import Failure
from crossdock.connect.conformance import Check, OpenStandIn, checks_for
from crossdock.connect.loading import NoSuchConnector

_REMEDY = "name it as package.module:attribute; see StandIn in crossdock.connect.conformance"


@dataclass(frozen=True)
class Trial:
    """One fault, or another question the hub has; `wrong` is empty where the connector holds."""

    name: str
    wrong: str


@dataclass(frozen=True)
class Endured:
    """What was tried; without a stand-in nothing could be counted on a ledger."""

    trials: Sequence[Trial]
    rounds: int
    seed: int
    counted: bool

    @property
    def violations(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.wrong]


def endured(connector: str, stand_in: str | None, rounds: int, seed: int) -> Endured:
    """Every trial of the conformance kit, as often as there are rounds, each round in another order."""
    try:
        checks = checks_for(connector, stand_in=None if stand_in is None else _stand_in(stand_in))
    except NoSuchConnector as error:
        raise Failure(str(error)) from error
    chance, trials = random.Random(seed), list[Trial]()  # noqa: S311  (repeatable on purpose)
    for _ in range(rounds):
        chance.shuffle(checks)
        trials += [Trial(check.name, asyncio.run(_wrong(check))) for check in checks]
    return Endured(trials, rounds, seed, stand_in is not None)


async def _wrong(check: Check) -> str:
    """What is wrong; empty when nothing is."""
    try:
        await check.run()
    except AssertionError as error:
        return str(error)
    return ""


def _stand_in(name: str) -> OpenStandIn:
    module, _, attribute = name.partition(":")
    try:
        found: object = getattr(importlib.import_module(module), attribute, None)
    except (ImportError, ValueError) as error:
        raise Failure(f"stand-in {name!r} can't be imported: {error}; {_REMEDY}") from error
    if not callable(found):
        raise Failure(f"stand-in {name!r}: module {module} has nothing to call as {attribute!r}; {_REMEDY}")
    return cast("OpenStandIn", found)


def as_text(found: Endured) -> str:
    return "\n".join(_lines(found))


def _lines(found: Endured) -> Iterator[str]:
    wrong = found.violations
    for trial in {trial.name: trial for trial in wrong}.values():
        yield f"VIOLATED  {trial.name}"
        yield f"    {trial.wrong}"
    how_often = f" in {found.rounds} rounds from seed {found.seed}" if found.rounds > 1 else ""
    yield f"{len(found.trials)} trials{how_often}, {len(wrong)} violations."
    if not found.counted:
        yield "No effect was counted: --stand-in names a system with a ledger, for lost answers, repeats and half-done bulks."


def as_builtins(found: Endured) -> dict[str, object]:
    return {
        "trials": len(found.trials),
        "rounds": found.rounds,
        "seed": found.seed,
        "counted_on_a_ledger": found.counted,
        "violations": [{"trial": trial.name, "wrong": trial.wrong} for trial in found.violations],
    }
