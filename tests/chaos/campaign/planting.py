"""`python -m tests.chaos.campaign.planting [NAME…]`: plays days with a deliberate bug in the hub, until the judge cries.

Each plant is struck by the faults at which it can show. It is caught when the judge says what such a bug does, and nothing of
the kind about a healthy hub on the same day; the exit code is 1 when any was not caught. What caught which is kept in
`docs/plants.jsonl` (`--record`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from crossdock.kernel.moments import system_clock
from crossdock.simulators.retailer import NotOpened
from tests.chaos.campaign.database import Cluster, cluster
from tests.chaos.campaign.running import NotJudged, Result, run_once
from tests.chaos.campaign.world import PROGRAM
from tests.chaos.plants import PLANTS

RECORD = Path("docs/plants.jsonl")
_STRIKES, _TRIES = 15, 4
_LOST = ("S9", "Q1", "Q3", "Q6")


class Shows(NamedTuple):
    """The faults at which a plant shows (parts of their names), and the invariants it breaks then."""

    faults: str
    breaks: Sequence[str]
    seeds: Sequence[int] = range(1, _TRIES + 1)


_NO_FAULTS = "a clerk edits"
_KILLS_AT_THE_DOOR = "named point: door"
# Those of the first seeds whose worlds have a limit on a day's refunds.
_LIMITED = (9, 11, 14, 16)

SHOWS: Mapping[str, Shows] = {
    "acknowledge_before_commit": Shows("PostgreSQL crashed", _LOST),
    "no_dedup": Shows("webhooks doubled", ("S5",)),
    "dedup_mark_committed_apart": Shows(_KILLS_AT_THE_DOOR, _LOST),
    "no_fencing": Shows("stopped past its lease", ("S1",)),
    "lease_never_reclaimed": Shows("random moment", ("liveness", *_LOST)),
    "key_from_the_body": Shows(_NO_FAULTS, ("S1", "S3", *_LOST)),
    "no_quiet_period": Shows("ambiguous answers of one", ("S1",)),
    "receipts_per_batch": Shows("ambiguous answers of one", _LOST),
    "retry_on_blind": Shows("mail server", ("S1",)),
    "account_moved_outside_the_seal": Shows("named point: call; named point: receipt", ("S2",), _LIMITED),
    "version_ties_by_arrival": Shows("webhooks doubled", ("Q6", "Q7")),
    "gone_by_404": Shows("a system down; ambiguous answers of one; late, out of order", ("cases", *_LOST)),
    "policy_not_pinned": Shows("two versions of the rules", ("S6", "Q7"), (1, 3, 5, 7)),
    "budget_per_process": Shows("a rush of", ("S11",)),
    "case_closed_by_age": Shows("poison", ("S9",)),
    "set_back_unnoticed": Shows("set back to a backup", ("S1", "S3")),
    "forgotten_acts_sent": Shows("set back to a backup", ("S1", "S3")),
}


class Caught(msgspec.Struct, frozen=True, kw_only=True):
    """How a plant was caught; `seed` is None when it was not."""

    plant: str
    at: str
    runs: int
    faults: str
    seed: int | None = None
    struck: dict[str, int] = {}
    finding: dict[str, str] = {}
    findings: int = 0
    """How many in that run."""
    struck_when_healthy: dict[str, int] = {}
    """What the same day with a healthy hub was struck by, of which the judge said nothing of the kind; empty: not played."""


async def hunt(server: Cluster, plant: str) -> Caught:
    """Seed after seed, until the judge says what this bug does."""
    shows, judged = SHOWS[plant], 0
    for runs, seed in enumerate(shows.seeds, start=1):
        try:
            result, cries = await _played(server, seed, shows, f"{sys.executable} -m tests.chaos.plants {plant} --")
            healthy, false_cries = await _played(server, seed, shows) if cries else (result, cries)
        except (NotJudged, NotOpened) as error:  # the machine is too busy for it, or the bug goes too far
            print(f"{plant}: seed {seed}: {error}", flush=True)
            continue
        judged += 1
        if cries and not false_cries:
            return _caught(plant, runs, result, cries, healthy)
        if false_cries:
            print(f"{plant}: seed {seed}: of a healthy hub, too: {false_cries[0]['what']}", flush=True)
    at = system_clock().isoformat(timespec="seconds")
    return Caught(plant=plant, at=at, runs=judged, faults=shows.faults)


async def _played(
    server: Cluster, seed: int, shows: Shows, program: str = ""
) -> tuple[Result, Sequence[dict[str, str]]]:
    """A day with this program in every hub process, a healthy one where none is named; and what is looked for and was found."""
    os.environ[PROGRAM] = program
    result = await run_once(server, seed, faults=shows.faults, strikes=_STRIKES)
    return result, [each for each in result.findings if each["invariant"] in shows.breaks]


def _caught(plant: str, runs: int, result: Result, cries: Sequence[dict[str, str]], healthy: Result) -> Caught:
    return Caught(
        plant=plant,
        at=result.at,
        runs=runs,
        faults=result.wanted,
        seed=result.seed,
        struck=result.faults,
        finding=cries[0],
        findings=len(result.findings),
        struck_when_healthy=healthy.faults,
    )


def kept(record: Path) -> dict[str, Caught]:
    """By plant, the last time it was hunted."""
    lines = record.read_bytes().splitlines() if record.exists() else []
    return {each.plant: each for each in (msgspec.json.decode(line, type=Caught) for line in lines)}


def keep(record: Path, caught: Caught) -> None:
    held = kept(record) | {caught.plant: caught}
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes(b"".join(msgspec.json.encode(held[name]) + b"\n" for name in PLANTS if name in held))


def main() -> int:
    asked = _asked()
    escaped: list[str] = []
    with cluster() as server:
        for plant in asked.plants or PLANTS:
            caught = asyncio.run(hunt(server, plant))
            keep(Path(asked.record), caught)
            escaped += [plant] if caught.seed is None else []
            print(_said(caught), flush=True)
    print(msgspec.json.encode({"caught": len(asked.plants or PLANTS) - len(escaped), "escaped": escaped}).decode())
    return int(bool(escaped))


def _said(caught: Caught) -> str:
    if caught.seed is None:
        return f"{caught.plant}: NOT CAUGHT in {caught.runs} runs with {caught.faults}"
    found: Mapping[str, Any] = caught.finding
    return f"{caught.plant}: seed {caught.seed}, {found['invariant']} {found['kind']}: {found['what']}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plants", nargs="*", help="these; all when none is named")
    parser.add_argument("--record", default=str(RECORD))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
