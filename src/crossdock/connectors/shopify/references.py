"""Showing the ERP's number of a sale on its order, as the metafield `crossdock.erp_order`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from crossdock.canonical.order import OrderReference
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.shopify.graphql import UserError, ask
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import gid
from crossdock.kernel.faults import Missing, Rejected

METAFIELDS_MAX = 25
"""As many as one `metafieldsSet` takes."""


class _Owner(msgspec.Struct, rename="camel"):
    legacy_resource_id: str | None = None


class _Metafield(msgspec.Struct):
    id: str
    value: str
    owner: _Owner


class _Payload(msgspec.Struct, rename="camel"):
    metafields: list[_Metafield] | None
    user_errors: list[UserError]


class _Set(msgspec.Struct, rename="camel"):
    metafields_set: _Payload | None


async def show_references(commands: Sequence[Command[OrderReference]], link: Link[Settings]) -> Mapping[str, Outcome]:
    """Set them all; Shopify does none when one is wrong, so the wrong ones are taken out and the others sent again."""
    outcomes = dict[str, Outcome]()
    waiting = list[Command[OrderReference]]()
    for command in commands:
        if "sale.number" in command.refs:
            waiting.append(command)
        else:
            missing = Missing("sale.number", command.entity)
            outcomes[command.key] = Rejected("the sale has no number yet", field="number", missing=missing)
    while waiting:
        payload = await _set(waiting, link)
        wrong = _wrong(payload.user_errors, waiting)
        if not wrong:
            return outcomes | _confirmed(payload.metafields or [], waiting)
        outcomes |= wrong
        waiting = [command for command in waiting if command.key not in wrong]
    return outcomes


async def _set(commands: Sequence[Command[OrderReference]], link: Link[Settings]) -> _Payload:
    metafields = [
        {
            "ownerId": gid("Order", command.body.order),
            "namespace": "crossdock",
            "key": "erp_order",
            "type": "single_line_text_field",
            "value": command.refs["sale.number"],
        }
        for command in commands
    ]
    answer = await ask("MetafieldsSet", {"metafields": metafields}, _Set, link, safe=False)
    return answer.metafields_set or _Payload(None, [])


def _wrong(errors: Sequence[UserError], commands: Sequence[Command[OrderReference]]) -> dict[str, Outcome]:
    """Which commands the errors are about; an error that names none is about all of them."""
    rejected = dict[str, Outcome]()
    for error in errors:
        at = _position(error)
        blamed = commands if at is None or at >= len(commands) else (commands[at],)
        for command in blamed:
            rejected.setdefault(command.key, error.rejected())
    return rejected


def _position(error: UserError) -> int | None:
    """Which item an error is about: told as an index, or as the path `metafields / 3 / value`."""
    if error.element_index is not None:
        return error.element_index
    if error.field and len(error.field) > 1 and error.field[1].isdigit():
        return int(error.field[1])
    return None


def _confirmed(metafields: Sequence[_Metafield], commands: Sequence[Command[OrderReference]]) -> dict[str, Outcome]:
    """By the order each metafield is on: one that is missing from the answer stays unknown by itself."""
    written = {metafield.owner.legacy_resource_id: metafield for metafield in metafields}
    return {
        command.key: Confirmed(id=written[command.body.order].id, body=command.body)
        for command in commands
        if command.body.order in written and written[command.body.order].value == command.refs["sale.number"]
    }
