"""Documents: what each system last said of each thing, merged so that order and repetition make no difference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from crossdock.kernel.ids import bucket_of
from crossdock.kernel.moments import to_micros
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("documents")
HINT = "hint:"
"""How the kind of a document begins that says that something changed, and not how."""
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
    about: str = ""
    heard: int = 0
    """Microseconds at which the message came in: what we began to read after that shows at least as much."""
    readable: bool = False
    """Its source can be asked how it is."""

    @property
    def identity(self) -> Identity:
        return (self.connection, self.kind, self.id)

    @property
    def rank(self) -> tuple[tuple[int, int, int], bytes, str, str]:
        """What decides between statements about one document: the version, and content where that is equal."""
        return (self.version, self.digest, self.entity or "", self.about)

    @property
    def names(self) -> bool:
        """Does it say what the document belongs to?"""
        return self.entity is not None or self.about != ""


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging came to: who is known anew, what contradicts itself, and which source went backwards."""

    changed: frozenset[str]
    """Entities about which something new is known."""
    tied: tuple[Statement, ...]
    """Equal versions with different bodies, and what came late where its source was set back: only a fetch can tell."""
    regressed: tuple[Statement, ...]
    """Read by ourselves, and older than what we hold: the source was set back."""


_DOCUMENT = (
    "connection", "kind", "id", "entity", "about", "fact", "epoch", "token", "observed", "digest", "gone", "body",
)  # fmt: skip
_NAMING = ("connection", "kind", "id", "entity", "about", "epoch", "token", "observed", "digest")


async def merge(tx: Transaction, statements: Iterable[Statement]) -> Merged:
    """Merge statements; commutative, associative and idempotent in the statements."""
    latest, tied, naming = highest(statements)
    if not latest:
        return Merged(frozenset(), (), ())
    changed: set[str] = set()
    regressed: list[Statement] = []
    readable = {"readable": sorted({f"{s.connection} {s.kind}" for s in latest.values() if s.readable})}
    found = await rows(
        tx, _SQL["merge_documents"], columns(_DOCUMENT, [_record(s) for s in latest.values()]) | readable
    )
    winners = {row[:3] for row in found if row[3]}
    if unseen := _lost_to_what_was_not_seen(latest, found, winners):
        found = [row for row in found if row[:3] not in unseen]
        found += await rows(tx, _SQL["held"], columns(_DOCUMENT[:3], sorted(unseen)))
    for row in found:
        won, is_changed, held_epoch, held_token, held_digest, held_raised_at, held_observed = row[3:10]
        was_entity, decided, may_name = row[10:]
        statement = latest[(row[0], row[1], row[2])]
        if not won and row[:3] in winners:
            continue
        if held_token is not None and _may_be_forgotten(statement, (held_epoch, held_token)):
            tied.append(statement)
            continue
        if may_name and statement.names:
            naming.append(statement)
        if is_changed:  # what it no longer is about has to be settled without it
            changed |= {e for e in (decided or statement.entity, was_entity) if e is not None}
        if held_digest is not None and statement.version[:2] == (held_epoch, held_token):
            if held_observed:  # a reading of ours settles all that came before it began
                tied = [each for each in tied if each.identity != row[:3] or each.heard >= held_observed]
            if statement.digest != held_digest and _unsettled(statement, held_observed, to_micros(held_raised_at)):
                tied.append(statement)
        if not won and held_token is not None and _goes_back(statement, held_epoch, held_token, held_raised_at):
            regressed.append(statement)
    if naming:
        changed |= await _name(tx, naming)
    return Merged(frozenset(changed), tuple(tied), tuple(regressed))


def _lost_to_what_was_not_seen(
    latest: Mapping[Identity, Statement], found: Sequence[Row], winners: Collection[Identity]
) -> set[Identity]:
    """What somebody else stored while the statement waited for it: what it shows as held was held before that, or is nothing."""
    unseen = set(latest.keys() - winners)
    for row in found:
        held_epoch, held_token, held_digest, _, held_observed = row[5:10]
        statement = latest[row[:3]]
        if row[:3] in unseen and (*statement.version, statement.digest) <= (
            held_epoch,
            held_token,
            held_observed,
            held_digest,
        ):
            unseen.discard(row[:3])
    return unseen


def _record(s: Statement) -> Row:
    return (*s.identity, s.entity, s.about, s.fact, *s.version, s.digest, s.gone, s.body)


async def _name(tx: Transaction, naming: Iterable[Statement]) -> set[str]:
    """Let older versions say what documents belong to, where no newer one does; answers whose documents moved."""
    best: dict[Identity, Statement] = {}
    for statement in naming:
        held = best.get(statement.identity)
        best[statement.identity] = statement if held is None else max(held, statement, key=_rank)
    records: list[Row] = [(*s.identity, s.entity, s.about, *s.version, s.digest) for s in best.values()]
    moved = await rows(tx, _SQL["name_documents"], columns(_NAMING, records))
    return {entity for row in moved for entity in row if entity is not None}


def highest(statements: Iterable[Statement]) -> tuple[dict[Identity, Statement], list[Statement], list[Statement]]:
    """Per document the highest version within the batch, ties broken by content, never by arrival.

    Then what tied, and older statements that say what a document belongs to where the highest doesn't.
    """
    latest: dict[Identity, Statement] = {}
    naming: dict[Identity, Statement] = {}
    tied: list[Statement] = []
    for statement in statements:
        identity = statement.identity
        held = latest.get(identity)
        if held is None:  # nearly always: each document once
            latest[identity] = statement
            continue
        differs = statement.version[:2] == held.version[:2] and statement.digest != held.digest
        if differs and _unsettled(statement, held.version[2], held.heard):
            # Not the reading: what it read may have been a tie's before, which would ask nothing new.
            tied.append(held if statement.version[2] else statement)
        lower, higher = sorted((held, statement), key=_rank)
        if _may_be_forgotten(higher, lower.version):
            tied.append(higher)
            latest[identity] = lower
            continue
        latest[identity] = higher
        if lower.names:
            naming[identity] = max(naming.get(identity, lower), lower, key=_rank)
    return latest, tied, [s for identity, s in naming.items() if not latest[identity].names]


_rank = attrgetter("rank")


def _unsettled(statement: Statement, held_observed: int, held_at: int) -> bool:
    """Of two bodies under one version, a reading that began after the other was heard holds; else nobody knows.

    A clock of seconds shows two changes within one as the same, and a reading may have been under way between them.
    """
    observed = statement.version[2]
    if observed and held_observed:
        return False  # of two readings the later one
    if observed:
        return observed <= held_at
    return not held_observed or held_observed <= statement.heard


def _may_be_forgotten(statement: Statement, held: tuple[int, ...]) -> bool:
    """Told, and not read, since its source was set back, and older than what was known before: its source may hold that again,
    or it was sent before that and came late, and its source says otherwise.
    """
    epoch, token, observed = statement.version
    return statement.readable and not observed and epoch > held[0] and token < held[1]


def _goes_back(statement: Statement, epoch: int, token: int, raised_at: datetime) -> bool:
    """Read by ourselves, older than what we hold, and begun well after we held it: no message overtook it on the way."""
    epoch_read, token_read, observed = statement.version
    if 0 < statement.heard <= observed:
        return False  # the clock was put back while it was under way: when it began says nothing
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


async def add_aliases(tx: Transaction, names: Sequence[tuple[str, str]], about: Collection[str] = ()) -> None:
    """(name, entity) pairs somebody may search by, and names that documents just came in about.

    Binds the documents that are about any of them, and marks what they now belong to, and did before, dirty.
    """
    if names or about:
        records: list[Row] = list(names)
        await run(tx, _SQL["add_aliases"], columns(("name", "entity"), records) | {"about": sorted(set(about))})


async def bind_waiting(tx: Transaction) -> None:
    """Bind what waits for a name that was added while it came in: neither of the two transactions saw the other."""
    waiting = [row[0] for row in await rows(tx, _SQL["waiting_names"])]
    await add_aliases(tx, (), waiting)


async def entities_of(tx: Transaction, identities: Collection[Identity]) -> dict[Identity, str]:
    """What these documents are bound to, if anything."""
    if not identities:
        return {}
    records: list[Row] = sorted(identities)
    found = await rows(tx, _SQL["entities_of"], columns(("connection", "kind", "id"), records))
    return {(row[0], row[1], row[2]): row[3] for row in found}


async def add_evidence(tx: Transaction, records: Sequence[Row]) -> None:
    """(entity, inbox id, received at): which message spoke of which entity."""
    if records:
        await run(tx, _SQL["add_evidence"], columns(("entity", "inbox_id", "received_at"), list(records)))


async def know_connections(tx: Transaction, names: Sequence[str]) -> None:
    await run(tx, _SQL["know_connections"], {"name": list(names)})


async def open_epoch(tx: Transaction, connection: str) -> int:
    """Accept the state a source was set back to; answers its new epoch."""
    return (await rows(tx, _SQL["open_epoch"], {"connection": connection}))[0][0]
