"""Traffic held against its contracts, a sample at a time: which fields come in that nobody knows, and which don't that should."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import msgspec

from crossdock.connect.connector import Connector
from crossdock.govern.compatibility import Schema
from crossdock.govern.settings import Settings
from crossdock.govern.strangers import learnt, strangers
from crossdock.store import governing, traffic
from crossdock.store.database import Database, Transaction
from crossdock.store.traffic import Message, Strange

_EVERY_SECONDS = 15.0
# So many messages a look at most, so many of one topic, none longer: a look takes some 50 ms, whatever comes in.
_MESSAGES_MAX = 300
_OF_A_TOPIC_MAX = 20
_BYTES_MAX = 256 * 1024
_REFUSED_SECONDS = 1.0
_CALLERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known of the messages of each connection and topic: registered contracts, else the connector's examples."""

    registered: Mapping[tuple[str, str], Schema]
    connectors: Mapping[str, Connector[Any]]

    def schema(self, message: Message) -> Schema | None:
        """None where nothing is known to compare with."""
        if found := self.registered.get((message.connection, message.topic)):
            return found
        connector = self.connectors.get(message.connection)
        return shown_by_examples(connector, message.topic) if connector else None


def shown_by_examples(connector: Connector[Any], topic: str) -> Schema | None:
    """What the examples beside a connector show of a topic: what its translation was tested with."""
    return _learnt_from(str(_folder_of(connector)), topic.replace("/", "."))


def _folder_of(connector: Connector[Any]) -> Path:
    """The settings stand in the connector's own folder, or in a module of it."""
    module = sys.modules[connector.settings.__module__]
    return Path(str(module.__file__)).parent / "examples" / "messages"


@cache
def _learnt_from(folder: str, name: str) -> Schema | None:
    found = sorted({*Path(folder).glob(f"{name}.json"), *Path(folder).glob(f"{name}.*.json")})
    files = [each for each in found if not each.name.endswith(".headers.json")]
    examples = [read for file in files if (read := _json(file.read_bytes())) is not None]
    return learnt(examples) if examples else None


def _json(body: bytes) -> Any:
    """An object or a list; None for what is none."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return cast("Any", told) if isinstance(told, dict | list) else None


@dataclass
class Notes:
    """What was found of some messages."""

    sampled: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    strange: Counter[Strange] = field(default_factory=Counter[Strange])

    def take(self, whose: str, contract: str, told: Any, schema: Schema) -> None:
        self.sampled[whose, contract] += 1
        self.strange.update(Strange(whose, contract, path, what) for path, what in strangers(told, schema))


def compared(messages: Iterable[Message], knowledge: Knowledge) -> Notes:
    """Messages held against what is known of them; pure."""
    notes = Notes()
    for message in messages:
        schema, told = knowledge.schema(message), _json(message.body)
        if schema is not None and told is not None:
            notes.take(message.connection, message.topic, told, schema)
    return notes


async def look(database: Database, settings: Settings, seconds: float = _EVERY_SECONDS) -> int:
    """Look at what came in since anybody looked last, when it is time; answers how many messages."""
    async with database.transaction() as tx:
        since = await traffic.turn(tx, seconds)
        if since is None:
            return 0
        messages = await traffic.recent(tx, since, _MESSAGES_MAX, _OF_A_TOPIC_MAX, _BYTES_MAX)
        connectors = {name: each.connector for name, each in settings.connections.items()}
        notes = compared(messages, Knowledge(await governing.watched(tx), connectors))
        if notes.sampled:
            await traffic.note(tx, notes.sampled, notes.strange)
    return sum(notes.sampled.values())


@dataclass
class Refusals:
    """Bodies that the API refused, held against what it takes; of each caller and request one a second."""

    _latest: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])

    async def note(self, tx: Transaction, whose: str, request: str, body: bytes, shape: type[msgspec.Struct]) -> None:
        now = time.monotonic()
        if now - self._latest.get((whose, request), -_REFUSED_SECONDS) < _REFUSED_SECONDS:
            return
        if len(self._latest) >= _CALLERS_MAX:
            self._latest.clear()
        self._latest[whose, request] = now
        told, notes = _json(body[:_BYTES_MAX]), Notes()
        if told is not None:
            notes.take(whose, request, told, _asked(shape))
            await traffic.note(tx, notes.sampled, notes.strange)


@cache
def _asked(shape: type[msgspec.Struct]) -> Schema:
    return msgspec.json.schema(shape)
