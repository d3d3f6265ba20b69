"""A fulfilment as it is read over GraphQL: the same document as the webhook's of the same state. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from crossdock.canonical.shipment import Fulfilment, FulfilmentLine, Tracking
from crossdock.connect.documents import Document, Origin, Translated, Untranslatable
from crossdock.connectors.shopify import terms
from crossdock.connectors.shopify.graphql_wire import GraphLocation, GraphParcelLines
from crossdock.connectors.shopify.terms import Moment


class GraphTracking(msgspec.Struct, gc=False):
    company: str | None
    number: str | None
    url: str | None


class GraphShownParcel(msgspec.Struct, kw_only=True, rename="camel", gc=False):
    id: str
    name: str
    status: str
    updated_at: Moment
    order: GraphLocation
    location: GraphLocation | None
    tracking_info: list[GraphTracking]
    fulfillment_line_items: GraphParcelLines


_PARCEL = msgspec.json.Decoder(GraphShownParcel)


def fulfilment_read(body: bytes, origin: Origin) -> Iterator[Translated]:
    """One parcel as the shop shows it; a cancelled or failed one is gone."""
    wire = terms.decoded(body, _PARCEL)
    if wire.fulfillment_line_items.page_info.has_next_page:
        raise Untranslatable("a page of the fulfilment, not the whole of it")
    number, order = terms.number_of(wire.id), terms.plain_number(wire.order.legacy_resource_id)
    tracked = [each for each in wire.tracking_info if each.number]
    parcel = Fulfilment(
        order=order,
        shipment=number,
        lines=fulfilled((terms.number_of(p.line_item.id), p.quantity or 0) for p in wire.fulfillment_line_items.nodes),
        location="" if wire.location is None else terms.plain_number(wire.location.legacy_resource_id),
        tracking=_tracking(tracked[0]) if tracked else None,
    )
    yield Document(
        kind="fulfilment",
        id=number,
        entity=origin.entity("order", order),
        body=None if wire.status.lower() in terms.NOT_SHIPPED else parcel,
        token=terms.token(wire.updated_at),
        aliases=terms.names(wire.name, terms.gid("Fulfillment", number), *(each.number for each in tracked)),
    )


def fulfilled(lines: Iterable[tuple[str, int]]) -> tuple[FulfilmentLine, ...]:
    """Units by line, in one order whichever way they are told: nothing says that a webhook lists lines as GraphQL does."""
    units = Counter[str]()
    for line, count in lines:
        units[line] += count
    return tuple([FulfilmentLine(line=line, units=units[line]) for line in sorted(units)])


def _tracking(wire: GraphTracking) -> Tracking:
    return Tracking(carrier=wire.company or "", number=wire.number or "", url=wire.url or "")
