"""What a translated message must be, whatever came in: kinds known, ids storable, amounts and counts possible."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, cast

import msgspec

from crossdock.canonical.nouns import FACTS
from crossdock.connect.documents import Document, Hint, Ignore
from crossdock.kernel.money import Money

KEY_LENGTH_MAX = 255
"""Characters; PostgreSQL indexes no more than 2,704 bytes of one entry, and an entry holds several keys."""
COUNT_MAX = 2**31 - 1
"""Units of one line; what an integer column of every ERP holds."""
_MAY_BE_OWED = (".on_hand", ".available")
"""Levels that go below zero where more was booked out or promised than was there."""
_BIGINT = 2**63

_ENTITY = re.compile(r"[a-z][a-z_]*:[^\s:]+:\S+")
_CURRENCY = re.compile(r"[A-Z]{3}")


def faults_in(translated: Iterable[object]) -> list[str]:
    """Everything wrong with what a translation yielded; nothing when the hub can store and use it."""
    items = list(translated)
    if not items:
        return ["it yields nothing: a message not for us is Ignore('a rule with a name')"]
    return [fault for item in items for fault in _faults(item)]


def _faults(item: object) -> Iterator[str]:
    match item:
        case Document():
            yield from _key_faults("id", item.id)
            yield from _optional_key_faults(item)
            yield from _token_faults(item.token)
            yield from _body_faults(item.kind, item.body)
        case Hint():
            if item.kind not in FACTS:
                yield f"{item.kind!r} is no kind of canonical.nouns.FACTS"
            yield from _key_faults("id", item.id)
            yield from _entity_faults(item.entity)
        case Ignore():
            if not item.rule or len(item.rule) > KEY_LENGTH_MAX:
                yield "Ignore needs the name of a rule, short enough to count by"
        case _:
            yield f"{type(item).__name__} is neither Document, Hint nor Ignore"


def _optional_key_faults(document: Document) -> Iterator[str]:
    if document.entity is not None:
        yield from _entity_faults(document.entity)
    if document.fact is not None:
        yield from _key_faults("fact", document.fact)
    if document.about:
        yield from _key_faults("about", document.about)
        if document.entity is not None:
            yield f"about {document.about[:40]!r} is looked up only where entity is None; say one of them"
    for alias in document.aliases:
        yield from _key_faults("alias", alias)


def _key_faults(name: str, key: object) -> Iterator[str]:
    if not isinstance(key, str):
        yield f"{name} is {type(key).__name__}, not str"
    elif not key.strip() or len(key) > KEY_LENGTH_MAX or not key.isprintable():
        # PostgreSQL's text can't hold a zero character at all
        yield f"{name} {key[:40]!r} ({len(key)} characters) is empty, too long or not printable"


def _entity_faults(entity: object) -> Iterator[str]:
    yield from _key_faults("entity", entity)
    if isinstance(entity, str) and not _ENTITY.fullmatch(entity):
        yield f"entity {entity[:60]!r} is not kind:connection:key; build it with origin.entity(kind, key)"


def _token_faults(token: object) -> Iterator[str]:
    if not isinstance(token, int) or isinstance(token, bool) or not 0 <= token < _BIGINT:
        yield f"token {str(token)[:40]} is no whole number from 0 to 2^63 - 1"


def _body_faults(kind: str, body: msgspec.Struct | None) -> Iterator[str]:
    shape = FACTS.get(kind)
    if shape is None:
        yield f"{kind!r} is no kind of canonical.nouns.FACTS"
    elif body is not None and type(body) is not shape:
        yield f"the body of a {kind} is {type(body).__name__}, not {shape.__name__}"
    elif body is not None:
        yield from noun_faults(body)


def noun_faults(noun: msgspec.Struct) -> Iterator[str]:
    """What is wrong with a canonical value: it must survive JSON unchanged, and hold only possible amounts and counts."""
    try:
        again = msgspec.json.decode(msgspec.json.encode(noun), type=type(noun))
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        yield f"{type(noun).__name__} does not survive JSON: {error}"
        return
    if again != noun:
        yield f"{type(noun).__name__} comes back from JSON as another value"
    yield from _value_faults(type(noun).__name__, noun)


def _value_faults(where: str, value: Any) -> Iterator[str]:
    match value:
        case Money():
            yield from _money_faults(where, cast("Money[Any]", value))
        case msgspec.Struct():
            for field in value.__struct_fields__:
                if (told := getattr(value, field)) != "" or field in _required(type(value)):
                    yield from _value_faults(f"{where}.{field}", told)
        case tuple() | list():
            for number, item in enumerate(cast("Iterable[Any]", value)):
                yield from _value_faults(f"{where}[{number}]", item)
        case bool():
            return
        case int():
            lowest = -COUNT_MAX if where.endswith(_MAY_BE_OWED) else 0
            if not lowest <= value <= COUNT_MAX:
                yield f"{where} is {str(value)[:40]}; a count is {lowest} to {COUNT_MAX}"
        case str():
            yield from _text_faults(where, value)
        case datetime():
            if value.tzinfo is None:
                yield f"{where} is a time without an offset"
        case _:
            return


@cache
def _required(noun: type[msgspec.Struct]) -> frozenset[str]:
    """The fields that have no default; an empty text is a value only in the others."""
    return frozenset(field.name for field in msgspec.structs.fields(noun) if field.required)


def _text_faults(where: str, text: str) -> Iterator[str]:
    if where.endswith((".id", ".line")) and not text:
        yield f"{where} is empty"
    if where.endswith(".currency") and not _CURRENCY.fullmatch(text):
        yield f"{where} {text[:20]!r} is no ISO 4217 code"


def _money_faults(where: str, money: Money[Any]) -> Iterator[str]:
    if not -_BIGINT <= money.minor < _BIGINT:
        yield f"{where} is beyond 64 bits of minor units"
    if not _CURRENCY.fullmatch(money.currency):
        yield f"{where} is in {money.currency[:20]!r}, which is no ISO 4217 code"
