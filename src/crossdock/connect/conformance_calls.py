"""Everything a connector declares that calls its system, in one shape: a name, and what comes of calling it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.connect.conformance_subject import ORIGIN, Subject
from crossdock.connect.conformance_watch import Watch
from crossdock.connect.connector import Capability, Command
from crossdock.connect.documents import Document, Untranslatable
from crossdock.connect.link import Answer, Guard, Http, Link, session_within
from crossdock.connect.receipts import Outcome
from crossdock.kernel.faults import Fault, Unknown

ANSWER_SECONDS = 5.0
"""More than any answer on loopback takes, even on a busy machine."""
SILENCE_SECONDS = 0.4
"""Short enough to wait for in every check of a time-out."""


@dataclass(frozen=True)
class Call:
    """One declared function with an example to call it with."""

    name: str
    changes: bool
    """An act or a state: it may change the system."""
    make: Callable[[Link[Any]], Awaitable[list[object]]]

    async def outcomes(self, link: Link[Any]) -> list[object]:
        """What came of it, item by item; a fault of the whole call counts as the only item."""
        try:
            return await self.make(link)
        except Fault as fault:
            return [fault]


@dataclass(frozen=True)
class Sent:
    """One request as the connector asked for it."""

    method: str
    path: str
    body: object
    not_done: Collection[int]

    def __str__(self) -> str:
        return f"{self.method} {PurePosixPath(urlsplit(self.path).path)}"


class ObservedHttp(Http):
    """The real line, which also notes what it is asked to send."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.sent: list[Sent] = []

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        not_done: Collection[int] = (),
        kept_mark: str = "",
        points: int = 1,
    ) -> Answer:
        self.sent.append(Sent(method, path, body, not_done))
        return await super().send(
            method, path, body, headers=headers, safe=safe, not_done=not_done, kept_mark=kept_mark, points=points
        )


class ObservedLink(Link[Any]):
    """A link as the hub gives it, with the notes of its line within reach."""

    http: ObservedHttp

    def __init__(self, settings: msgspec.Struct, http: ObservedHttp, guard: Guard) -> None:
        super().__init__(settings, http, {}, guard)
        self.http = http


class LeaseGone(Exception):
    """What the guard of a process without its lease raises."""


def leased() -> None:
    """The guard of a process that holds its lease."""


@contextlib.asynccontextmanager
async def linked(
    settings: msgspec.Struct, watch: Watch, *, timeout_seconds: float = ANSWER_SECONDS, guard: Guard = leased
) -> AsyncGenerator[ObservedLink]:
    """A fresh link with an empty memory, closed at the end."""

    async def spend(_points: int) -> None:
        return

    async with session_within() as session:
        url = getattr(settings, "url", "") or "http://127.0.0.1:9"
        http = ObservedHttp(session, url, spend=spend, guard=guard, timeout_seconds=timeout_seconds)
        link = ObservedLink(settings, http, guard)
        watch.hear_value("the settings", settings)
        watch.hear_value("the link", link)
        yield link


def pointed_at(settings: msgspec.Struct, origin: str) -> msgspec.Struct:
    """The settings with `origin` for scheme, host and port; the path of their url stays."""
    path = urlsplit(str(getattr(settings, "url", ""))).path
    return msgspec.structs.replace(settings, url=origin + path)


def origin_of(settings: msgspec.Struct) -> str:
    """Scheme, host and port of the settings' url."""
    split = urlsplit(str(getattr(settings, "url", "")))
    return f"{split.scheme}://{split.netloc}"


async def perform(capability: Capability, commands: Sequence[Command[Any]], link: Link[Any]) -> dict[str, Outcome]:
    """The outcome of each command; one that a bulk answer leaves out is unknown by itself."""
    if capability.one is not None:
        return {command.key: await capability.one(command, link) for command in commands}
    assert capability.many is not None
    given = dict(await capability.many(commands, link))
    strange = set(given) - {command.key for command in commands}
    assert not strange, f"it answers for {sorted(strange)}, which are no keys of the commands it was given"
    left_out = {command.key: Unknown("left out of the answer") for command in commands if command.key not in given}
    return given | left_out


def calls_of(subject: Subject) -> Iterator[Call]:
    """Every act, state, find, inquiry, read and list that has an example."""
    connector = subject.connector
    for noun, capability in connector.capabilities.items():
        if commands := subject.commands.get(noun, ())[: capability.bulk]:
            yield Call(f"{capability.verb} {name_of(noun)}", True, _performing(capability, commands))
    for noun, find in connector.finders.items():
        if commands := subject.commands.get(noun):
            yield Call(f"find {name_of(noun)}", False, _finding(find, commands))
    for noun, inquire in connector.inquiries.items():
        if commands := subject.commands.get(noun):
            yield Call(f"inquire {name_of(noun)}", False, _inquiring(inquire, commands[0]))
    for kind, reads in connector.reads.items():
        if reads.read is not None:
            yield Call(f"read {kind}", False, _reading(reads.read, _an_id(subject, kind)))
        if reads.list is not None:
            yield Call(f"list {kind}", False, _reading(reads.list, ""))
        if reads.whole is not None and reads.whole is not reads.list:
            yield Call(f"list all of {kind}", False, _reading(reads.whole, ""))
        if reads.count is not None:
            yield Call(f"count {kind}", False, _counting(reads.count))
    for noun, ask in connector.asks.items():
        yield Call(f"ask {name_of(noun)}", False, _reading(ask, _an_id(subject, name_of(noun))))


def name_of(noun: type[msgspec.Struct]) -> str:
    return NAMES.get(noun, noun.__name__)


def _performing(
    capability: Capability, commands: Sequence[Command[Any]]
) -> Callable[[Link[Any]], Awaitable[list[object]]]:
    async def make(link: Link[Any]) -> list[object]:
        return list((await perform(capability, commands, link)).values())

    return make


def _finding(find: Any, commands: Sequence[Command[Any]]) -> Callable[[Link[Any]], Awaitable[list[object]]]:
    async def make(link: Link[Any]) -> list[object]:
        return [await find(commands, link)]

    return make


def _inquiring(inquire: Any, command: Command[Any]) -> Callable[[Link[Any]], Awaitable[list[object]]]:
    async def make(link: Link[Any]) -> list[object]:
        return [await inquire(command, "1", link)]

    return make


def _reading(function: Any, argument: str) -> Callable[[Link[Any]], Awaitable[list[object]]]:
    async def make(link: Link[Any]) -> list[object]:
        return [await function(argument, link)]

    return make


def _counting(count: Any) -> Callable[[Link[Any]], Awaitable[list[object]]]:
    async def make(link: Link[Any]) -> list[object]:
        return [await count(link)]

    return make


def _an_id(subject: Subject, kind: str) -> str:
    """An id to read: the script's, else one that an example message tells of."""
    if kind in subject.script.ids:
        return subject.script.ids[kind]
    for message in subject.messages:
        with contextlib.suppress(msgspec.DecodeError, Untranslatable):
            for item in subject.connector.topics[message.topic](message.body, ORIGIN):
                if isinstance(item, Document) and item.kind == kind:
                    return item.id
    return "1"
