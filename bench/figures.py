"""What a measurement prints: one JSON object a line, the median of its runs and every run beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import median


def show(bench: str, metric: str, runs: Sequence[float], unit: str, **notes: object) -> None:
    """Print one figure; `notes` say what else a reader must know to compare it."""
    rounded = [_short(run) for run in runs]
    line = {"bench": bench, "metric": metric, "value": _short(median(runs)), "unit": unit, "runs": rounded, **notes}
    print(json.dumps(line), flush=True)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _short(value: float) -> float:
    """Three digits after the point below a thousand, none above: the rest is noise."""
    return round(value, 3) if abs(value) < 1000 else round(value)
