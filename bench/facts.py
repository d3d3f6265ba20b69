"""Facts as messages in the retail language: what a stand-in tells the hub, translated as it is."""

from __future__ import annotations

import msgspec

from bench.standin import FACT, Stated
from crossdock.store.inbox import Message


def told(connection: str, entity: str, kind: str, body: msgspec.Struct, id_: str, token: int = 1) -> Message:
    """One version of one fact about an entity, told by a connection."""
    stated = Stated(kind, id_, entity, token, msgspec.Raw(msgspec.json.encode(body)))
    return Message(connection, FACT, msgspec.json.encode(stated), f"{kind}/{id_}/{token}")
