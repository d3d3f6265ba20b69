"""Changes that take two people: one asks, another one says yes, and only then is it done, if nothing changed meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

import msgspec

from crossdock.govern.people import named
from crossdock.govern.persons import people_of
from crossdock.govern.settings import Settings
from crossdock.store import governing
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.governing import Change, Held, Version

Kind = Literal["contract", "policy", "mapping"]
_WHY_CHARACTERS_MAX = 500


class MappingWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is to be called at a target."""

    connection: str
    kind: str
    key: str
    value: str


class ContractWanted(msgspec.Struct, frozen=True, kw_only=True):
    """The next version of a partner's contract, and whose it is."""

    name: str
    owner: str
    level: str
    strict: bool
    connection: str
    topic: str
    consumers: list[str]
    version: int
    schema: Any
    example: Any = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a change: done, with `released` promises; or it waits for a second person, as request `waits`."""

    released: int = 0
    waits: int | None = None


@dataclass(frozen=True, slots=True)
class Changing:
    """Somebody who changes something that is governed, inside one transaction."""

    tx: Transaction
    settings: Settings
    by: str

    async def map(self, connection: str, kind: str, key: str, value: str, why: str = "") -> Done:
        """Say what a key is called at a target; what it is called already changes only when two people want it."""
        held = await governing.mapped(self.tx, connection, kind, key)
        if held is None or held.value == value or "mappings" not in self.settings.governance.two_people:
            return Done(await Decider(self.tx, self.by).map(connection, kind, key, value))
        wanted = MappingWanted(connection=connection, kind=kind, key=key, value=value)
        return Done(waits=await self.ask("mapping", f"{connection}/{kind}/{key}", held.value, wanted, why))

    async def ask(self, kind: Kind, subject: str, before: Any, after: Any, why: str) -> int:
        """The request's id; an open one on the same subject is replaced by it."""
        if len(why) > _WHY_CHARACTERS_MAX or (why and not why.isprintable()):
            raise NotDecidable(f"say why in at most {_WHY_CHARACTERS_MAX} printable characters")
        now = datetime.now(UTC)  # the database's clock counts; these two are only to fill the type
        told = msgspec.to_builtins(after)
        asked = Change(0, kind, subject, before, told, why, self.by, now, now, None, None, None, "", False)
        id_ = await governing.ask_change(self.tx, asked, self.settings.governance.hours)
        await self._record("ask for change", id_, asked)
        return id_

    async def approve(self, id_: int, note: str = "") -> Done:
        """Say yes to what somebody else asked for, and have it done."""
        asked = await self._open(id_)
        by = await self._second(asked)
        if asked.expired:
            raise NotDecidable(f"request {id_} has run out; ask for it again")
        await self._check_unchanged(asked)
        done = await _APPLIED[asked.kind](self, asked, by)
        await governing.decide_change(self.tx, id_, by, "approved", note)
        await self._record("approve change", id_, asked, asked_by=asked.by, note=note)
        return done

    async def reject(self, id_: int, note: str = "") -> None:
        """Say no; who asked may take it back so, too."""
        asked = await self._open(id_)
        by = self.by if asked.by.casefold() == self.by.strip().casefold() else await self._second(asked)
        await governing.decide_change(self.tx, id_, by, "rejected", note)
        await self._record("reject change", id_, asked, asked_by=asked.by, note=note)

    async def _open(self, id_: int) -> Change:
        found = await governing.change(self.tx, id_)
        if found is None or found.verdict is not None:
            raise NotDecidable(f"{id_} is not asked for (any more); see: crossdock changes list")
        return found

    async def _second(self, asked: Change) -> str:
        """The name of somebody else who may."""
        if asked.by.casefold() == self.by.strip().casefold():
            raise NotDecidable(f"{asked.by} has asked for it, so it takes somebody else")
        roles = self.settings.governance.approvers
        people = await people_of(self.tx, self.settings)
        for role in roles:
            if (name := named(people, role, self.by)) is not None:
                return name
        known = sorted({name for role in roles for name in people.get(role, ())})
        raise NotDecidable(
            f"{self.by} may not allow changes; {', '.join(known) or 'nobody'} may: people of the roles {', '.join(roles)}"
        )

    async def _check_unchanged(self, asked: Change) -> None:
        if asked.kind == "mapping":
            wanted = msgspec.convert(asked.after, MappingWanted)
            held = await governing.mapped(self.tx, wanted.connection, wanted.kind, wanted.key)
            if (held and held.value) != asked.before:
                raise NotDecidable(
                    f"{asked.subject} is {held.value if held else 'not mapped'} meanwhile; ask for it again"
                )
        if asked.kind == "contract":
            count = len(await governing.versions(self.tx, asked.subject))
            if count != (asked.before or 0):
                raise NotDecidable(f"{asked.subject} has version {count} meanwhile; ask for it again")

    async def _record(self, what: str, id_: int, asked: Change, **more: object) -> None:
        told = {"change": id_, "kind": asked.kind, "subject": asked.subject, "why": asked.why}
        after = asked.after.get("digest") if asked.kind == "policy" else _short(asked.after)
        await Decider(self.tx, self.by).record(what, **told, before=_short(asked.before), after=after, **more)


def _short(told: Any) -> Any:
    """Without whole schemas, which are kept as versions."""
    if not isinstance(told, dict):
        return told
    whole = cast("dict[str, Any]", told)
    return {name: each for name, each in whole.items() if name not in ("schema", "example")}


async def _map(changing: Changing, asked: Change, by: str) -> Done:
    wanted = msgspec.convert(asked.after, MappingWanted)
    return Done(await Decider(changing.tx, by).map(wanted.connection, wanted.kind, wanted.key, wanted.value))


async def _register(changing: Changing, asked: Change, by: str) -> Done:
    await keep(changing.tx, msgspec.convert(asked.after, ContractWanted), asked.by, by)
    return Done()


async def _allow(changing: Changing, asked: Change, by: str) -> Done:
    """A policy that two people want: processes start under it from now on."""
    return Done()


async def keep(tx: Transaction, wanted: ContractWanted, by: str, approved_by: str) -> None:
    """A contract's next version, from now on the one that counts."""
    held = Held(
        wanted.name, wanted.owner, wanted.level, wanted.strict, wanted.connection, wanted.topic, wanted.consumers
    )
    now = datetime.now(UTC)
    await governing.keep_contract(tx, held)
    await governing.keep_version(
        tx, wanted.name, Version(wanted.version, wanted.schema, wanted.example, now, by, approved_by)
    )


_APPLIED: Mapping[str, Callable[[Changing, Change, str], Awaitable[Done]]] = {
    "mapping": _map,
    "contract": _register,
    "policy": _allow,
}
