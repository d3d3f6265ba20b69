"""A refund or a parcel with all its lines, where they go on beyond the page it came with."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.connect.link import Link
from crossdock.connectors.shopify.graphql import ask
from crossdock.connectors.shopify.settings import Settings

_MORE_LINES = 200


class _OneRefund(msgspec.Struct):
    refund: dict[str, Any] | None


class _OneParcel(msgspec.Struct):
    fulfillment: dict[str, Any] | None


async def refund_with_all_lines(refund: dict[str, Any], link: Link[Settings]) -> dict[str, Any]:
    while after := _after(refund, "refundLineItems"):
        answer = await ask("RefundLines", {"id": refund["id"], **after}, _OneRefund, link)
        if answer.refund is None:
            break
        _add(answer.refund, refund, "refundLineItems")
    return refund


async def parcel_with_all_lines(parcel: dict[str, Any], link: Link[Settings]) -> dict[str, Any]:
    while after := _after(parcel, "fulfillmentLineItems"):
        answer = await ask("ParcelLines", {"id": parcel["id"], **after}, _OneParcel, link)
        if answer.fulfillment is None:
            break
        _add(answer.fulfillment, parcel, "fulfillmentLineItems")
    return parcel


def _after(node: dict[str, Any], lines: str) -> dict[str, object]:
    """What asks for the next page; nothing where there is none."""
    page = node[lines]["pageInfo"]
    return {"lines": _MORE_LINES, "linesAfter": page["endCursor"]} if page["hasNextPage"] else {}


def _add(more: dict[str, Any], node: dict[str, Any], lines: str) -> None:
    node[lines] = {"nodes": node[lines]["nodes"] + more[lines]["nodes"], "pageInfo": more[lines]["pageInfo"]}
