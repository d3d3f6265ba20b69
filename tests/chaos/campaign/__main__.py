"""`python -m tests.chaos.campaign`: runs until the minutes are over, goes on where it ended before, and says what it found.

The last line printed is the result as JSON; the exit code is 1 when anything was lost, doubled or unexplained.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.campaign.database import cluster
from tests.chaos.campaign.fault import not_here
from tests.chaos.campaign.faults import know_all
from tests.chaos.campaign.full import next_ones
from tests.chaos.campaign.record import Record, summed
from tests.chaos.campaign.running import FAULTS_A_RUN, Result, run_once

_STRIKING_SECONDS_MIN = 10.0


def main() -> int:
    asked = _asked()
    record = Record(Path(asked.record))
    found: list[Result] = []
    know_all()
    for name, why in not_here().items():
        print(f"not played here: {name}: {why}", flush=True)
    ends = time.monotonic() + 60 * asked.minutes
    with cluster() as server:
        while True:
            seed = record.next_seed() if asked.seed is None else asked.seed
            faults = next_ones(summed(record.results())["faults"]) if asked.full else asked.faults
            if asked.full and not faults:
                print("every fault has struck as often as a full campaign asks for", flush=True)
                break
            keep = record.file.parent / f"seed-{seed}"
            run = run_once(
                server,
                seed,
                faults=faults,
                strikes=asked.strikes,
                striking_seconds=striking_seconds(ends - time.monotonic()),
                keep=keep,
                tryton=asked.erp == "tryton",
            )
            result = asyncio.run(run)
            found.append(result)
            if asked.seed is None:
                record.add(result)
            _say(result)
            if asked.seed is not None or not is_time_for_another(found, ends - time.monotonic()):
                break
    print(json.dumps(summed(found)), flush=True)
    return int(any(result.findings for result in found))


def striking_seconds(seconds_left: float) -> float:
    """What is left of a run, when the last fault has struck, takes as long again: people's patience, rest and judging."""
    return max(_STRIKING_SECONDS_MIN, seconds_left / 2)


def is_time_for_another(found: Sequence[Result], seconds_left: float) -> bool:
    return max(each.seconds for each in found) <= seconds_left


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        help="begin no further run that ends later, if it takes as long as the longest so far; a short time has fewer faults",
    )
    parser.add_argument("--seed", type=int, help="this seed, once, and nothing on record")
    parser.add_argument("--faults", default="", help="only faults with this in their names; several apart by '; '")
    parser.add_argument(
        "--full",
        action="store_true",
        help="draw from the faults that have not struck as often yet as a full campaign asks for",
    )
    parser.add_argument(
        "--strikes", type=int, default=FAULTS_A_RUN, help="how many faults a run draws, if there is time for all"
    )
    parser.add_argument(
        "--erp", choices=["stand-in", "tryton"], default="stand-in", help="tryton: plain days, the real ERP"
    )
    parser.add_argument("--record", default=".crossdock/chaos/record.jsonl", help="what finished runs are kept in")
    return parser.parse_args()


def _say(result: Result) -> None:
    rest = "never at rest" if result.rest_seconds is None else f"at rest after {result.rest_seconds:.0f} s"
    said = f"seed {result.seed}: {sum(result.faults.values())} faults in {result.seconds:.0f} s, {rest}"
    print(f"{said}: {'all explained' if not result.findings else f'{len(result.findings)} FINDINGS'}", flush=True)
    for each in result.findings:
        print(f"  {each['invariant']} {each['kind']}: {each['what']}")
    if result.findings:
        only = f' FAULTS="{result.wanted}"' if result.wanted else ""
        erp = " ERP=tryton" if result.tryton else ""
        print(f"  again: make chaos SEED={result.seed}{only}{erp}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
