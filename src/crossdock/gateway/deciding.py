"""What people decide by the API, as the person they signed in as: cases, mappings, stopped connections and approvals."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from crossdock.gateway.feed import channels_of
from crossdock.gateway.paging import page, paged, place_asked
from crossdock.gateway.problems import conflicting, unfit, unknown
from crossdock.gateway.returning import Text
from crossdock.gateway.route import Call, Moment, Reply
from crossdock.govern.approving import Approver, Asked, what_waits
from crossdock.govern.changing import Changing
from crossdock.govern.persons import people_of
from crossdock.kernel.money import AnyMoney
from crossdock.store import cases
from crossdock.store.approvals import Part, open_requests
from crossdock.store.cases import OpenCase
from crossdock.store.decisions import Decider, NotDecidable
from crossdock.store.events import Position

T = TypeVar("T")
_ID_END = 2**63
_ENTITIES_MAX = 1000
CASES, APPROVALS = "/v1/cases", "/v1/approvals"


class CaseTold(msgspec.Struct, frozen=True, kw_only=True):
    """Work that needs a person, everything of one cause."""

    id: int
    cause: str
    kind: str
    title: str
    remedy: str
    opened_at: Moment
    items: int
    detail: str | None
    entities: list[str]
    """At most 1,000 of those it is about."""


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty object."""


class TriedAgain(msgspec.Struct, frozen=True, kw_only=True):
    """How many promises are tried again, or messages of another system read once more."""

    tried_again: int


class Resolution(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an act that may have happened did."""

    happened: bool
    id: Text = ""
    """What the target calls it; needed when it did."""
    promise: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    """Which act, when the case has several."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The act that is in doubt no more."""

    act: str


class Mapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one of our keys is called at a connection."""

    connection: Annotated[str, Meta(min_length=1, max_length=200)]
    kind: Literal["product", "location", "tax"]
    key: Annotated[str, Meta(min_length=1, max_length=200)]
    value: Annotated[str, Meta(min_length=1, max_length=200)]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """How many promises that lets go on."""

    released: int
    waits: int | None = None
    """The request that waits for a second person, where the key had another name already; nothing is released then."""


class GoesOn(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the connection was stopped."""

    was_stopped: bool


class ApprovalAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for people's word; bound to this amount, payee and cause."""

    id: int
    order: str
    what: str
    amount: AnyMoney
    payee: str
    cause: str
    role: str
    people: int
    """How many different ones it takes."""
    approved_by: list[str]
    rejected_by: list[str]
    asked_at: Moment
    until: Moment


class ApprovalsTold(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that waits, what is due first first."""

    approvals: list[ApprovalAsked]


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's word."""

    verdict: Literal["approved", "rejected"]
    note: Text = ""


class WordTold(msgspec.Struct, frozen=True, kw_only=True):
    """A word that was recorded."""

    request: int
    verdict: Literal["approved", "rejected"]
    by: str
    expires_at: Moment
    missing: int
    """How many more people it takes."""


async def tell_cases(call: Call) -> Reply:
    """The open cases, the oldest first."""
    found = await cases.open_after(call.tx, place_asked(call, CASES).id, call.query.limit + 1, _ENTITIES_MAX)
    return paged(call, CASES, found, lambda each: Position(0, "0", each.id), _case)


def _case(case: OpenCase) -> CaseTold:
    return msgspec.convert(case, CaseTold, from_attributes=True)


async def retry_case(call: Call) -> Reply:
    again = await _decided(_decider(call).retry(_number(call.parts["case"])))
    return Reply(TriedAgain(tried_again=again.items))


async def resolve_case(call: Call) -> Reply:
    asked, case = call.asked, _number(call.parts["case"])
    if asked.happened and not asked.id:
        raise unfit("id", "say what the target calls it")
    decider = _decider(call)
    deciding = (
        decider.happened(case, asked.id, asked.promise)
        if asked.happened
        else decider.did_not_happen(case, asked.promise)
    )
    return Reply(Resolved(act=await _decided(deciding)))


async def map_key(call: Call) -> Reply:
    asked: Mapping = call.asked
    _check_connection(call, asked.connection, "connection")
    changing = Changing(call.tx, call.house.settings, _person(call))
    done = await _decided(changing.map(asked.connection, asked.kind, asked.key, asked.value))
    return Reply(Released(released=done.released, waits=done.waits))


async def release_connection(call: Call) -> Reply:
    name = call.parts["connection"]
    _check_connection(call, name, None)
    return Reply(GoesOn(was_stopped=await _decider(call).release(name)))


async def tell_approvals(call: Call) -> Reply:
    place, channels = place_asked(call, APPROVALS), channels_of(call.caller, call.house.settings)
    part = Part(limit=call.query.limit + 1, channels=channels, after=(place.at, place.id))
    waiting = await what_waits(call.tx, part)
    told, link = page(call, APPROVALS, waiting, _place, _asked)
    return Reply(ApprovalsTold(approvals=told), link=link)


def _place(asked: Asked) -> Position:
    return Position(0, "0", asked.request.id, asked.request.until)


async def decide_approval(call: Call) -> Reply:
    """Approve or reject one request, in the name of whoever is signed in."""
    wanted = _number(call.parts["approval"])
    channels = channels_of(call.caller, call.house.settings)
    if not await open_requests(call.tx, Part(id=wanted, channels=channels)):
        raise unknown(f"{wanted} is not asked for (any more); amount, payee or cause may have changed")
    people = await people_of(call.tx, call.house.settings)
    approver = Approver(call.tx, people, _person(call))
    given = await _decided(approver.decide(str(wanted), call.asked.verdict, call.asked.note))
    told = WordTold(
        request=given.request.id,
        verdict=given.verdict,
        by=given.by,
        expires_at=given.expires_at,
        missing=given.missing,
    )
    return Reply(told, given.request.entity)


def _asked(asked: Asked) -> ApprovalAsked:
    request = asked.request
    return ApprovalAsked(
        id=request.id,
        order=request.entity,
        what=request.what,
        amount=request.amount,
        payee=request.payee,
        cause=request.cause,
        role=request.role,
        people=request.people,
        approved_by=asked.approved_by,
        rejected_by=asked.rejected_by,
        asked_at=request.asked_at,
        until=request.until,
    )


def _person(call: Call) -> str:
    assert call.caller.person is not None, "only people have these rights"
    return call.caller.person


def _decider(call: Call) -> Decider:
    return Decider(call.tx, _person(call))


async def _decided(deciding: Awaitable[T]) -> T:
    try:
        return await deciding
    except NotDecidable as error:
        raise conflicting(str(error)) from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < _ID_END):
        raise unknown(f"{text[:20]!r} is no number of a case or an approval")
    return int(text)


def _check_connection(call: Call, name: str, field: str | None) -> None:
    known = call.house.settings.connections
    if name not in known:
        told = f"there is no connection {name[:100]}; connections are {', '.join(sorted(known))}"
        raise unknown(told) if field is None else unfit(field, told)
