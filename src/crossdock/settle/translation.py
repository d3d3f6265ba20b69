"""The inbox translated: each message once, into documents; what can't be translated is kept aside with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import msgspec

from crossdock.canonical.lookup import Lookup
from crossdock.canonical.nouns import FACTS
from crossdock.connect.absence import ABSENT, absent
from crossdock.connect.connector import Connector, Translate
from crossdock.connect.documents import Document, Hint, Ignore, Untranslatable
from crossdock.kernel.ids import digest
from crossdock.kernel.moments import system_clock, to_micros
from crossdock.observe.checkpoints import reach
from crossdock.settle import seeing
from crossdock.store import documents, inbox
from crossdock.store.brakes import Brake, apply_brake
from crossdock.store.database import Database, Row, Transaction
from crossdock.store.documents import HINT, Statement
from crossdock.store.fronts import Front
from crossdock.store.inbox import Fate, Outcome, Pending

Connectors = Mapping[str, Connector[msgspec.Struct]]
"""The connectors by the names of their connections."""

_OWN: Mapping[str, Translate] = {ABSENT: absent}
"""What the hub itself finds out about any source."""
_GONE = b""
_TOKEN_MIN, _TOKEN_MAX = -(2**63), 2**63 - 1
_NUL = b"\\u0000"  # as JSON writes it
# Three names make a command's key, and an index entry has room for 2,700 bytes.
_NAME_BYTES_MAX = 400


@dataclass
class Batch:
    """What a batch of messages came to."""

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    statements: list[Statement] = field(default_factory=list[Statement])
    aliases: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    evidence: list[Row] = field(default_factory=list[Row])

    @property
    def about(self) -> set[str]:
        """The names that documents of this batch are about."""
        return {statement.about for statement in self.statements if statement.about}


def translate(messages: Sequence[Pending], connectors: Connectors) -> Batch:
    """Translate messages; pure, and none of them can spoil another."""
    batch = Batch()
    for message in messages:
        _translate_one(message, connectors, batch)
    return batch


def _translate_one(message: Pending, connectors: Connectors, batch: Batch) -> None:
    connector = connectors.get(message.connection)
    function = (connector.topics.get(message.topic) or _OWN.get(message.topic)) if connector else None
    if connector is None or function is None:
        reason = f"topic {message.topic} of connection {message.connection} has no translation"
        batch.outcomes.append(_quarantined(message, reason))
        return
    origin = connector.origin(message.connection, message.received_at, message.observed)
    try:
        found = list(function(message.body, origin))
        statements = [_statement(each, message, connector) for each in found if not isinstance(each, Ignore)]
    except (msgspec.ValidationError, msgspec.DecodeError, Untranslatable) as error:
        batch.outcomes.append(_quarantined(message, str(error)))
        return
    except Exception as error:  # noqa: BLE001  # a connector's bug may cost its message, never the messages beside it
        batch.outcomes.append(_quarantined(message, f"the translation failed: {type(error).__name__}: {error}"))
        return
    batch.statements.extend(statements)
    for each in found:
        if isinstance(each, Document) and each.entity is not None:
            entity = each.entity
            batch.aliases.extend((name, entity) for name in each.aliases)
    # What belongs to nothing yet is found by its own key.
    about = {s.entity or f"{s.kind}:{s.connection}:{s.id}" for s in statements}
    batch.evidence.extend((entity, message.id, message.received_at) for entity in sorted(about))
    batch.outcomes.append(_fate(message, found))


def _quarantined(message: Pending, reason: str) -> Outcome:
    return Outcome(message, Fate.QUARANTINED, reason[:500].replace("\0", "␀"))


def _fate(message: Pending, found: Sequence[Document | Hint | Ignore]) -> Outcome:
    if found and all(isinstance(each, Ignore) for each in found):
        rules = ", ".join(sorted({each.rule for each in found if isinstance(each, Ignore)}))
        return Outcome(message, Fate.IGNORED, rules)
    if not found:
        return Outcome(message, Fate.IGNORED, "nothing_to_say")
    return Outcome(message, Fate.TRANSLATED)


def _statement(each: Document | Hint, message: Pending, connector: Connector[msgspec.Struct]) -> Statement:
    match each:
        case Hint():
            _check_names(each.kind, each.id, each.entity)
            reason = (message.epoch, to_micros(message.heard_at))
            stored = (message.epoch, to_micros(message.received_at))
            return hint(message.connection, each.kind, each.id, each.entity, reason, stored=stored)
        case Document():
            if each.kind not in FACTS:
                raise Untranslatable(f"{each.kind!r} is no fact noun")
            _check_names(each.id, each.entity or "", each.fact or "", each.about, *each.aliases)
            if not _TOKEN_MIN <= each.token <= _TOKEN_MAX:
                raise Untranslatable(f"{each.kind} {each.id} has a version of more than 64 bits")
            body = _GONE if each.body is None else msgspec.json.encode(each.body)
            if _NUL in body:  # its SKUs, numbers and names become keys and titles, too
                raise Untranslatable(f"{each.kind} {each.id} holds a NUL character")
            heard = to_micros(message.heard_at)
            return Statement(
                message.connection,
                each.kind,
                each.id,
                each.entity,
                each.fact or f"{each.kind}:{message.connection}:{each.id}",
                (message.epoch, each.token, min(message.observed, heard)),  # nothing is read after it was heard
                digest(body),
                each.body is None,
                body,
                each.about if each.entity is None else "",
                heard,
                _is_readable(connector, each.kind),
            )


def _is_readable(connector: Connector[msgspec.Struct], kind: str) -> bool:
    reads = connector.reads.get(kind)
    return reads is not None and reads.read is not None


def _check_names(*names: str) -> None:
    """Names become keys: PostgreSQL takes no NUL in text and no kilobytes in an index."""
    for name in names:
        if "\0" in name or len(name.encode()) > _NAME_BYTES_MAX:
            raise Untranslatable(f"{name[:40]!r} can't be a name: NUL characters or more than {_NAME_BYTES_MAX} bytes")


def hint(
    connection: str,
    kind: str,
    id_: str,
    entity: str,
    reason: tuple[int, int],
    mark: str = "",
    stored: tuple[int, int] | None = None,
) -> Statement:
    """A statement that something changed, kept beside the documents; `reason` is (epoch, token of this hint).

    Every later hint is a new reason to fetch; `mark` keeps hints of different sorts apart. `stored` is what it is known by
    where its token may be dated back.
    """
    body = msgspec.json.encode(Lookup(kind=kind, id=id_))
    name = f"{HINT}{kind}"
    own = digest(body + repr(stored or reason).encode())
    return Statement(
        connection, name, id_ + mark, entity, f"{name}:{connection}:{id_}{mark}", (*reason, 0), own, False, body
    )


async def translate_pending(
    database: Database, connectors: Connectors, limit: int, front: Front[datetime] | None = None
) -> int:
    """Translate the oldest pending messages in one transaction; answers how many."""
    async with database.transaction() as tx:
        since = await front.found(partial(inbox.front, tx)) if front else None
        messages = await inbox.take_pending(tx, limit, since)
        if not messages:
            return 0
        batch = translate(messages, connectors)
        merged = await documents.merge(tx, batch.statements)
        changed = set(merged.changed)
        await documents.add_aliases(tx, batch.aliases, batch.about)
        if merged.tied:
            bound = await documents.entities_of(tx, {tied.identity for tied in merged.tied})
            hints = [_refetch(tied, bound[tied.identity]) for tied in merged.tied if tied.identity in bound]
            changed |= (await documents.merge(tx, hints)).changed
        await documents.add_evidence(tx, batch.evidence)
        above = await seeing.followed(tx, batch.outcomes, batch.evidence)
        await inbox.record_outcomes(tx, batch.outcomes)
        if merged.regressed:
            await _brake_regressed(tx, merged.regressed)
        if changed:
            await documents.mark_dirty(tx, changed)
        reach("translate:before_commit")
    reach("translate:after_commit")
    seeing.translated(batch.outcomes, batch.evidence, above, system_clock())
    return len(messages)


def _refetch(tied: Statement, entity: str) -> Statement:
    """The source has to be asked which of two holds. Named by what tied, so that a repeat asks nothing new."""
    return hint(tied.connection, tied.kind, tied.id, entity, tied.version[:2], mark=f"@tie:{tied.digest.hex()[:8]}")


async def _brake_regressed(tx: Transaction, regressed: Sequence[Statement]) -> None:
    """A source that shows older versions than it did was set back; a person says how to go on."""
    for connection in sorted({statement.connection for statement in regressed}):
        first, *others = [s for s in regressed if s.connection == connection]
        reason = f"{first.kind} {first.id} and {len(others)} more were read in older versions than they had"
        await apply_brake(tx, Brake(connection, "regression", reason))
