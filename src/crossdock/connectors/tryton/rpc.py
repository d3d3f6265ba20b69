"""Tryton's JSON-RPC: one login per process, typed rows, and errors in HTTP 200 read as faults."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, get_args

import msgspec

from crossdock.connect.link import Answer, Link
from crossdock.connect.secrets import Secret
from crossdock.connectors.tryton.system import Settings
from crossdock.kernel.faults import Fault, Refused, Rejected, Transient, Unknown

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)
Where = Sequence[Any]
"""A domain in Tryton's prefix notation: `[["code", "in", ["A"]]]`."""
Values = dict[str, Any]
"""A record's fields as `create` and `write` take them."""


class Amount(msgspec.Struct, frozen=True):
    """Tryton's decimal on the wire."""

    decimal: str

    @property
    def value(self) -> Decimal:
        return Decimal(self.decimal)


class Day(msgspec.Struct, frozen=True):
    """Tryton's date on the wire."""

    year: int
    month: int
    day: int

    @property
    def value(self) -> date:
        return date(self.year, self.month, self.day)


class Code(msgspec.Struct, frozen=True):
    """What a record is known by, read through a relation."""

    code: str | None


def as_amount(value: Decimal) -> Values:
    return {"__class__": "Decimal", "decimal": str(value)}


def as_day(value: date) -> Values:
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


# --- calls -------------------------------------------------------------------------------------------------------------


async def rows(
    link: Link[Settings],
    model: str,
    where: Where,
    shape: type[R],
    *,
    order: Where | None = None,
    limit: int | None = None,
    **context: Any,
) -> list[R]:
    """The records of a model that fit, with exactly the fields of `shape`."""
    asked = [where, 0, limit, order, fields_of(shape)]
    return await ask(link, f"model.{model}.search_read", list[shape], *asked, **context)


async def ask(link: Link[Settings], method: str, shape: type[T], *params: Any, **context: Any) -> T:
    """Call a method that only reads."""
    return await _called(link, method, shape, params, context, safe=True)


async def change(link: Link[Settings], method: str, *params: Any, **context: Any) -> Any:
    """Call a method that may change something; takes its turn among this process's writers."""
    # Tryton answers 503 under row contention, seen at 4 clients, and SQLite has one writer anyway.
    turn: asyncio.Semaphore = link.memory.setdefault("turn", asyncio.Semaphore(link.settings.writers))
    async with turn:
        return await _called(link, method, object, params, context, safe=False)


async def write(link: Link[Settings], model: str, changes: Sequence[tuple[int, Values]], **context: Any) -> None:
    """Write many records in one call and one transaction."""
    if changes:
        await change(link, f"model.{model}.write", *(part for id_, new in changes for part in ([id_], new)), **context)


async def confirm(link: Link[Settings], warning: Warned) -> None:
    """Answer a warning with yes, for the next try only."""
    await change(link, "model.res.user.warning.skip", warning.name, False)


@cache
def fields_of(shape: type[msgspec.Struct]) -> list[str]:
    """The fields a row type needs; one named `lines.` is read through the relation, into the row type it holds."""
    names: list[str] = []
    for field in msgspec.structs.fields(shape):
        name = field.encode_name
        names += [f"{name}{inner}" for inner in fields_of(_row_in(field.type))] if name.endswith(".") else [name]
    return names


def _row_in(held: Any) -> type[msgspec.Struct]:
    """The row type inside `Row`, `Row | None` or `tuple[Row, ...]`."""
    inner = [part for part in get_args(held) if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    return inner[0] if inner else held


# --- the session -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignedIn:
    """A session and the context its user's preferences give."""

    authorization: Secret
    context: Values


class _Reply(msgspec.Struct):
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: Any = None


async def _called(
    link: Link[Settings], method: str, shape: type[T], params: Sequence[Any], context: Values, *, safe: bool
) -> T:
    signed = await _signed_in(link)
    try:
        answer = await _post(link, signed, method, params, context, safe=safe)
    except Refused:
        # The session has run out, or was idle for the 5 minutes after which `post` wants a fresh one: nothing was done.
        signed = await _signed_in(link, instead_of=signed)
        answer = await _post(link, signed, method, params, context, safe=safe)
    return _result(answer, method, shape)


async def _post(
    link: Link[Settings], signed: SignedIn, method: str, params: Sequence[Any], context: Values, *, safe: bool
) -> Answer:
    request = {"id": 1, "method": method, "params": [*params, {**signed.context, **context}]}
    headers = {"Authorization": signed.authorization.reveal()}
    # 503: the database refused the transaction (a lock, a serialization failure) and rolled it back.
    not_done = () if safe else (503,)
    return await link.http.post(_path(link), request, headers=headers, safe=safe, not_done=not_done)


async def _signed_in(link: Link[Settings], instead_of: SignedIn | None = None) -> SignedIn:
    """The session this process shares; a login costs about a second, so whoever needs one first signs in for all."""
    lock: asyncio.Lock = link.memory.setdefault("sign_in", asyncio.Lock())
    async with lock:
        signed: SignedIn | None = link.memory.get("signed_in")
        if signed is None or signed is instead_of:
            link.memory.pop("signed_in", None)
            signed = await _sign_in(link)
            link.memory["signed_in"] = signed
        return signed


async def _sign_in(link: Link[Settings]) -> SignedIn:
    user = link.settings.user
    parameters = {"password": link.settings.password.reveal()}
    login = {"id": 1, "method": "common.db.login", "params": [user, parameters]}
    answer = await link.http.post(_path(link), login, safe=True)
    uid, token, *_ = _result(answer, "login", list[Any])
    secret = base64.b64encode(f"{user}:{uid}:{token}".encode()).decode()
    bare = SignedIn(Secret(f"Session {secret}"), {})
    method = "model.res.user.get_preferences"
    context = _result(await _post(link, bare, method, [True], {}, safe=True), method, dict[str, Any])
    return SignedIn(bare.authorization, context)


def _path(link: Link[Settings]) -> str:
    return f"/{link.settings.database}/rpc/"


# --- answers -----------------------------------------------------------------------------------------------------------


def _result(answer: Answer, method: str, shape: type[T]) -> T:
    if answer.status == 404:
        raise Refused(f"HTTP 404: no such Tryton database at this address; check url and database ({method})")
    if not answer.ok:
        raise answer.rejected()
    reply = answer.decode(_Reply)
    if reply.error is not None:
        raise fault_in(reply.error, method)
    if isinstance(reply.result, msgspec.UnsetType):
        raise _unreadable(answer, method, "neither a result nor an error")
    try:
        return msgspec.json.decode(reply.result, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # msgspec lets Python's own two out
        raise _unreadable(answer, method, str(error)) from error


def _unreadable(answer: Answer, method: str, why: str) -> Fault:
    detail = f"{method} answered something else than Tryton does: {why}"
    return Transient(detail) if answer.safe else Unknown(detail)


class Warned(Rejected):
    """A warning asks a person whether to go on. The hub has nobody to ask and must not nod, so it is a refusal, unless the
    caller knows this very warning's answer (`confirm`)."""

    def __init__(self, detail: str, name: str) -> None:
        super().__init__(detail)
        self.name = name


def fault_in(error: Any, method: str) -> Fault:
    """What an error in an answer means. Tryton rolled the call's transaction back, so what it refused wasn't done."""
    match error:
        case ["UserError", [str(message), *more]]:
            return Rejected(_sentence(message, more))
        case ["UserWarning", [str(name), str(message), *more]]:
            return Warned(f"Tryton warns: {_sentence(message, more)}", name)
        case ["ConcurrencyException", *_]:
            return Transient(f"{method}: somebody changed the record meanwhile")
        case ["LoginException", *_]:
            return Refused(f"{method}: Tryton wants another credential than the password")
        case [str(message), *_]:  # a Python exception in the server: a field, a module or a right that isn't there
            return Rejected(f"Tryton failed at {method}: {message[:500]}")
        case _:
            return Rejected(f"Tryton failed at {method}: {str(error)[:500]}")


def _sentence(message: str, more: Sequence[Any]) -> str:
    description = more[0] if more and isinstance(more[0], str) else ""
    return f"{message} {description}".strip()[:1000]
