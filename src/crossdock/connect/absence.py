"""What a complete list of a source does not hold any more, as a message of our own that any connection's inbox takes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crossdock.connect.documents import Document, Origin, Translated

ABSENT = "sweep/absent"
"""The topic; no vendor's begins so."""


class Absence(msgspec.Struct, frozen=True, kw_only=True):
    """A document that its source listed before, and neither lists nor knows any more; `token` is the version it last had."""

    kind: str
    id: str
    entity: str | None
    token: int


def absent(body: bytes, origin: Origin) -> Iterator[Translated]:
    """The document is gone, as of the read that did not find it."""
    told = msgspec.json.decode(body, type=Absence)
    yield Document(kind=told.kind, id=told.id, entity=told.entity, body=None, token=told.token)
