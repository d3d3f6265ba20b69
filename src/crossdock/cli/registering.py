"""`crossdock contracts`: registered, compared, shown, watched and planned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.changing import changed
from crossdock.cli.wording import day_and_clock
from crossdock.govern import calendar as dates
from crossdock.govern import released as own
from crossdock.govern.api_changes import breaking
from crossdock.govern.calendar import Entry, Planner
from crossdock.govern.changing import Changing, ContractWanted
from crossdock.govern.compatibility import Level, conflicts
from crossdock.govern.registry import Registry
from crossdock.govern.settings import Settings
from crossdock.store import governing, traffic
from crossdock.store.database import Database, Transaction

T = TypeVar("T")
_REASONS_SHOWN = 60


def own_broken(root: Path) -> list[str]:
    """What the hub's own contracts took back of their registered versions."""
    try:
        contracts = own.contracts_in(root)
    except ValueError as error:
        raise Failure(str(error)) from error
    releases = own.releases()
    same = [each for each in releases if each.major == own.major_of(own.version_of(contracts))]
    return own.broken_by(contracts, same, _today())


def released(root: Path, sunsets: tuple[str, ...]) -> Path:
    """The file that was written; one line for each reason why not, and exit code 1."""
    try:
        days = {major: date.fromisoformat(day) for major, _, day in (each.partition("=") for each in sunsets)}
        return own.register(own.contracts_in(root), days, _today())
    except ValueError as error:
        raise Failure(str(error), EXIT_FOUND) from error


def compared(file: Path, against: Path, level: str | None, *, strict: bool) -> list[str]:
    later, earlier = _read(file), _read(against)
    if "openapi" in later:
        return [str(each) for each in breaking(earlier, later, _today())]
    try:
        found = conflicts([(against.name, earlier)], later, cast("Level", level or "full"), strict=strict)
    except ValueError as error:
        raise Failure(str(error)) from error
    return [str(each) for each in found]


def next_broken(name: str, file: Path | None, level: str | None, *, strict: bool) -> list[str]:
    if file is None:
        raise Failure(f"say which file would be the next version of {name}")
    schema = _read(file)

    async def found(changing: Changing) -> list[str]:
        told = await Registry(changing).conflicts(name, schema, cast("Level | None", level), strict=strict or None)
        return [str(each) for each in told]

    return changed("", found)


def broken_as_text(found: list[str]) -> str:
    """Every reason, as many as anybody reads; JSON has all."""
    left = f"and {len(found) - _REASONS_SHOWN} more; --json tells all"
    return "\n".join([*found[:_REASONS_SHOWN], *([left] if len(found) > _REASONS_SHOWN else [])]) or "Compatible."


def registered(by: str, name: str, file: Path, *, example: Path | None, why: str, **told: Any) -> int | None:
    """The request that waits for a second person, where the settings say so."""
    schema, fitting = _read(file), _read(example) if example else None

    async def register(changing: Changing) -> int | None:
        registry = Registry(changing)
        version = await registry.next_version(name)
        whose: dict[str, Any] = {**told, "consumers": sorted(set(told["consumers"]))}
        wanted = ContractWanted(name=name, version=version, schema=schema, example=fitting, **whose)
        return (await registry.register(wanted, why)).waits

    return changed(by, register)


def _read(file: Path) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise Failure(f"{file} can't be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise Failure(f"{file} is not JSON: {error}") from error


def listed() -> list[dict[str, Any]]:
    """The hub's own contracts, then those of partners."""
    partners = _looked(lambda tx, _: governing.contracts(tx))
    latest = own.releases()[-1:]
    mine: list[dict[str, Any]] = [
        {
            "name": name,
            "version": each.version,
            "owner": "the hub",
            "level": _OWN_LEVEL,
            "consumers": [],
            "at": each.registered_on,
        }
        for each in latest
        for name in sorted(each.contracts)
    ]
    return mine + [
        {"name": each.name, "version": each.version, "owner": each.owner, "level": each.level,
         "consumers": each.consumers, "at": each.versioned_at}
        for each in partners
    ]  # fmt: skip


_OWN_LEVEL = "full_transitive"


def listed_as_text(found: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{each['name']:<36} {each['version']!s:>6}  {each['level']:<20} {each['owner']}"
        + (f", for {', '.join(each['consumers'])}" if each["consumers"] else "")
        for each in found
    )


def shown(name: str, version: str | None) -> dict[str, Any]:
    """Schema, example and history; exit code 1 when there is none."""
    versions = _own_versions(name) or _looked(lambda tx, _: governing.versions(tx, name))
    found = [each for each in versions if version in (None, str(each.version))]
    if not found:
        raise Failure(
            f"there is no contract {name}{f' {version}' if version else ''}; see: crossdock contracts list", EXIT_FOUND
        )
    latest = found[-1]
    history = [{"version": v.version, "at": v.at, "by": v.by, "approved_by": v.approved_by} for v in versions]
    return {
        "name": name,
        "version": latest.version,
        "schema": latest.schema,
        "example": latest.example,
        "history": history,
    }


def _own_versions(name: str) -> list[Any]:
    return [
        governing.Version(
            cast("Any", each.version),
            each.contracts[name].schema,
            each.contracts[name].example,
            datetime.combine(each.registered_on, datetime.min.time(), UTC),
            "the hub's release",
            "",
        )
        for each in own.releases()
        if name in each.contracts
    ]


def shown_as_text(found: dict[str, Any]) -> str:
    history = [f"version {v['version']}: {v['at']:%Y-%m-%d}, {v['by']}" + (f" and {v['approved_by']}" if v["approved_by"] else "") for v in found["history"]]  # noqa: E501 # fmt: skip
    parts = [f"{found['name']}, version {found['version']}", *history, _pretty(found["schema"])]
    return "\n".join([*parts, "for example", _pretty(found["example"])] if found["example"] is not None else parts)


def _pretty(told: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def traffic_of(whose: str) -> list[dict[str, Any]]:
    async def work(tx: Transaction, _: Settings) -> list[dict[str, Any]]:
        return [
            {**asdict(each), "fields": [asdict(field) for field in await traffic.fields(tx, each.whose, each.contract)]}
            for each in await traffic.samples(tx, whose)
        ]

    return _looked(work)


def traffic_as_text(found: list[dict[str, Any]]) -> str:
    if not found:
        return "No traffic was looked at yet."
    lines: list[str] = []
    for each in found:
        strange = each["unknown"] + each["missing"]
        told = f"{strange} fields are strange" if strange else "nothing is strange"
        lines.append(f"{each['whose']}  {each['contract']}: {each['messages']} messages looked at, {told}")
        lines += [
            f"{f['messages']:>8}  {f['what']:<8} {f['field']}  (last {day_and_clock(f['last_at'])})"
            for f in each["fields"]
        ]
    return "\n".join(lines)


def planned(by: str, day: date, what: str, contract: str, says: str) -> int:
    return changed(by, lambda changing: Planner(changing.tx, by).plan(day, what, contract, says, _today()))


def called_off(by: str, id_: int) -> None:
    changed(by, lambda changing: Planner(changing.tx, by).call_off(id_))


def calendar() -> list[Entry]:
    return _looked(lambda tx, told: dates.entries(tx, told, own.releases(), _today()))


def calendar_as_text(found: list[Entry]) -> str:
    if not found:
        return "Nothing is planned."
    return "\n".join(
        f"{each.on_day}  {each.what:<7} {each.contract}: {each.says}"
        + (f"  ({each.planned}, by {each.by})" if each.planned else "")
        for each in found
    )


def calendar_as_builtins(found: list[Entry]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def _looked(work: Callable[[Transaction, Settings], Awaitable[T]]) -> T:
    async def asked(database: Database, told: Settings) -> T:
        async with database.transaction() as tx:
            return await work(tx, told)

    return ask(asked)


def _today() -> date:
    return datetime.now(UTC).date()
