"""`crossdock consumer` and `crossdock person`: who may use the API, and who may sign in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import day_and_clock
from crossdock.govern.consumers import Registrar
from crossdock.govern.keys import NewKey
from crossdock.govern.persons import NotSignedIn, Personnel, signed_in
from crossdock.govern.settings import Settings
from crossdock.store import callers, settling
from crossdock.store.callers import Consumer, Key, Person
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable

T = TypeVar("T")


def registered(by: str, change: Callable[[Registrar], Awaitable[T]]) -> T:
    """Change who may use the API; one line and exit code 1 when it doesn't fit what is there."""

    async def work(database: Database, told: Settings) -> T:
        async with database.transaction() as tx:
            return await change(Registrar(tx, told, by))

    return _asked(work)


def employed(by: str, change: Callable[[Personnel], Awaitable[T]]) -> T:
    """Change who may sign in."""

    async def work(database: Database, told: Settings) -> T:
        async with database.transaction() as tx:
            return await change(Personnel(tx, told, by))

    return _asked(work)


def _asked(work: Callable[[Database, Settings], Awaitable[T]]) -> T:
    try:
        return ask(work)
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


async def added(registrar: Registrar, wanted: Consumer) -> NewKey | None:
    """The first key of a new consumer; None for one that was changed."""
    return await registrar.add_key(wanted.name) if await registrar.set(wanted) else None


def listed() -> list[tuple[Consumer, list[Key]]]:
    """Every consumer with its keys."""

    async def work(database: Database, _: Settings) -> list[tuple[Consumer, list[Key]]]:
        async with database.transaction() as tx:
            found = await callers.consumers(tx)
            keys = await callers.keys(tx, [each.name for each in found])
        return [(each, [key for key in keys if key.consumer == each.name]) for each in found]

    return ask(work)


def people() -> list[Person]:
    async def work(database: Database, _: Settings) -> list[Person]:
        async with database.transaction() as tx:
            return await callers.persons(tx)

    return ask(work)


def has_password(name: str) -> bool:
    """Whether somebody of this name signs in, so that nobody else may decide in their name."""

    async def work(database: Database, _: Settings) -> bool:
        async with database.transaction() as tx:
            found = await callers.person(tx, name)
        return found is not None and found.ended_at is None

    return ask(work)


def proven(name: str, password: str) -> str:
    """The person's name as it is kept; one line and exit code 1 when the password is wrong."""

    async def work(database: Database, _: Settings) -> Person | NotSignedIn:
        async with database.transaction() as tx:
            return await signed_in(tx, name, password, await settling.now(tx))

    found = ask(work)
    if isinstance(found, NotSignedIn):
        raise Failure(str(found) or f"that is not {name}'s password", EXIT_FOUND)
    return found.name


def consumers_as_text(found: Sequence[tuple[Consumer, Sequence[Key]]]) -> str:
    if not found:
        return "No consumers. Add one with: crossdock consumer add NAME --owner WHO --scope orders:read"
    return "\n".join(line for consumer, keys in found for line in _consumer(consumer, keys))


def _consumer(consumer: Consumer, keys: Sequence[Key]) -> list[str]:
    ended = f", ended {day_and_clock(consumer.ended_at)}" if consumer.ended_at else ""
    where = f"tenant {consumer.tenant}" + (f", orders of {consumer.connection}" if consumer.connection else "")
    return [
        f"{consumer.name}  {where}, owner {consumer.owner}{ended}",
        f"    {' '.join(sorted(consumer.scopes))}, {consumer.per_minute} requests a minute",
        *(f"    {_key(key)}" for key in keys),
    ]


def _key(key: Key) -> str:
    used = f"last used {day_and_clock(key.last_used_at)}" if key.last_used_at else "never used"
    ended = f", revoked {day_and_clock(key.ended_at)}" if key.ended_at else ""
    return f"key cdk_{key.prefix}_…  made {day_and_clock(key.made_at)}, {used}{ended}"


def consumers_as_builtins(found: Sequence[tuple[Consumer, Sequence[Key]]]) -> list[dict[str, Any]]:
    return [
        {
            **{name: getattr(consumer, name) for name in Consumer.__slots__},
            "keys": [{name: getattr(key, name) for name in Key.__slots__ if name != "consumer"} for key in keys],
        }
        for consumer, keys in found
    ]


def people_as_text(found: Sequence[Person]) -> str:
    if not found:
        return "Nobody signs in. Add somebody with: crossdock person add NAME --role operator"
    return "\n".join(
        f"{each.name}  {' '.join(sorted(each.roles))}  {', '.join(each.tenants) or 'all tenants'}"
        + (f"  ended {day_and_clock(each.ended_at)}" if each.ended_at else "")
        for each in found
    )


def people_as_builtins(found: Sequence[Person]) -> list[dict[str, Any]]:
    shown = [name for name in Person.__slots__ if name not in ("password", "generation", "failures", "failed_at")]
    return [{name: getattr(each, name) for name in shown} for each in found]
