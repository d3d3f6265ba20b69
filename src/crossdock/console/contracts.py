"""Contracts: the hub's own and partners', in versions, with owners, consumers and examples; and strange fields of traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.deciding import text_of
from crossdock.console.describing import WHOLE, pieces_of
from crossdock.console.desk import Desk
from crossdock.console.governing import said, waits_of
from crossdock.console.signing_in import Person
from crossdock.gateway import asyncapi
from crossdock.gateway.deprecating import described
from crossdock.govern.changing import Changing, ContractWanted
from crossdock.govern.compatibility import LEVELS
from crossdock.govern.registry import Registry
from crossdock.govern.released import API, EVENTS, Release, releases
from crossdock.govern.settings import Settings
from crossdock.store import callers, governing, traffic
from crossdock.store.governing import Held
from crossdock.store.traffic import Sample


@dataclass(frozen=True, slots=True)
class Row:
    """A contract in the list."""

    name: str
    version: str
    owner: str
    level: str
    consumers: list[str]
    at: datetime | None = None
    strange: int = 0
    looked_at: int = 0


async def listed(desk: Desk, asked: Asked, person: Person) -> Answered:
    async with desk.looking() as tx:
        held = await governing.contracts(tx)
        samples = await traffic.samples(tx)
        waiting = await governing.open_changes(tx)
        consumers = [each.name for each in await callers.consumers(tx) if each.ended_at is None]
    return desk.pages.page(
        "contracts.html",
        asked,
        person,
        partners=_partners(held, samples),
        own=_own(releases()[-1:], desk.settings, consumers),
        waiting=waits_of(waiting, "contract"),
        samples=samples,
        connections=sorted(desk.settings.connections),
        levels=LEVELS,
        said=said(asked),
    )


def _partners(held: list[Held], samples: list[Sample]) -> list[Row]:
    seen: Counter[tuple[str, str]] = Counter()
    looked: Counter[tuple[str, str]] = Counter()
    for each in samples:
        seen[each.whose, each.contract] += each.unknown + each.missing
        looked[each.whose, each.contract] += each.messages
    return [
        Row(
            each.name, str(each.version), each.owner, each.level, each.consumers, each.versioned_at,
            seen[each.connection, each.topic], looked[each.connection, each.topic],
        )
        for each in held
    ]  # fmt: skip


def _own(latest: list[Release], settings: Settings, consumers: list[str]) -> list[Row]:
    """The hub's own; a command is for who is asked for it, a fact for who tells it."""
    read_by: dict[str, list[str]] = {"api": consumers, "events": consumers}
    for name, each in sorted(settings.connections.items()):
        for noun in noun_names(each.connector.capabilities):
            read_by.setdefault(f"commands/{noun}", []).append(name)
        for kind in each.connector.reads:
            read_by.setdefault(f"facts/{kind}", []).append(name)
    return [
        Row(name, release.version, "Crossdock", "full_transitive", read_by.get(name, []))
        for release in latest
        for name in sorted(release.contracts, key=lambda name: ("/" in name, name))
    ]


def noun_names(capabilities: Mapping[type[msgspec.Struct], object]) -> list[str]:
    return sorted(NAMES[noun] for noun in capabilities if noun in NAMES)


async def contract(desk: Desk, asked: Asked, person: Person, name: str) -> Answered:
    """One contract: its latest version, or the one asked for, with all before it."""
    async with desk.looking() as tx:
        held = next((each for each in await governing.contracts(tx) if each.name == name), None)
        versions: list[Any] = list(await governing.versions(tx, name)) if held else _own_versions(name, desk.settings)
        fields = await traffic.fields(tx, held.connection, held.topic) if held else []
    wanted = asked.of_query("version")
    found = [each for each in versions if wanted in ("", str(each.version))]
    if not found:
        raise Denied(404, "There is no such contract", "The list of contracts names all there are.")
    latest = found[-1]
    pieces = pieces_of(name, latest.schema)
    part = asked.of_query("part")
    piece = next((each for each in pieces if each.name == part), None)
    if part and piece is None:
        raise Denied(404, "It has no such part", "The contract's page lists all there are.")
    return desk.pages.page(
        "contract.html",
        asked,
        person,
        name=name,
        held=held,
        version=latest,
        versions=versions[::-1],
        pieces=pieces,
        piece=piece,
        whole=WHOLE.get(name),
        schema=_pretty(piece.told if piece else latest.schema),
        example=None if latest.example is None else _pretty(latest.example),
        fields=fields,
    )


@dataclass(frozen=True, slots=True)
class _Released:
    version: str
    schema: Any
    example: Any
    at: datetime | None = None
    by: str = "the hub’s release"
    approved_by: str = ""


def _own_versions(name: str, settings: Settings) -> list[_Released]:
    """The registered ones, and of a description the one that this hub serves."""
    served = {API: lambda: described(settings.api.deprecated), EVENTS: asyncapi.document}.get(name)
    now = [_Released("served", msgspec.json.decode(served()), None, by="this hub, now")] if served else []
    registered = [
        _Released(each.version, each.contracts[name].schema, each.contracts[name].example)
        for each in releases()
        if name in each.contracts
    ]
    return registered + now


# The API's description is longer than anybody reads on a page; it is shown piece by piece, and served whole.
_SHOWN_CHARACTERS_MAX = 60_000


def _pretty(told: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(told), indent=2).decode()
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else text[:_SHOWN_CHARACTERS_MAX] + "\n…"


async def register(desk: Desk, asked: Asked, person: Person) -> Answered:
    """The next version of a partner's contract; it waits for somebody else where the settings say so."""
    async with desk.looking() as tx:
        registry = Registry(Changing(tx, desk.settings, person.name))
        name = text_of(asked, "name", "what it is called")
        wanted = ContractWanted(
            name=name,
            owner=text_of(asked, "owner", "who answers for it"),
            level=asked.of_form("level"),
            strict=bool(asked.of_form("strict")),
            connection=asked.of_form("connection"),
            topic=asked.of_form("topic"),
            consumers=sorted(set(asked.of_form("consumers").replace(",", " ").split())),
            version=await registry.next_version(name),
            schema=_json(asked, "schema"),
            example=_json(asked, "example") if asked.of_form("example") else None,
        )
        done = await registry.register(wanted, asked.of_form("why")[:200])
    return see(to("govern", "contracts", done="registered" if done.waits is None else "asked"))


def _json(asked: Asked, field: str) -> Any:
    try:
        return msgspec.json.decode(asked.of_form(field))
    except msgspec.DecodeError as error:
        raise Denied(422, "That is no JSON", f"The {field}: {error}") from error


async def strange(desk: Desk, asked: Asked, person: Person, whose: str) -> Answered:
    """The strange fields of one consumer or connection, by name, never by what stands in them."""
    async with desk.looking() as tx:
        samples = await traffic.samples(tx, whose)
        found = [(each, await traffic.fields(tx, each.whose, each.contract)) for each in samples]
    return desk.pages.page("traffic.html", asked, person, whose=whose, found=found)
