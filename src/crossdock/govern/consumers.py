"""Consumers and their keys: added, given keys, ended; each change recorded with who, when, before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from crossdock.govern.keys import NewKey, new_key
from crossdock.govern.rights import SCOPES
from crossdock.govern.settings import Settings
from crossdock.store import callers
from crossdock.store.callers import Consumer
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable

_NAME = re.compile("[a-z][a-z0-9-]{1,62}")
_LIVE_KEYS_MAX = 2


@dataclass(frozen=True, slots=True)
class Registrar:
    """Somebody who says which systems may use the API, inside one transaction."""

    tx: Transaction
    settings: Settings
    by: str

    async def set(self, wanted: Consumer) -> bool:
        """Add a consumer, or change the owner, scopes and quota of one; answers whether it is new."""
        self._check(wanted)
        held = await callers.consumer(self.tx, wanted.name)
        if held is not None:
            _check_same(held, wanted)
        await callers.keep_consumer(self.tx, wanted)
        await self._record("change consumer" if held else "add consumer", wanted.name, _told(held), _told(wanted))
        return held is None

    async def add_key(self, name: str) -> NewKey:
        """A further key; `NotDecidable` while two are live, for the second is meant to replace the first."""
        await self._live(name)
        live = [key.prefix for key in await callers.keys(self.tx, [name]) if key.ended_at is None]
        if len(live) >= _LIVE_KEYS_MAX:
            raise NotDecidable(f"{name} has {len(live)} live keys; revoke one first: {', '.join(live)}")
        made = new_key()
        await callers.add_key(self.tx, name, made.prefix, made.hash)
        await self._record("add key", name, {"keys": live}, {"keys": [*live, made.prefix]})
        return made

    async def end_key(self, name: str, prefix: str) -> None:
        """A key opens nothing from now on."""
        await self._live(name)
        live = [key.prefix for key in await callers.keys(self.tx, [name]) if key.ended_at is None]
        if not await callers.end_key(self.tx, name, prefix):
            raise NotDecidable(f"{name} has no live key {prefix}; its live ones: {', '.join(live) or 'none'}")
        await self._record("revoke key", name, {"keys": live}, {"keys": [each for each in live if each != prefix]})

    async def end(self, name: str) -> None:
        """A consumer and all its keys open nothing from now on."""
        held = await self._live(name)
        await callers.end_consumer(self.tx, name)
        await self._record("end consumer", name, _told(held), None)

    async def _live(self, name: str) -> Consumer:
        held = await callers.consumer(self.tx, name)
        if held is None or held.ended_at is not None:
            raise NotDecidable(f"there is no consumer {name}; list them with: crossdock consumer list")
        return held

    def _check(self, wanted: Consumer) -> None:
        if not _NAME.fullmatch(wanted.name):
            raise NotDecidable(f"{wanted.name!r} is no name; take 2 to 63 lower-case letters, digits and -")
        if not wanted.owner.strip() or not wanted.owner.isprintable():
            raise NotDecidable("a consumer has an owner: the person or team that answers for it")
        if unknown := sorted(set(wanted.scopes) - set(SCOPES)):
            raise NotDecidable(f"there is no scope {unknown[0]}; scopes are {', '.join(SCOPES)}")
        if not wanted.scopes:
            raise NotDecidable(f"give it a scope at least; scopes are {', '.join(SCOPES)}")
        self._check_place(wanted)

    def _check_place(self, wanted: Consumer) -> None:
        tenants = self.settings.tenants
        if wanted.tenant not in tenants:
            raise NotDecidable(f"there is no tenant {wanted.tenant}; tenants are {', '.join(sorted(tenants))}")
        if not wanted.connection:
            return
        held = self.settings.connections.get(wanted.connection)
        if held is None or held.tenant != wanted.tenant:
            known = sorted(name for name, each in self.settings.connections.items() if each.tenant == wanted.tenant)
            raise NotDecidable(
                f"tenant {wanted.tenant} has no connection {wanted.connection}; it has {', '.join(known) or 'none'}"
            )

    async def _record(self, what: str, subject: str, before: Any, after: Any) -> None:
        await Decider(self.tx, self.by).record(what, consumer=subject, before=before, after=after)


def _check_same(held: Consumer, wanted: Consumer) -> None:
    """What a consumer sees never changes under its keys."""
    if held.ended_at is not None:
        raise NotDecidable(f"consumer {held.name} was ended; take another name")
    if (held.tenant, held.connection) != (wanted.tenant, wanted.connection):
        raise NotDecidable(f"consumer {held.name} stays with its tenant and connection; add another one")


def _told(consumer: Consumer | None) -> dict[str, object] | None:
    if consumer is None:
        return None
    place = {"tenant": consumer.tenant, "connection": consumer.connection}
    return {"owner": consumer.owner, **place, "scopes": sorted(consumer.scopes), "per_minute": consumer.per_minute}
