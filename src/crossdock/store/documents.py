"""Documents: what each system last said of each thing, merged so that order and repetition make no difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from crossdock.kernel.ids import bucket_of
from crossdock.kernel.moments import to_micros
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("documents")
# A read replica may show what was true this long before the read began.
_LAG = timedelta(seconds=10)

Identity = tuple[str, str, str]
"""(connection, kind, id)"""


@dataclass(frozen=True, slots=True)
class Statement:
    """A document about to be merged; `version` is (epoch, source token, observation)."""

    connection: str
    kind: str
    id: str
    entity: str | None
    fact: str
    version: tuple[int, int, int]
    digest: bytes
    gone: bool
    body: bytes

    @property
    def identity(self) -> Identity:
        return (self.connection, self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging came to: who is known anew, what contradicts itself, and which source went backwards."""

    changed: frozenset[str]
    """Entities about which something new is known."""
    tied: tuple[Statement, ...]
    """Equal versions with different bodies: only a fetch can tell which one holds."""
    regressed: tuple[Statement, ...]
    """Read by ourselves, and older than what we hold: the source was set back."""


_DOCUMENT = ("connection", "kind", "id", "entity", "fact", "epoch", "token", "observed", "digest", "gone", "body")


async def merge(tx: Transaction, statements: Iterable[Statement]) -> Merged:
    """Merge statements; commutative, associative and idempotent in the statements."""
    latest, tied = highest(statements)
    if not latest:
        return Merged(frozenset(), (), ())
    records: list[Row] = [
        (*s.identity, s.entity, s.fact, *s.version, s.digest, s.gone, s.body) for s in latest.values()
    ]
    changed: set[str] = set()
    regressed: list[Statement] = []
    found = await rows(tx, _SQL["merge_documents"], columns(_DOCUMENT, records))
    winners = {row[:3] for row in found if row[3]}
    for row in found:
        won, is_changed, held_epoch, held_token, held_digest, held_raised_at, was_entity = row[3:]
        if not won and row[:3] in winners:
            continue
        statement = latest[(row[0], row[1], row[2])]
        if is_changed and statement.entity is not None:
            changed.add(statement.entity)
        if is_changed and was_entity is not None:  # what it no longer is about has to be settled without it
            changed.add(was_entity)
        if held_digest is not None and _ties(statement, held_epoch, held_token, held_digest):
            tied.append(statement)
        if not won and held_token is not None and _goes_back(statement, held_epoch, held_token, held_raised_at):
            regressed.append(statement)
    return Merged(frozenset(changed), tuple(tied), tuple(regressed))


def highest(statements: Iterable[Statement]) -> tuple[dict[Identity, Statement], list[Statement]]:
    """Per document the highest version within the batch, ties broken by content, never by arrival."""
    latest: dict[Identity, Statement] = {}
    tied: list[Statement] = []
    for statement in statements:
        held = latest.get(statement.identity)
        if held is not None and _ties(statement, held.version[0], held.version[1], held.digest):
            tied.append(statement)
        if held is None or (statement.version, statement.digest) > (held.version, held.digest):
            if held is not None and statement.entity is None:
                statement = replace(statement, entity=held.entity)
            latest[statement.identity] = statement
    return latest, tied


def _ties(statement: Statement, epoch: int, token: int, body_digest: bytes) -> bool:
    """The source gave two bodies one version; our own later reading of it settles that, so it is no tie."""
    same_version = statement.version[:2] == (epoch, token)
    return same_version and statement.digest != body_digest and statement.version[2] == 0


def _goes_back(statement: Statement, epoch: int, token: int, raised_at: datetime) -> bool:
    """Read by ourselves, older than what we hold, and begun well after we held it: no message overtook it on the way."""
    epoch_read, token_read, observed = statement.version
    return epoch_read == epoch and token_read < token and observed > to_micros(raised_at + _LAG)


async def mark_dirty(tx: Transaction, entities: Iterable[str]) -> None:
    """These entities are known anew; somebody will settle them."""
    await run(tx, _SQL["mark_dirty"], _bucketed(entities))


async def mark_absent_dirty(tx: Transaction, entities: Iterable[str]) -> None:
    """Make placeholders of entities that are spoken of but unknown."""
    await run(tx, _SQL["mark_absent_dirty"], _bucketed(entities))


def _bucketed(entities: Iterable[str]) -> dict[str, object]:
    records: list[Row] = [(entity, bucket_of(entity)) for entity in sorted(set(entities))]
    return columns(("entity", "bucket"), records)


async def add_aliases(tx: Transaction, names: Sequence[tuple[str, str]]) -> None:
    """(name, entity) pairs somebody may search by."""
    if names:
        await run(tx, _SQL["add_aliases"], columns(("name", "entity"), list(names)))


async def add_evidence(tx: Transaction, records: Sequence[Row]) -> None:
    """(entity, inbox id, received at): which message spoke of which entity."""
    if records:
        await run(tx, _SQL["add_evidence"], columns(("entity", "inbox_id", "received_at"), list(records)))


async def know_connections(tx: Transaction, names: Sequence[str]) -> None:
    await run(tx, _SQL["know_connections"], {"name": list(names)})


async def open_epoch(tx: Transaction, connection: str) -> int:
    """Accept the state a source was set back to; answers its new epoch."""
    return (await rows(tx, _SQL["open_epoch"], {"connection": connection}))[0][0]
