"""The hub's own door for what people decide; it has no target, and its connections can't be configured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

import msgspec

from crossdock.canonical.correction import Correction
from crossdock.canonical.returns import Allowance, Approval, Return
from crossdock.canonical.waiver import Waiver
from crossdock.connect.conformance_documents import noun_faults
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Document, Origin, Translated, Untranslatable
from crossdock.kernel.moments import to_micros

T = TypeVar("T")

_NAME_CHARACTERS_MAX = 100
_TOKEN_END = 2**63
_DIGEST = re.compile("[0-9a-f]{32}")
_NO_DIGEST = "0" * 32
_FIELD = re.compile(r"[a-z_]+(\.[a-z_]+)*(\.\d)?")
_ENTITY = re.compile(r"[a-z][a-z_]*:[^\s:]+:\S+")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: it is the hub itself."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said of an act of one entity."""

    entity: str
    approval: Approval


connector: Connector[Settings] = Connector("people", Settings)


@connector.translate("approval")
def said(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One fact for each person, digest and entity; the person's later word replaces the earlier one."""
    word = _decoded(body, Word)
    approval = word.approval
    _check_word(word.entity, approval.digest, approval.by, approval.decided_at, approval.expires_at)
    yield Document(
        kind="approval",
        id=f"{word.entity}/{approval.digest[:16]}/{approval.by.casefold()}",
        entity=word.entity,
        body=approval,
        token=to_micros(approval.decided_at),
    )


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What one person said is left undone about one entity."""

    entity: str
    waiver: Waiver


@connector.translate("waiver")
def left_undone(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One fact for each promise as it was; a later word on the same replaces the earlier one."""
    word = _decoded(body, Left)
    waiver = word.waiver
    _check_word(word.entity, waiver.digest, waiver.by, waiver.waived_at)
    yield Document(
        kind="waiver",
        id=f"{word.entity}/{waiver.name}/{waiver.digest[:16]}",
        entity=word.entity,
        body=waiver,
        token=to_micros(waiver.waived_at),
    )


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """What one person has put right in what a source says of one entity."""

    entity: str
    corrections: tuple[Correction, ...]


@connector.translate("correction")
def put_right(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One fact for each field; a later word on the same field replaces the earlier one."""
    word = _decoded(body, Corrected)
    if not word.corrections:
        raise Untranslatable("it corrects nothing")
    for each in word.corrections:
        _check_word(word.entity, _NO_DIGEST, each.by, each.corrected_at)
        if not _FIELD.fullmatch(each.field) or not _ENTITY.fullmatch(each.about):
            raise Untranslatable(f"{each.field[:40]!r} is no field of a fact")
        yield Document(
            kind="correction",
            id=f"{each.about}/{each.field}",
            entity=word.entity,
            body=each,
            token=to_micros(each.corrected_at),
        )


class ReturnTold(msgspec.Struct, frozen=True, kw_only=True):
    """A return as the REST API has it now."""

    entity: str
    token: int
    fact: Return = msgspec.field(name="return")


class AllowanceTold(msgspec.Struct, frozen=True, kw_only=True):
    """An allowance that somebody granted by the REST API."""

    entity: str
    token: int
    fact: Allowance = msgspec.field(name="allowance")


@connector.translate("return")
def returned(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Every change of a return is a later version of the whole."""
    told = _decoded(body, ReturnTold)
    yield _document("return", told, (told.fact.number,))


@connector.translate("allowance")
def granted(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One fact for each allowance; it is never changed."""
    yield _document("allowance", _decoded(body, AllowanceTold), ())


def _document(kind: str, told: ReturnTold | AllowanceTold, names: tuple[str, ...]) -> Document:
    _check_fact(told)
    aliases = tuple({name: None for name in (told.fact.id, *names) if name})
    return Document(kind=kind, id=told.fact.id, entity=told.entity, body=told.fact, token=told.token, aliases=aliases)


def _check_fact(told: ReturnTold | AllowanceTold) -> None:
    """The API has checked it against the order; here only what no fact may be."""
    if not _ENTITY.fullmatch(told.entity) or not 0 < told.token < _TOKEN_END:
        raise Untranslatable("it needs an entity and a version")
    if fault := next(noun_faults(told.fact), None):
        raise Untranslatable(fault)
    if not told.fact.id.strip() or not told.fact.id.isprintable():
        raise Untranslatable("it needs an id")


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except RecursionError as error:
        raise Untranslatable("the message is nested too deeply") from error


def _check_word(entity: str, digest: str, by: str, *moments: datetime) -> None:
    if not _ENTITY.fullmatch(entity):
        raise Untranslatable(f"{entity[:40]!r} is no entity")
    if not _DIGEST.fullmatch(digest):
        raise Untranslatable("a person's word is bound to a digest of 32 hex digits")
    if not 0 < len(by.strip()) <= _NAME_CHARACTERS_MAX or not by.isprintable():
        raise Untranslatable("a person's word says by whom")
    if any(moment.tzinfo is None for moment in moments):
        raise Untranslatable("the times of a person's word need their offset")
