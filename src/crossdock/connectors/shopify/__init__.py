"""Shopify, over webhooks and Admin GraphQL 2026-07: what a shop tells us, and what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from crossdock.canonical.order import OrderCancellation, OrderReference
from crossdock.canonical.payment import StoreCredit
from crossdock.canonical.returns import ReturnRecord
from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.connector import Connector
from crossdock.connect.documents import Ignore, Origin, Translated
from crossdock.connect.effects import Searchable
from crossdock.connectors.shopify.cancellations import ONCE as CANCELLED_ONCE
from crossdock.connectors.shopify.cancellations import ask_about, cancel_order, find_cancelled
from crossdock.connectors.shopify.door import door
from crossdock.connectors.shopify.fulfilments import find_parcels, show_parcel
from crossdock.connectors.shopify.graphql_facts import customer_read, order_read
from crossdock.connectors.shopify.parcel_facts import fulfilment_read
from crossdock.connectors.shopify.parcel_reads import list_fulfilments, read_fulfilment
from crossdock.connectors.shopify.reads import (
    count_customers,
    count_orders,
    list_customers,
    list_orders,
    read_customer,
    read_order,
)
from crossdock.connectors.shopify.references import METAFIELDS_MAX, show_references
from crossdock.connectors.shopify.refunds import ONCE, find_refunds, give_store_credit, record_return
from crossdock.connectors.shopify.return_reads import list_returns, read_return
from crossdock.connectors.shopify.returns_facts import return_read
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.webhook_facts import (
    customer_gone,
    customer_stated,
    fulfilment_stated,
    order_edited,
    order_gone,
    order_stated,
    refund_told,
    return_changed,
    return_told,
    transaction_told,
)

__all__ = ["Settings", "connector"]

connector = Connector("shopify", Settings, door=door)

connector.translate(
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
)(order_stated)
connector.translate("orders/edited")(order_edited)
connector.translate("orders/delete")(order_gone)
connector.translate("customers/create", "customers/update", "customers/enable", "customers/disable")(customer_stated)
connector.translate("customers/delete")(customer_gone)
connector.translate("refunds/create")(refund_told)
connector.translate("order_transactions/create")(transaction_told)
connector.translate(
    "returns/request", "returns/approve", "returns/decline", "returns/cancel", "returns/close", "returns/reopen"
)(return_told)
connector.translate("returns/update", "returns/process")(return_changed)
connector.translate("fulfillments/create", "fulfillments/update")(fulfilment_stated)
connector.translate("graphql/order")(order_read)
connector.translate("graphql/customer")(customer_read)
connector.translate("graphql/return")(return_read)
connector.translate("graphql/fulfillment")(fulfilment_read)


@connector.translate("carts/create", "carts/update", "checkouts/create", "checkouts/update", "checkouts/delete")
def nothing_bought(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield Ignore("nothing bought yet")


@connector.translate("app/uninstalled", "app/scopes_update")
def app_changed(body: bytes, origin: Origin) -> Iterator[Translated]:
    yield Ignore("our own app's installation")


connector.read("order")(read_order)
connector.list("order", tells=("payment", "capture", "refund"))(list_orders)
connector.count("order")(count_orders)
connector.read("customer")(read_customer)
connector.list("customer")(list_customers)
connector.count("customer")(count_customers)
connector.read("fulfilment")(read_fulfilment)
connector.list("fulfilment", shows=[Fulfilment])(list_fulfilments)
connector.count("fulfilment")(count_orders)
connector.read("return")(read_return)
connector.list("return")(list_returns)
connector.count("return")(count_orders)

# Shopify keeps no idempotency key for fulfilments (the schema names the 19 mutations that take one). An order's
# fulfilments are read from its database, not from the search index; a request ends within 30 s or not at all.
_once = Searchable(by="tracking number", visible_after=timedelta(seconds=5), max_travel=timedelta(seconds=60))
connector.act(Fulfilment, effect=[_once])(show_parcel)
connector.find(Fulfilment)(find_parcels)
connector.act(ReturnRecord, effect=ONCE)(record_return)
connector.find(ReturnRecord)(find_refunds)
connector.act(StoreCredit, effect=ONCE)(give_store_credit)
connector.find(StoreCredit)(find_refunds)
connector.act(OrderCancellation, effect=CANCELLED_ONCE)(cancel_order)
connector.find(OrderCancellation)(find_cancelled)
connector.inquire(OrderCancellation)(ask_about)
connector.state(OrderReference, size=METAFIELDS_MAX)(show_references)
