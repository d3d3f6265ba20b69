"""Putting right what a source says: compared with what the person saw, recorded, and sent in by the inbox like any fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from crossdock.canonical.correction import Correction
from crossdock.canonical.nouns import decoder
from crossdock.govern.own import PEOPLE
from crossdock.kernel.moments import to_micros
from crossdock.promises.corrections import correctable, with_corrections
from crossdock.store import correcting, inbox, settling
from crossdock.store.database import Transaction
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.inbox import Message

_TEXT_CHARACTERS_MAX = 200


class Change(NamedTuple):
    """One field: what its source says, what the hub goes by, and what it is to go by from now on."""

    field: str
    stated: str
    held: str
    now: str


@dataclass(frozen=True, slots=True)
class Correctable:
    """A thing that people may correct; `fields` are (field, as its source says, as the hub goes by)."""

    entity: str
    fields: Sequence[tuple[str, str, str]]


class Outdated(Exception):
    """It is not what the person saw any more; nothing was changed."""


async def correctable_of(tx: Transaction, entity: str) -> Correctable | None:
    """The entity's own thing; None when nobody has said anything of it, or nothing of it may be corrected."""
    kind, connection, id_ = _named(entity)
    held = await correcting.stated(tx, connection, kind, id_)
    if held is None:
        return None
    words = [msgspec.json.decode(body, type=Correction) for body in await correcting.corrections(tx, PEOPLE, entity)]
    mine = [word for word in words if word.about == entity]
    body: Any = decoder(kind).decode(held[1])
    now = dict(correctable(kind, with_corrections(kind, body, mine) if mine else body))
    fields = [(field, stated, now[field]) for field, stated in correctable(kind, body)]
    return Correctable(entity, fields) if fields else None


def _named(entity: str) -> tuple[str, str, str]:
    """(kind, connection, id)"""
    kind, _, rest = entity.partition(":")
    connection, _, id_ = rest.partition(":")
    return kind, connection, id_


async def correct(decider: Decider, entity: str, changes: Sequence[Change], reason: str, **about: Any) -> None:
    """Go by other words from now on; `Outdated` when source or somebody else has changed what the person saw."""
    _check(changes, reason)
    kind, connection, id_ = _named(entity)
    await correcting.hold(decider.tx, connection, kind, id_)
    found = await correctable_of(decider.tx, entity)
    if found is None:
        raise NotDecidable(f"nothing of {entity} may be corrected")
    _check_seen({field: (stated, held) for field, stated, held in found.fields}, changes)
    if await correcting.under_way(decider.tx, PEOPLE, entity):
        raise Outdated("somebody has corrected it just now")
    now = await settling.now(decider.tx)
    words = [
        Correction(
            about=entity, field=each.field, was=each.stated, now=each.now, reason=reason, by=decider.by, corrected_at=now
        )
        for each in changes
    ]  # fmt: skip
    body = msgspec.json.encode({"entity": entity, "corrections": words})
    await inbox.store(decider.tx, [Message(PEOPLE, "correction", body, f"{entity}@{to_micros(now)}")])
    before, after = {c.field: c.held for c in changes}, {c.field: c.now for c in changes}
    await decider.record("correct", entity=entity, reason=reason, before=before, after=after, **about)


def _check(changes: Sequence[Change], reason: str) -> None:
    if not reason.strip() or len(reason) > _TEXT_CHARACTERS_MAX or not reason.isprintable():
        raise NotDecidable(f"say why, in at most {_TEXT_CHARACTERS_MAX} printable characters")
    if not changes:
        raise NotDecidable("nothing was changed")
    for each in changes:
        if len(each.now) > _TEXT_CHARACTERS_MAX or not (each.now == "" or each.now.isprintable()):
            raise NotDecidable(f"{each.field} holds at most {_TEXT_CHARACTERS_MAX} printable characters")


def _check_seen(now: Mapping[str, tuple[str, str]], changes: Sequence[Change]) -> None:
    for each in changes:
        if each.field not in now:
            raise NotDecidable(f"{each.field} is not for people to correct")
        if now[each.field] != (each.stated, each.held):
            raise Outdated(f"{each.field} is “{now[each.field][1]}” by now")
