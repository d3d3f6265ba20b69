"""A channel without a system of its own to ask: partners submit its orders by the hub's API, and follow them there."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crossdock.canonical.order import Order
from crossdock.connect.conformance_documents import noun_faults
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Document, Origin, Translated, Untranslatable

_TOKEN_END = 2**63


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """None: what its consumers may is said with `crossdock consumer`."""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its partner has it now."""

    token: int
    order: Order


connector: Connector[Settings] = Connector("partner", Settings)


@connector.translate("order")
def submitted(body: bytes, origin: Origin) -> Iterator[Translated]:
    """Every submission of an order is a later version of the whole."""
    try:
        told = msgspec.json.decode(body, type=Submitted)
    except RecursionError as error:
        raise Untranslatable("the message is nested too deeply") from error
    if not 0 < told.token < _TOKEN_END:
        raise Untranslatable("it needs a version")
    if fault := next(noun_faults(told.order), None):
        raise Untranslatable(fault)
    if not told.order.id.strip() or not told.order.id.isprintable():
        raise Untranslatable("it needs an id")
    yield Document(
        kind="order",
        id=told.order.id,
        entity=origin.entity("order", told.order.id),
        body=told.order,
        token=told.token,
        aliases=tuple({name: None for name in (told.order.id, told.order.number) if name}),
    )
