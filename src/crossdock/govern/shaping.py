"""Parsed TOML turned into settings types, with errors that name the key as people wrote it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from crossdock.connect.secrets import Secret

S = TypeVar("S")

_SECRET_CHARACTERS_MIN = 32
_NESTED_KEY = re.compile(r"at `key` in `\$(?P<path>.*)`$")


class BadSettings(Exception):
    """The settings can't be used; the text names the key and what to do."""


def shaped(shape: type[S], told: object, key: str) -> S:
    """What was told as this type; `BadSettings` names what doesn't fit."""
    try:
        return msgspec.convert(moments_in(told, key), shape, dec_hook=_secret(key), strict=True)
    except msgspec.ValidationError as error:
        raise BadSettings(_with_path(key, str(error))) from error


def check_long_enough(key: str, secrets: Sequence[Secret]) -> None:
    for at, secret in enumerate(secrets):
        if len(secret.reveal()) < _SECRET_CHARACTERS_MIN:
            raise BadSettings(f"{key}[{at}]: it has at least {_SECRET_CHARACTERS_MIN} characters; make a random one")


def moments_in(told: object, key: str) -> object:
    """TOML's bare dates as their first moment in UTC; a time without an offset is refused, for it names no moment."""
    match told:
        case dict():
            return {name: moments_in(each, f"{key}.{name}") for name, each in cast("dict[str, object]", told).items()}
        case list():
            return [moments_in(each, f"{key}[{at}]") for at, each in enumerate(cast("list[object]", told))]
        case datetime() if told.tzinfo is None:
            raise BadSettings(f"{key}: {told.isoformat()} has no offset; write for instance {told.isoformat()}Z")
        case date() if not isinstance(told, datetime):
            return datetime.combine(told, time(), UTC)
        case _:
            return told


def _with_path(key: str, message: str) -> str:
    """msgspec says "... - at `$.url`"; people read "connections.shop.url: ..."."""
    if nested := _NESTED_KEY.search(message):
        text = message[: nested.start()].rstrip(" -")
        return f"{key}{nested['path']}: a key of it is wrong: {text}; see docs/howto/configure.md"
    text, _, at = message.partition(" - at `$")
    return f"{key}{at.rstrip('`')}: {text}; see docs/howto/configure.md"


def _secret(key: str) -> Callable[[type, object], object]:
    def decoded(wanted: type, value: object) -> object:
        if wanted is Secret and isinstance(value, str):
            return Secret(_referenced(value, key))
        raise NotImplementedError

    return decoded


def _referenced(reference: str, key: str) -> str:
    """A secret by reference: `env:NAME` or `file:PATH`; never written in the settings themselves."""
    kind, _, where = reference.partition(":")
    match kind:
        case "env" if where in os.environ:
            return os.environ[where]
        case "env":
            raise BadSettings(f"{key}: environment variable {where} is not set; set it to the secret")
        case "file" if Path(where).is_file():
            return Path(where).read_text().strip()
        case "file":
            raise BadSettings(f"{key}: there is no file {where}; put the secret there, readable by the hub alone")
        case _:
            raise BadSettings(f'{key}: a secret is given by reference, "env:NAME" or "file:PATH", not in the settings')


def plain(value: msgspec.Struct) -> dict[str, Any]:
    """Settings as JSON has them, secrets hidden."""
    return msgspec.to_builtins(value, enc_hook=str)
