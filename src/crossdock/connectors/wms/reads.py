"""What can be read from a warehouse: one shipment, and the shipments since a cursor."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import msgspec

from crossdock.connect.documents import Page, Reading
from crossdock.connect.link import Link
from crossdock.connectors.wms import wire
from crossdock.connectors.wms.system import Settings, connector, key_header, unexpected

_TOPIC = "shipment.read"
_PAGE_ITEMS = 200


@connector.read("shipment")
async def read_shipment(shipment_id: str, link: Link[Settings]) -> Reading | None:
    """One shipment by the warehouse's id."""
    answer = await link.http.get(f"/v1/shipments/{quote(shipment_id, safe='')}", headers=key_header(link.settings))
    if answer.status == 404:
        return None
    if not answer.ok:
        raise unexpected(answer)
    answer.json()  # half an answer is no reading
    return Reading(topic=_TOPIC, id=shipment_id, body=answer.body)


@connector.list("shipment")
async def list_shipments(cursor: str, link: Link[Settings]) -> Page:
    """Shipments in the order they left. The cursor is a sequence given at commit, so nothing can slip in behind it."""
    query = urlencode({"since": cursor, "limit": _PAGE_ITEMS})
    answer = await link.http.get(f"/v1/shipments?{query}", headers=key_header(link.settings))
    if not answer.ok:
        raise unexpected(answer)
    page = answer.decode(wire.ShipmentPage)
    items = [Reading(topic=_TOPIC, id=_id_of(raw), body=bytes(raw)) for raw in page.items]
    beyond = "" if page.more else page.cursor
    return Page(items=items, cursor=page.cursor, more=page.more, asked=_PAGE_ITEMS, beyond=beyond)


def _id_of(raw: msgspec.Raw) -> str:
    """The item's id; empty when it has none: the inbox then quarantines it, and the page goes on."""
    try:
        return msgspec.json.decode(raw, type=wire.Named).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
