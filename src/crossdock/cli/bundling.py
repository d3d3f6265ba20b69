"""`crossdock support-bundle`: one file for whoever helps: settings without secrets, counts, versions, statistics, faults.

What is in it is counted or named by us. Texts that systems or people wrote are left out, and what looks personal is blotted.
"""

from __future__ import annotations

import json
import platform
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, cast

import msgspec

from crossdock import __version__
from crossdock.cli.asking import ask
from crossdock.govern.settings import Settings, shown
from crossdock.observe.blotting import blotted
from crossdock.store import checking, gauges, health, support
from crossdock.store.database import Database

_USER_IN_URL = re.compile(r"(://)[^/@\s]+@|\?\S*")


def bundled(file: Path) -> list[str]:
    """Write the bundle; answers the names of what is in it."""
    parts = ask(_gathered)
    with file.open("xb") as whole, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as bundle:
        file.chmod(0o600)
        for name, told in parts.items():
            bundle.writestr(name, json.dumps(_spoken(told), indent=1, ensure_ascii=False))
    return list(parts)


async def _gathered(database: Database, told: Settings) -> Mapping[str, Any]:
    async with database.transaction() as tx:
        now = await health.clock(tx)
        counts = {
            "check": msgspec.to_builtins(await checking.check(tx)),
            "gauges": [each._asdict() for each in await gauges.read(tx, now)],
        }
        return {
            "about.json": _versions(now),
            "settings.json": _settings(told),
            "counts.json": _without_examples(counts),
            "database.json": await support.database(tx),
            "faults.json": await support.faults(tx),
        }


def _versions(now: datetime) -> Mapping[str, Any]:
    return {
        "crossdock": __version__,
        "made_at": datetime.now(UTC),
        "database_clock": now,
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": {each.name: each.version for each in sorted(distributions(), key=lambda each: each.name)},
    }


def _settings(told: Settings) -> Mapping[str, Any]:
    """As the hub reads them; of people only how many have each role."""
    return shown(told) | {"people": {role: len(names) for role, names in told.people.items()}, "file": told.file.name}


def _without_examples(counts: Mapping[str, Any]) -> Mapping[str, Any]:
    """An invariant's example names an order, which may be called after its buyer."""
    for each in counts["check"]["invariants"]:
        each["example"] = None
    return counts


def _spoken(told: object) -> object:
    """As JSON has it, with what looks like a secret or a person blotted out of every text."""
    match told:
        case Mapping():
            return {str(name): _spoken(each) for name, each in cast("Mapping[object, object]", told).items()}
        case str():
            return blotted(_USER_IN_URL.sub(r"\1", told))
        case Sequence() if not isinstance(told, bytes):
            return [_spoken(each) for each in cast("Sequence[object]", told)]
        case Decimal():
            return int(told)
        case bool() | int() | float() | None:
            return told
        case _:
            return str(told)
