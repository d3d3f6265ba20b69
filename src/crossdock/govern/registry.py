"""The registry of partners' contracts: what they send or read, in versions that keep the compatibility that was agreed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from crossdock.govern.changing import Changing, ContractWanted, Done, keep
from crossdock.govern.compatibility import LEVELS, Conflict, Level, conflicts, refused
from crossdock.govern.strangers import exact
from crossdock.store import callers, governing
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.governing import Held

_NAME = re.compile("[a-z][a-z0-9_.-]*(/[a-z0-9][a-z0-9_.-]*)*")
_NAME_CHARACTERS_MAX = 120
_SCHEMA_BYTES_MAX = 1024 * 1024
OWN = ("facts", "commands", "api", "events")
"""What begins so is the hub's own, and is registered with its code."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Somebody who registers partners' contracts, inside one transaction."""

    changing: Changing

    async def register(self, wanted: ContractWanted, why: str) -> Done:
        """The next version; it waits for a second person where the settings say so. `NotDecidable` says what it breaks."""
        held = await self._held(wanted.name)
        versions = await governing.versions(self.changing.tx, wanted.name) if held else []
        if versions and versions[-1].schema == wanted.schema and versions[-1].example == wanted.example:
            raise NotDecidable(f"{wanted.name} is so already, as version {versions[-1].version}")
        await self._check(wanted)
        if found := await self.conflicts(wanted.name, wanted.schema, cast("Level", wanted.level), strict=wanted.strict):
            told = "\n".join(f"- {each}" for each in found)
            raise NotDecidable(f"{wanted.name} would not be {wanted.level} compatible:\n{told}\n{_REMEDY}")
        if "contracts" not in self.changing.settings.governance.two_people:
            await keep(self.changing.tx, wanted, self.changing.by, self.changing.by)
            await self._record(wanted)
            return Done()
        return Done(waits=await self.changing.ask("contract", wanted.name, len(versions), wanted, why))

    async def next_version(self, name: str) -> int:
        return len(await governing.versions(self.changing.tx, name)) + 1

    async def conflicts(
        self, name: str, schema: Any, level: Level | None, *, strict: bool | None = None
    ) -> list[Conflict]:
        """What keeps this schema from being the next version; level and strictness are the contract's own unless given."""
        held = await self._held(name)
        earlier = [(str(v.version), v.schema) for v in await governing.versions(self.changing.tx, name)]
        wanted = level or cast("Level", held.level if held else "full")
        return conflicts(earlier, schema, wanted, strict=held.strict if held and strict is None else bool(strict))

    async def _held(self, name: str) -> Held | None:
        return next((each for each in await governing.contracts(self.changing.tx) if each.name == name), None)

    async def _check(self, wanted: ContractWanted) -> None:
        check_named(wanted)
        check_schema(wanted.schema, wanted.example)
        known = {each.name for each in await callers.consumers(self.changing.tx)}
        connections = self.changing.settings.connections
        if unknown := [name for name in wanted.consumers if name not in known and name not in connections]:
            raise NotDecidable(f"{unknown[0]} is no consumer and no connection; see: crossdock consumer list")
        if wanted.connection and wanted.connection not in connections:
            raise NotDecidable(
                f"there is no connection {wanted.connection}; connections are {', '.join(sorted(connections))}"
            )
        for each in await governing.contracts(self.changing.tx):
            same = each.name != wanted.name and wanted.connection
            if same and (each.connection, each.topic) == (wanted.connection, wanted.topic):
                raise NotDecidable(f"{wanted.topic} of {wanted.connection} is what {each.name} is about")

    async def _record(self, wanted: ContractWanted) -> None:
        told = {"contract": wanted.name, "version": wanted.version, "owner": wanted.owner, "level": wanted.level}
        await Decider(self.changing.tx, self.changing.by).record("register contract", **told)


_REMEDY = (
    "Keep what its readers and writers count on; or register it under another name, and plan the sunset of this one"
)


def check_named(wanted: ContractWanted) -> None:
    if len(wanted.name) > _NAME_CHARACTERS_MAX or not _NAME.fullmatch(wanted.name):
        raise NotDecidable(f"{wanted.name[:50]!r} is no name; take lower-case words, such as market/order")
    if wanted.name.partition("/")[0] in OWN:
        raise NotDecidable(f"{wanted.name} would be the hub's own; its contracts come with its code")
    if wanted.level not in LEVELS:
        raise NotDecidable(f"there is no level {wanted.level!r}; levels are {', '.join(LEVELS)}")
    if not wanted.owner.strip() or not wanted.owner.isprintable():
        raise NotDecidable("a contract has an owner: the person or team that answers for it")
    if bool(wanted.connection) is not bool(wanted.topic):
        raise NotDecidable("name both the connection and the topic of its messages, or neither")


def check_schema(schema: Any, example: Any) -> None:
    """`NotDecidable` for what is no schema that can be compared, and for an example that doesn't fit it."""
    if not isinstance(schema, dict):
        raise NotDecidable("a contract is a JSON Schema: an object")
    if len(msgspec.json.encode([schema, example])) > _SCHEMA_BYTES_MAX:
        raise NotDecidable(f"schema and example are more than {_SCHEMA_BYTES_MAX} bytes")
    try:
        refused(cast("Mapping[str, Any]", schema), cast("Mapping[str, Any]", schema))
        misfits = [] if example is None else refused(exact(example), cast("Mapping[str, Any]", schema))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotDecidable(f"this is no JSON Schema that can be compared: {error}") from error
    if misfits:
        raise NotDecidable(f"the example doesn't fit the schema: {'; '.join(str(each) for each in misfits[:5])}")
