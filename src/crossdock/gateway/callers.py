"""Who asks: a consumer by its key or token, or a person by a token; and what they may see and do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossdock.gateway.problems import Problem
from crossdock.govern import keys
from crossdock.govern.rights import Right, rights_of
from crossdock.govern.settings import Settings
from crossdock.govern.tokens import Token, read_token
from crossdock.store import callers
from crossdock.store.callers import Held
from crossdock.store.database import Transaction

_PERSON = "person:"
_NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known."""

    id: str
    """Unlike everybody else's: `desk` for a consumer, `person:Mara` for a person."""
    rights: frozenset[str]
    per_minute: int
    tenants: frozenset[str] | None
    """Whose orders they see; None: everybody's."""
    connection: str = ""
    """The channel whose orders are all they see; empty: all of their tenants'."""

    @property
    def person(self) -> str | None:
        """The person's name; None for a consumer."""
        return self.id.removeprefix(_PERSON) if self.id.startswith(_PERSON) else None

    def check(self, right: Right | None) -> None:
        """`Problem` when this isn't theirs to do."""
        if right is not None and right not in self.rights:
            how = "a role that has it" if self.person else "it"
            raise Problem("no-right", f"this takes {right}; whoever runs the hub can give {self.id} {how}")

    def check_sees_all(self, settings: Settings) -> None:
        """`Problem` for who may not see every tenant's orders, which this may be about."""
        if self.connection or (self.tenants is not None and not self.tenants >= settings.tenants.keys()):
            raise Problem("no-right", "this is about every tenant's orders, and you see only some")

    def sees(self, entity: str, settings: Settings) -> bool:
        """Whether an entity is of a channel that is theirs to see."""
        _, _, rest = entity.partition(":")
        channel = rest.partition(":")[0]
        if self.connection:
            return channel == self.connection
        held = settings.connections.get(channel)
        return self.tenants is None or (held is not None and held.tenant in self.tenants)


async def identified(tx: Transaction, headers: Mapping[str, str], secrets: Sequence[bytes], per_minute: int) -> Caller:
    """Who sent these headers; `Problem` when nobody knows them. `per_minute`: requests a person may send."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    given = given.strip()
    if scheme.lower() == "bearer" and given:
        if given.startswith("cdk_"):
            if (held := await live_key(tx, given)) is not None:
                return consumer_of(held, None)
        elif (token := read_token(given, secrets)) is not None:
            found = await (_trading(tx, token) if token.kind == "consumer" else _signed_in(tx, token, per_minute))
            if found is not None:
                return found
    raise Problem(
        "not-signed-in",
        "send 'Authorization: Bearer <key or token>' with a live key",
        "Authorization",
        WWW_Authenticate='Bearer realm="crossdock"',
    )


async def live_key(tx: Transaction, given: str) -> Held | None:
    """The key that this is; unknown ones take as long as known ones."""
    prefix = keys.prefix_of(given)
    held = await callers.key(tx, prefix) if prefix else None
    if not keys.proves(given, held.hash if held else _NO_HASH) or held is None:
        return None
    await callers.note_use(tx, held.prefix)
    return held


def consumer_of(held: Held, scopes: frozenset[str] | None) -> Caller:
    rights = frozenset(held.scopes)
    return Caller(
        id=held.consumer,
        rights=rights if scopes is None else rights & scopes,
        per_minute=held.per_minute,
        tenants=frozenset((held.tenant,)),
        connection=held.connection,
    )


async def _trading(tx: Transaction, token: Token) -> Caller | None:
    """A token ends with the key it was traded for."""
    held = await callers.key(tx, token.of)
    return consumer_of(held, token.scopes) if held is not None and held.consumer == token.subject else None


async def _signed_in(tx: Transaction, token: Token, per_minute: int) -> Caller | None:
    held = await callers.person(tx, token.subject)
    if held is None or held.ended_at is not None or str(held.generation) != token.of:
        return None
    tenants = frozenset(held.tenants) or None
    return Caller(f"{_PERSON}{held.name}", frozenset(rights_of(held.roles)), per_minute, tenants)
