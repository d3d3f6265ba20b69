"""Which documents of a page are not held as they are listed, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from crossdock.canonical.nouns import FACTS, NAMES, decoder
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Document
from crossdock.store import sweeps
from crossdock.store.database import Transaction
from crossdock.store.drift import Difference
from crossdock.store.sweeps import Held, Pass
from crossdock.sweep.readings import Item, Stated, told_at
from crossdock.sweep.worth import at_stake

_GONE = "holds this no more"


@dataclass(frozen=True, slots=True)
class Apart:
    """A document that differs. `echo`: it is what we ourselves wrote there, heard of for the first time."""

    item: Item
    stated: Stated
    held: Held | None
    cause: str
    echo: bool = False

    @property
    def repairs(self) -> bool:
        """Hearing of it makes the hub put it right at its source."""
        return self.cause == "edited"

    @property
    def since(self) -> datetime | None:
        """When the source changed it last; of what is new, when it came about. None: it doesn't say.

        What is new may have the moment of its reading for a version, as a dispute of a list does, and is not new since then.
        """
        document = self.stated.document
        moments = (told_at(document), _came_about(document) if self.cause == "unheard" else None)
        return min((each for each in moments if each is not None), default=None)


def owned_kinds(connector: Connector[Any]) -> frozenset[str]:
    """The kinds of documents that this connection is told by us: states."""
    states = (noun for noun, capability in connector.capabilities.items() if capability.verb == "state")
    return frozenset(name for noun in states if (name := NAMES[noun]) in FACTS)


async def apart(tx: Transaction, claimed: Pass, items: Sequence[Item], connector: Connector[Any]) -> list[Apart]:
    """The documents that differ, with the cause; those heard of since the page was asked for are not among them."""
    held = await sweeps.held(tx, claimed.connection, [s.name for item in items for s in item.stated])
    found = [
        Apart(item, stated, mine, _cause(stated, mine))
        for item in items
        for stated in item.stated
        if _differs(stated, mine := held.get(stated.name), claimed)
    ]
    found = await _owned(tx, claimed, found, owned_kinds(connector))
    return await _made(tx, claimed, found, connector)


def _differs(stated: Stated, held: Held | None, claimed: Pass) -> bool:
    if held is None:
        return not stated.gone
    if held.raised_at > claimed.now:
        return False
    if not claimed.whole and stated.document.token < held.token:
        return False  # changes may be told as events, and an older one is history
    return held.gone != stated.gone or held.digest != stated.digest


def _cause(stated: Stated, held: Held | None) -> str:
    if held is None:
        return "unheard"
    if stated.gone:
        return "gone"
    return "restored" if held.gone else "changed"


async def _owned(tx: Transaction, claimed: Pass, found: Sequence[Apart], owned: Iterable[str]) -> list[Apart]:
    """What we keep in step there ourselves is either as we wrote it, or somebody edited it."""
    written: dict[tuple[str, str], list[bytes]] = {}
    for kind in owned:
        entities = {a.stated.document.entity for a in found if a.stated.document.kind == kind}
        told = await sweeps.written_of(tx, claimed.connection, kind, sorted(e for e in entities if e))
        written |= {(kind, entity): bodies for entity, bodies in told.items()}
    return [_as_owned(each, written) for each in found]


def _as_owned(each: Apart, written: Mapping[tuple[str, str], Sequence[bytes]]) -> Apart:
    document = each.stated.document
    bodies = written.get((document.kind, document.entity or ""))
    if bodies is None or document.body is None:
        return each
    echo = any(decoder(document.kind).decode(body) == document.body for body in bodies)
    return Apart(each.item, each.stated, each.held, each.cause if echo else "edited", echo)


async def _made(tx: Transaction, claimed: Pass, found: Sequence[Apart], connector: Connector[Any]) -> list[Apart]:
    """What came of our own acts is no news, nor what may have come of one whose outcome isn't known yet."""
    shows = [NAMES[noun] for noun in connector.reads[claimed.kind].shows]
    new = [each for each in found if each.cause == "unheard" and each.stated.document.kind == claimed.kind]
    named = [(entity, each.stated.document.id) for each in new if (entity := each.stated.document.entity)]
    ours = await sweeps.made_by_acts(tx, claimed.connection, shows, named)
    made = {id(each) for each in new if each.stated.document.id in ours}
    return [replace(each, echo=True) if id(each) in made else each for each in found]


async def noted(tx: Transaction, claimed: Pass, found: Sequence[Apart], grace: timedelta) -> list[Difference]:
    """The differences as `crossdock drift` lists them; what is younger than `grace` may still be on its way to us."""
    late = claimed.now - grace
    told = [each for each in found if not each.echo and ((since := each.since) is None or since <= late)]
    here = await sweeps.held_bodies(tx, claimed.connection, [each.stated.name for each in told if each.held])
    return [_difference(claimed, each, here.get(each.stated.name)) for each in told]


def _difference(claimed: Pass, each: Apart, body: bytes | None) -> Difference:
    document = each.stated.document
    held = _decoded(document.kind, body)
    stake = at_stake(document.body, held)
    return Difference(
        run=claimed.run,
        connection=claimed.connection,
        kind=document.kind,
        thing=document.id,
        entity=document.entity or (each.held.entity if each.held else None),
        cause=each.cause,
        since=each.since,
        minor=stake.minor if stake else None,
        currency=stake.currency if stake else None,
        detail=_detail(document.body, held),
    )


def _decoded(kind: str, body: bytes | None) -> Any:
    return msgspec.json.decode(body, type=FACTS[kind]) if body else None


def _came_about(document: Document) -> datetime | None:
    fields = document.body.__struct_fields__ if document.body is not None else ()
    moments = [getattr(document.body, name) for name in fields if name.endswith("ed_at")]
    return next((moment for moment in moments if isinstance(moment, datetime)), None)


def _detail(stated: Any, held: Any) -> str:
    """The fields that differ, by name: their values may be personal."""
    if stated is None:
        return _GONE
    if held is None or type(stated) is not type(held):
        return ""
    names = [name for name in stated.__struct_fields__ if getattr(stated, name) != getattr(held, name)]
    return ", ".join(names)
