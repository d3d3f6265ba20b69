"""The connector under test with the examples beside it, which are all that the conformance kit is given.

`examples/settings.json`; `examples/messages/<topic, / as .>.json` with an optional `.headers.json`, further examples of one
topic as `<topic>.<what is special>.json`; `examples/commands/<noun>.json`, a list of bodies or {"body", "refs", "key"};
`examples/conformance.json` where the kit can't know by itself what requests do (see `Script`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from crossdock.canonical.nouns import COMMANDS, NAMES
from crossdock.connect.conformance_watch import LENGTH_MIN
from crossdock.connect.connector import Command, Connector
from crossdock.connect.documents import Origin
from crossdock.connect.secrets import Secret

ORIGIN = Origin(connection="shop", received_at=datetime(2026, 3, 1, 12, tzinfo=UTC))
_SEALED_AT = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
_HEADERS = ".headers.json"


class Unfit(ValueError):
    """The examples beside a connector can't be used; the text names the file and the remedy."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Requests by method, and by a piece of their path or body."""

    match: str
    method: str = "POST"


class Preamble(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that comes before any effect, such as a login or a look-up, and what the stand-in answers it with."""

    match: str
    method: str = "POST"
    answer: Any = None
    status: int = 200


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the kit can't know by itself: GET, HEAD and GraphQL queries only read, all other requests may have an effect.

    `safe` names further requests that only read. `preamble` lists, in the order they are looked through, those to answer so
    that a failure also meets the requests behind them. `ids` gives the id to read of each kind. `secrets` lists values of
    the answers, such as a session token, that must not show either.
    """

    preamble: tuple[Preamble, ...] = ()
    safe: tuple[Rule, ...] = ()
    ids: dict[str, str] = {}
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Message:
    """One example as the vendor sends it; `headers` have lower-case names, None when there is no example of them."""

    name: str
    topic: str
    body: bytes
    headers: Mapping[str, str] | None


@dataclass(frozen=True)
class Subject:
    """A connector and its examples, read and decoded."""

    connector: Connector[Any]
    settings: msgspec.Struct
    secrets: Mapping[str, str]
    """Every credential in the settings, and the script's, by where it stands."""
    messages: tuple[Message, ...]
    commands: Mapping[type[msgspec.Struct], tuple[Command[Any], ...]]
    script: Script

    @property
    def speaks_http(self) -> bool:
        return isinstance(getattr(self.settings, "url", None), str)


def subject_of(connector: Connector[Any], folder: Path) -> Subject:
    """Reads the examples; `Unfit` when one of them can't be."""
    if not folder.is_dir():
        raise Unfit(f"connector {connector.name} has no folder {folder}; put its examples there")
    settings = _decoded(folder / "settings.json", connector.settings)
    script = _decoded(folder / "conformance.json", Script) if (folder / "conformance.json").exists() else Script()
    secrets = dict(_secrets("settings", settings)) | {f"script.{n}": secret for n, secret in enumerate(script.secrets)}
    for field, secret in secrets.items():
        if len(secret) < LENGTH_MIN:
            raise Unfit(
                f"{field} in the examples must have {LENGTH_MIN} characters or more, to be told from other text"
            )
    messages = tuple(_messages(connector, folder / "messages"))
    return Subject(connector, settings, secrets, messages, _commands(folder / "commands"), script)


def _decoded(file: Path, shape: type[Any]) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes(), type=shape, dec_hook=_secret)
    except FileNotFoundError as error:
        raise Unfit(f"{file} is missing") from error
    except msgspec.MsgspecError as error:
        raise Unfit(f"{file}: {error}") from error


def _secret(shape: type, value: object) -> object:
    if shape is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"{shape} from {type(value).__name__}")


def _secrets(where: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case Secret():
            yield where, value.reveal()
        case msgspec.Struct():
            for field in value.__struct_fields__:
                yield from _secrets(f"{where}.{field}", getattr(value, field))
        case tuple() | list():
            for number, item in enumerate(cast("list[object]", value)):
                yield from _secrets(f"{where}.{number}", item)
        case dict():
            for key, item in cast("dict[object, object]", value).items():
                yield from _secrets(f"{where}.{key}", item)
        case _:
            return


def _messages(connector: Connector[Any], folder: Path) -> Iterator[Message]:
    for file in sorted(folder.glob("*")):
        if not file.name.endswith(_HEADERS):
            yield Message(file.stem, _topic_of(file, connector), file.read_bytes(), _headers_beside(file))


def _topic_of(file: Path, connector: Connector[Any]) -> str:
    """The longest declared topic that the file's name is or begins with."""
    names = {topic.replace("/", "."): topic for topic in connector.topics}
    fitting = [name for name in names if file.stem == name or file.stem.startswith(f"{name}.")]
    if not fitting:
        raise Unfit(f"{file.name} is an example of no declared topic; there are {', '.join(names) or 'none'}")
    return names[max(fitting, key=len)]


def _headers_beside(file: Path) -> dict[str, str] | None:
    beside = file.with_name(file.stem + _HEADERS)
    if not beside.exists():
        return None
    return {name.lower(): value for name, value in _decoded(beside, dict[str, str]).items()}


class _Example(msgspec.Struct, forbid_unknown_fields=True):
    body: msgspec.Raw
    refs: dict[str, str] = {}
    key: str | None = None


def _commands(folder: Path) -> dict[type[msgspec.Struct], tuple[Command[Any], ...]]:
    commands: dict[type[msgspec.Struct], tuple[Command[Any], ...]] = {}
    for file in sorted(folder.glob("*.json")):
        noun = COMMANDS.get(file.stem)
        if noun is None:
            raise Unfit(f"{file.name} is named after no noun of canonical.nouns.COMMANDS")
        given = _decoded(file, list[msgspec.Raw])
        commands[noun] = tuple(_command(file, noun, number, raw) for number, raw in enumerate(given, start=1))
    return commands


def _command(file: Path, noun: type[msgspec.Struct], number: int, raw: msgspec.Raw) -> Command[Any]:
    try:
        wrapped = isinstance(shape := msgspec.json.decode(raw), dict) and "body" in shape
        example = msgspec.json.decode(raw, type=_Example) if wrapped else _Example(raw)
        body = msgspec.json.decode(example.body, type=noun)
    except msgspec.MsgspecError as error:
        raise Unfit(f"{file.name}, number {number}: {error}") from error
    key = example.key or f"order:shop:{1000 + number}/{NAMES[noun]}/example/1"
    return Command(key=key, entity=key.split("/")[0], body=body, refs=example.refs, sealed_at=_SEALED_AT)


CREDENTIAL = re.compile(r"password|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
"""Names of settings that hold a credential."""
