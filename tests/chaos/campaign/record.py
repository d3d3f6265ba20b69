"""Finished runs, one JSON line each, in a file that a later campaign goes on with; and their sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.campaign.running import Result


@dataclass
class Record:
    """A line that was cut short, for its writer died, is as if it had never been."""

    file: Path

    def results(self) -> list[Result]:
        if not self.file.exists():
            return []
        whole = [line for line in self.file.read_bytes().splitlines() if line.endswith(b"}")]
        return [msgspec.json.decode(line, type=Result) for line in whole]

    def next_seed(self) -> int:
        """The one after the last."""
        return max((result.seed for result in self.results()), default=0) + 1

    def add(self, result: Result) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def summed(results: Sequence[Result]) -> dict[str, Any]:
    """How many runs, faults and things judged, what was found, and how long coming to rest took."""
    faults, judged, spent = Counter[str](), Counter[str](), Counter[str]()
    for each in results:
        spent.update(each.spent)  # pyright: ignore[reportArgumentType,reportCallIssue]  # counts seconds
        faults.update(each.faults)
        judged.update(each.judged)
    rests = sorted(each.rest_seconds for each in results if each.rest_seconds is not None)
    return {
        "runs": len(results),
        "seconds": round(sum(each.seconds for each in results)),
        "spent": {name: round(seconds) for name, seconds in spent.items()},
        "faults": dict(sorted(faults.items())),
        "judged": dict(sorted(judged.items())),
        "rest_seconds": {"p50": rests[len(rests) // 2], "max": rests[-1]} if rests else None,
        "never_at_rest": len(results) - len(rests),
        "findings": [{"seed": str(each.seed), **found} for each in results for found in each.findings],
    }
