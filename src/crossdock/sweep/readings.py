"""What a list says, translated as the inbox would, to be compared before anything is stored. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.documents import Document, Reading, Untranslatable
from crossdock.kernel.ids import digest
from crossdock.kernel.moments import from_micros
from crossdock.sweep.tree import item_of


@dataclass(frozen=True, slots=True)
class Stated:
    """One document of a reading."""

    document: Document
    digest: bytes
    is_own: bool
    """It is the thing itself, and not evidence of one of another id: what a list shows."""

    @property
    def name(self) -> tuple[str, str]:
        return (self.document.kind, self.document.id)

    @property
    def gone(self) -> bool:
        return self.document.body is None


@dataclass(frozen=True, slots=True)
class Item:
    """A reading of a connection and what it states; `unreadable` where the inbox will set it aside."""

    reading: Reading
    stated: tuple[Stated, ...]
    unreadable: bool = False


class Listed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is kept of one document of a page: enough to tell whether it differs, and what to read again if so.

    A reading that states no document is kept under an empty kind, for it counts; so is what was paged and has no reading.
    """

    reading: str
    kind: str
    id: str
    item: int
    under: str = ""

    @property
    def counted_as(self) -> str:
        return self.under or self.reading


def items_of(
    readings: Iterable[Reading], connector: Connector[Any], connection: str, now: datetime, observed: int
) -> list[Item]:
    """The readings of a page with the documents they come to; `observed` is when it was asked for, in microseconds."""
    origin = connector.origin(connection, now, observed)
    found: list[Item] = []
    for reading in readings:
        translate = connector.topics.get(reading.topic)
        try:
            told = list(translate(reading.body, origin)) if translate else []
            stated = tuple(_stated(each, connection) for each in told if isinstance(each, Document))
            found.append(Item(reading, stated, unreadable=translate is None))
        except (msgspec.ValidationError, msgspec.DecodeError, Untranslatable):
            found.append(Item(reading, (), unreadable=True))
        except Exception:  # noqa: BLE001  # a connector's bug: the inbox sets the reading aside with its reason
            found.append(Item(reading, (), unreadable=True))
    return found


# A token between these is a time in microseconds; others count something else.
_CLOCKS = range(946_684_800_000_000, 4_102_444_800_000_000)


def told_at(document: Document) -> datetime | None:
    """When its source changed it last, where its versions are times."""
    return from_micros(document.token) if document.token in _CLOCKS else None


def _stated(document: Document, connection: str) -> Stated:
    own = document.fact in (None, f"{document.kind}:{connection}:{document.id}")
    return Stated(document, digest(b"" if document.body is None else msgspec.json.encode(document.body)), own)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Listed])


def kept(items: Sequence[Item], kinds: Sequence[str], bare: Sequence[str] = ()) -> bytes:
    """What a page listed of these kinds, and what it paged that has nothing of them."""
    listed = [each for item in items for each in _listed(item, kinds)]
    return _ENCODER.encode([*listed, *(Listed("", "", "", 0, id_) for id_ in bare)])


def listed_in(part: bytes) -> list[Listed]:
    return _DECODER.decode(part)


def _listed(item: Item, kinds: Sequence[str]) -> list[Listed]:
    id_, under = item.reading.id, item.reading.under
    found = [
        Listed(id_, s.document.kind, s.document.id, item_of(s.document.id, s.digest), under)
        for s in item.stated
        if s.document.kind in kinds and s.is_own and not s.gone
    ]
    return found or [Listed(id_, "", "", 0, under)]
