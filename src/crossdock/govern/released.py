"""The hub's own contracts, and every version of them that was registered: what others may count on.

A registered version is a file in the package, so that a running hub and its CI hold the same ones; facts, commands, the API
and its events are registered together, under the version that the API's description has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from crossdock.govern.api_changes import breaking
from crossdock.govern.compatibility import Comparison, conflicts
from crossdock.govern.limits import Break

API, EVENTS = "api", "events"
_FOLDER = "versions"
_NOTICE = timedelta(days=90)
"""How long what is given up goes on being served, at least."""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One contract as it is published: its schema or description, and something that fits it."""

    schema: dict[str, Any]
    example: Any = None


Contracts = Mapping[str, Contract]
"""By name: `facts/order`, `commands/sales_order`, `api`, `events`."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """All contracts of one version; `sunsets` says until when earlier major versions are served."""

    version: str
    registered_on: date
    contracts: dict[str, Contract]
    sunsets: dict[str, date] = {}

    @property
    def major(self) -> int:
        return major_of(self.version)


def major_of(version: str) -> int:
    return int(version.partition(".")[0])


def releases() -> list[Release]:
    """Every registered version, the oldest first."""
    found = [msgspec.json.decode(file.read_bytes(), type=Release) for file in _folder().glob("*.json")]
    return sorted(found, key=lambda release: [int(part) for part in release.version.split(".")])


def _folder() -> Path:
    return Path(str(resources.files("crossdock.govern").joinpath(_FOLDER)))


def contracts_in(root: Path) -> dict[str, Contract]:
    """What is published in a folder of contracts: its latest version. `ValueError` where there is none."""
    versions = sorted((int(each.name[1:]), each) for each in root.glob("v*") if each.name[1:].isdecimal())
    if not versions:
        raise ValueError(f"{root} holds no contracts; --root names the folder they are in")
    latest = versions[-1][1]
    found = {
        f"{file.parent.name}/{file.name.removesuffix('.schema.json')}": Contract(
            schema=msgspec.json.decode(file.read_bytes()), example=_example(file)
        )
        for file in sorted(latest.glob("*/*.schema.json"))
    }
    described = {API: latest / "openapi.json", EVENTS: latest / "asyncapi.json"}
    return found | {name: Contract(schema=msgspec.json.decode(file.read_bytes())) for name, file in described.items()}


def _example(schema: Path) -> Any:
    file = schema.with_name(schema.name.replace(".schema.", ".example."))
    return msgspec.json.decode(file.read_bytes()) if file.exists() else None


def version_of(contracts: Contracts) -> str:
    return str(contracts[API].schema["info"]["version"])


def broken_by(contracts: Contracts, earlier: Sequence[Release], today: date) -> list[str]:
    """Every promise of earlier versions that these contracts don't keep, with where it was made."""
    return list(_broken(contracts, earlier, today))


def _broken(contracts: Contracts, earlier: Sequence[Release], today: date) -> Iterator[str]:
    """Documents are kept and processes of two versions run side by side, so facts and commands are read both ways."""
    for release in earlier[-1:]:
        for name in sorted(release.contracts.keys() - contracts.keys()):
            yield f"{name}: it is gone"
        yield from (f"{API}: {each}" for each in breaking(_schema(release, API), contracts[API].schema, today))
        yield from (f"{EVENTS}: {each}" for each in _untold(_schema(release, EVENTS), contracts[EVENTS].schema))
    for name, contract in sorted(contracts.items()):
        versions = [(each.version, _schema(each, name)) for each in earlier if name in each.contracts]
        if name not in (API, EVENTS):
            yield from (f"{name}: {each}" for each in conflicts(versions, contract.schema, "full_transitive"))


def _schema(release: Release, name: str) -> dict[str, Any]:
    return release.contracts[name].schema


def _untold(was: dict[str, Any], now: dict[str, Any]) -> Iterator[Break]:
    """Events that are told otherwise than those who listen can read."""
    later = now["components"]["messages"]
    for name, message in was["components"]["messages"].items():
        if name not in later:
            yield Break(message["name"], "is not told any more")
            continue
        payloads = later[name]["payload"], message["payload"]
        for each in Comparison(now, was).breaks(*payloads, ""):
            yield Break(f"{message['name']}: {each.at}", each.why)


def refusals(contracts: Contracts, earlier: Sequence[Release], sunsets: Mapping[str, date], today: date) -> list[str]:
    """Why these contracts can't be registered next; nothing when they can.

    What breaks nothing takes any version. What breaks something takes a new major version, and a day, far enough ahead,
    until which the one before is served.
    """
    if any(each.version == version_of(contracts) and each.contracts != contracts for each in earlier):
        return [f"version {version_of(contracts)} is registered with other contents; give these a new version"]
    same = [each for each in earlier if each.major == major_of(version_of(contracts))]
    if found := broken_by(contracts, same, today):
        return [
            *found,
            f"version {version_of(contracts)} can't take that back: give it a new major version, and a sunset",
        ]
    before = earlier[-1] if earlier and not same else None
    if before is None:
        return []
    sunset = sunsets.get(str(before.major))
    if sunset is None or sunset < today + _NOTICE:
        return [f"say until when version {before.major} is served: a day at least {_NOTICE.days} days ahead"]
    return []


def register(contracts: Contracts, sunsets: Mapping[str, date], today: date) -> Path:
    """Keep these contracts as registered; `ValueError` with every reason why not."""
    version = version_of(contracts)
    if found := refusals(contracts, releases(), sunsets, today):
        raise ValueError("\n".join(found))
    release = Release(version=version, registered_on=today, contracts=dict(contracts), sunsets=dict(sunsets))
    file = _folder() / f"{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(_a_line_each(release))
    return file


def _a_line_each(release: Release) -> bytes:
    """One contract a line, so that a change to one is a change to one line."""
    told = msgspec.to_builtins(release)
    lines = [
        f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(each, order='deterministic').decode()}"
        for name, each in sorted(told.pop("contracts").items())
    ]
    head = msgspec.json.encode(told).decode().removesuffix("}")
    return (head + ',"contracts":{\n' + ",\n".join(lines) + "\n}}\n").encode()
