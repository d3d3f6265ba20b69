"""What Shopify tells us is translated as it is meant, whichever way it comes; what it never said is refused."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from graphql import parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.canonical.order import Order
from crossdock.canonical.shipment import Fulfilment
from crossdock.connect.documents import Document, Hint, Translated, Untranslatable
from crossdock.connectors.shopify import connector
from crossdock.connectors.shopify.graphql import QUERIES
from crossdock.kernel.moments import to_micros
from crossdock.kernel.money import usd
from crossdock.simulators.shop_actions import Bought
from crossdock.simulators.shop_signing import signature, webhook_headers
from crossdock.simulators.shop_state import NotPossible
from tests.contract.shopify_examples import ADA, EXAMPLES, Recorded, files, story
from tests.contract.shopify_schema import admin_schema, documented_example
from tests.contract.shopify_site import ORIGIN

SNAPSHOT_TOPICS = [
    topic
    for topic in connector.topics
    if topic.startswith(("orders/", "customers/", "fulfillments/", "refunds/", "returns/", "order_transactions/"))
    and topic not in ("returns/update", "returns/process")  # neither names its order
]

HINTS = (
    *("orders/edited", "refunds/create", "order_transactions/create", "returns/request", "returns/approve"),
    *("returns/decline", "returns/cancel", "returns/close", "returns/reopen"),
)


def translated(topic: str, body: bytes | dict[str, Any]) -> list[Translated]:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return list(connector.topics[topic](raw, ORIGIN))


def order_of(items: list[Translated]) -> Order:
    (document,) = [item for item in items if isinstance(item, Document) and item.kind == "order"]
    assert isinstance(document.body, Order)
    return document.body


@pytest.mark.parametrize("topic", SNAPSHOT_TOPICS)
def test_every_documented_example_is_understood(topic: str) -> None:
    first = translated(topic, documented_example(topic))[0]
    assert isinstance(first, Hint if topic in HINTS else Document)
    assert first.entity.startswith(("order:shop:", "customer:shop:")) if first.entity else False


def test_the_documented_order_comes_out_as_it_reads() -> None:
    order = order_of(translated("orders/create", documented_example("orders/create")))
    assert (order.number, order.total, order.payment) == ("#9999", usd(41495), "voided")
    first = order.lines[0]
    assert (first.sku, first.ordered, first.unit_price) == ("SKU2006-001", 1, usd(8999))
    assert order.ship_to is not None
    assert (order.ship_to.name, order.ship_to.region, order.ship_to.country) == ("Steve Shipper", "KY", "US")


def test_the_examples_beside_the_connector_are_what_the_simulated_shop_sends() -> None:
    for path, body in files():
        assert (EXAMPLES / path).read_bytes() == body, f"{path}: run python -m tests.contract.shopify_examples"


SKUS = ("MUG", "TEA", "POT", "CAKE")
lines = st.lists(
    st.builds(Bought, st.sampled_from(SKUS), st.integers(1, 5)), min_size=1, max_size=6, unique_by=lambda b: b.sku
)


@settings(max_examples=60, deadline=None)
@given(
    bought=lines,
    discount=st.sampled_from(["0", "0.01", "3.33", "7.00"]),
    rate=st.sampled_from(["0", "0.055", "0.2", "0.08875"]),
    included=st.booleans(),
    shipping=st.sampled_from([None, "0", "4.90"]),
    guest=st.booleans(),
    paid=st.booleans(),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
    tip=st.sampled_from(["0", "3"]),
    then=st.sampled_from(
        ["nothing", "fewer", "more", "gone line", "shipped", "cancelled", "returned", "unsaid", "unsent", "cheaper"]
    ),
)
def test_a_webhook_and_a_read_of_the_same_order_say_the_same(
    bought: list[Bought],
    discount: str,
    rate: str,
    included: bool,
    shipping: str | None,
    guest: bool,
    paid: bool,
    currency: str,
    tip: str,
    then: str,
) -> None:
    shop = Recorded(currency)
    for price, sku in enumerate(SKUS, start=9):
        shop.add_product(sku, sku.title(), f"{price}00" if currency == "JPY" else f"{price}.95")
    if currency == "JPY":
        discount, shipping = discount.split(".")[0], shipping and shipping.split(".")[0]
    buyer = None if guest else shop.create_customer("Ada", None, "ada@example.com", address=ADA).id
    order = shop.place_order(
        bought,
        customer=buyer,
        shipping_address=ADA,
        discount=discount,
        tax_rate=rate,
        taxes_included=included,
        shipping=shipping,
        paid=paid,
        tip=tip,
        presentment_currency="GBP",
        presentment_rate=0.79,
    )
    first = order.lines[0]
    match then:
        case "fewer":
            shop.edit_order(order.id, quantities={first.id: first.quantity - 1})
        case "more":
            shop.edit_order(order.id, quantities={first.id: first.quantity + 2}, add=[Bought("POT")])
        case "gone line":
            shop.edit_order(order.id, quantities={first.id: 0})
        case "shipped":
            shop.fulfil_by_hand(order.id, {first.id: 1}, "1Z1")
        case "cancelled":
            shop.cancel_order(order.id)
        case "returned" | "unsaid":
            shop.fulfil_by_hand(order.id, {first.id: first.quantity}, "1Z1")
            restock = "return" if then == "returned" else "no_restock"
            delivery = shipping if shipping and paid else "0"
            shop.refund_by_hand(order.id, {first.id: 1}, restock, delivery, amount=None if paid else "0")
        case "unsent":
            shop.refund_by_hand(order.id, {first.id: 1}, "no_restock", amount="0")
            shop.cancel_units(order.id, first.id, first.current) if first.current else None
        case "cheaper":
            shop.change_price(order.id, first.id, "8")
            with contextlib.suppress(NotPossible):  # more than is left of a line
                shop.add_discount(order.id, "2")
        case _:
            shop.edit_address(order.id, ADA)
    told = translated("orders/updated", shop.last("orders/updated"))
    read = translated("graphql/order", shop.order_read(order.id))
    assert told == [each for each in read if not isinstance(each, Document) or each.kind in ("order", "customer")]
    assert order_of(told).total.currency == currency


def test_a_customer_told_and_a_customer_read_are_the_same() -> None:
    shop, _order, ada = story()
    assert translated("customers/update", shop.last("customers/update")) == translated(
        "graphql/customer", shop.customer_read(ada)
    )


def test_an_edited_order_counts_current_units_and_their_share_of_discount_and_tax() -> None:
    shop, order_id, _ada = story()
    mugs, tea, note = order_of(translated("orders/updated", shop.last("orders/updated"))).lines
    whole = shop.world.orders[order_id].lines[0]
    assert (whole.quantity, whole.discounts, whole.taxes[0].minor) == (3, [339], 188)
    assert mugs.ordered == 2
    assert mugs.discount == usd(226)
    assert mugs.taxes[0].amount == usd(125)
    assert mugs.taxes[0].rate == "0.055"
    assert (tea.ordered, note.ships) == (2, False)


def test_a_line_taken_off_an_order_is_stated_with_no_units() -> None:
    shop, order_id, _ada = story()
    tea = shop.world.orders[order_id].lines[1]
    shop.edit_order(order_id, quantities={tea.id: 0})
    line = order_of(translated("orders/updated", shop.last("orders/updated"))).lines[1]
    assert (line.id, line.ordered, line.discount, line.taxes) == (str(tea.id), 0, None, ())


def test_an_edit_by_itself_is_only_a_hint_to_fetch_the_order() -> None:
    shop, order_id, _ada = story()
    (hint,) = translated("orders/edited", shop.last("orders/edited"))
    assert hint == Hint(kind="order", id=str(order_id), entity=f"order:shop:{order_id}")


def test_an_order_brings_its_buyer_under_the_buyers_own_version() -> None:
    shop, _order, ada = story()
    _, buyer = translated("orders/updated", shop.last("orders/updated"))
    assert isinstance(buyer, Document)
    assert (buyer.kind, buyer.entity) == ("customer", f"customer:shop:{ada}")
    assert buyer.token == to_micros(shop.world.customers[ada].updated_at)


def test_a_buyer_without_a_version_is_a_hint_and_a_guest_is_nobody() -> None:
    body = documented_example("orders/create")
    assert isinstance(translated("orders/create", body)[1], Hint)
    items = translated("orders/create", body | {"customer": None})
    assert len(items) == 1
    assert order_of(items).customer is None


def test_no_alias_is_personal() -> None:
    shop, _order, _ada = story()
    aliases = [
        alias
        for item in translated("orders/updated", shop.last("orders/updated"))
        if isinstance(item, Document)
        for alias in item.aliases
    ]
    assert {"#1001", "1001", "5900000000001", "gid://shopify/Order/5900000000001"} < set(aliases)
    assert not [alias for alias in aliases if "@" in alias or "Ada" in alias or "+1" in alias]


def test_amounts_are_booked_in_the_shops_currency() -> None:
    body = documented_example("orders/create")
    body["presentment_currency"] = "CAD"
    for line in body["line_items"]:
        line["price_set"]["presentment_money"] = {"amount": "999.99", "currency_code": "CAD"}
    assert order_of(translated("orders/create", body)).lines[0].unit_price == usd(8999)


@pytest.mark.parametrize(
    ("status", "payment"),
    [
        ("pending", "pending"),
        ("authorized", "authorised"),
        ("partially_paid", "pending"),
        ("paid", "paid"),
        ("partially_refunded", "paid"),
        ("refunded", "refunded"),
        ("voided", "voided"),
        ("expired", "voided"),
        (None, "pending"),
    ],
)
def test_a_payment_status_means_what_may_be_relied_on(status: str | None, payment: str) -> None:
    body = documented_example("orders/create") | {"financial_status": status}
    assert order_of(translated("orders/create", body)).payment == payment


def test_a_payment_status_nobody_knows_is_quarantined() -> None:
    with pytest.raises(Untranslatable, match="financial_status"):
        translated("orders/create", documented_example("orders/create") | {"financial_status": "promised"})


def test_a_parcel_belongs_to_its_order_and_is_found_by_its_tracking_number() -> None:
    shop, order_id, _ada = story()
    (document,) = translated("fulfillments/create", shop.last("fulfillments/create"))
    assert isinstance(document, Document)
    assert isinstance(document.body, Fulfilment)
    assert document.entity == f"order:shop:{order_id}"
    assert {"#1001-F1", "1Z999AA10123456784"} < set(document.aliases)
    assert [(line.units) for line in document.body.lines] == [1]
    assert document.body.tracking is not None
    assert document.body.tracking.carrier == "UPS"


@pytest.mark.parametrize("status", ["cancelled", "error", "failure"])
def test_a_parcel_the_shop_no_longer_shows_is_gone(status: str) -> None:
    (document,) = translated("fulfillments/update", documented_example("fulfillments/update") | {"status": status})
    assert isinstance(document, Document)
    assert document.body is None


@pytest.mark.parametrize(("topic", "kind"), [("orders/delete", "order"), ("customers/delete", "customer")])
def test_a_deletion_is_gone_as_of_when_it_reached_us(topic: str, kind: str) -> None:
    (document,) = translated(topic, documented_example(topic))
    assert isinstance(document, Document)
    assert (document.kind, document.body, document.token) == (kind, None, to_micros(ORIGIN.received_at))


@pytest.mark.parametrize(
    ("topic", "shown"), [("orders/delete", "orders/create"), ("customers/delete", "customers/create")]
)
def test_a_genuine_snapshot_replayed_under_a_deletion_topic_deletes_nothing(topic: str, shown: str) -> None:
    with pytest.raises(Untranslatable, match="deleted"):
        translated(topic, documented_example(shown))


def test_part_of_an_order_is_never_taken_for_the_whole() -> None:
    shop, order_id, _ada = story()
    order = json.loads(shop.order_read(order_id))
    order["lineItems"]["pageInfo"]["hasNextPage"] = True
    with pytest.raises(Untranslatable, match="page"):
        translated("graphql/order", order)


@pytest.mark.parametrize(
    "harm",
    [
        {"current_total_price": "1E+999999"},
        {"current_total_price": "1.005"},
        {"current_total_price": 12.5},
        {"currency": "usd"},
        {"updated_at": "0001-01-01T00:00:00+05:00"},
        {"created_at": "yesterday"},
        {"updated_at": "2026-11-20T10:00:00"},
        {"id": "820982911946154500"},
        {"id": -1},
        {"id": 2**70},
        {"line_items": None},
        {"name": "#1\u0000"},
    ],
)
def test_what_shopify_would_never_say_is_refused(harm: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable):
        translated("orders/create", documented_example("orders/create") | harm)


def test_more_current_units_than_were_ever_ordered_are_refused() -> None:
    body = documented_example("orders/create")
    body["line_items"][0] |= {
        "current_quantity": 2,
        "tax_lines": [{"title": "Tax", "rate": 0.1, "price": "1.00"}],
    }
    with pytest.raises(Untranslatable, match="ever ordered"):
        translated("orders/create", body)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_damage_gets_past_a_refusal(data: st.DataObject) -> None:
    body = bytearray(msgspec.json.encode(documented_example("orders/create")))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        for item in translated("orders/create", bytes(body)):
            msgspec.json.encode(item)
    except Untranslatable:
        pass


def test_every_query_is_valid_against_the_published_schema() -> None:
    assert len(QUERIES) == 27
    for operation, text in QUERIES.items():
        assert validate(admin_schema("2026-07"), parse(text)) == [], operation


def test_our_mutations_offer_no_idempotency_key_so_that_fulfilments_must_be_searched() -> None:
    mutations = admin_schema("2026-07").mutation_type
    assert mutations is not None
    assert "idempot" in (mutations.fields["refundCreate"].description or "").lower()
    for name in ("fulfillmentCreate", "metafieldsSet"):
        assert "idempot" not in (mutations.fields[name].description or "").lower()


SECRET = b"the shop's client secret"


def delivery(topic: str = "orders/create", body: bytes = b"{}", **ids: str) -> tuple[dict[str, str], bytes]:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    event, webhook = ids.get("event"), ids.get("webhook", "w")
    made = webhook_headers(topic=topic, body=body, secret=SECRET, webhook_id=webhook, event_id=event, triggered_at=at)
    return {name.lower(): value for name, value in made.items()}, body


def message_id(*given: Any, **ids: str) -> str | None:
    assert connector.door is not None
    return connector.door.describe(*delivery(*given, **ids)).message_id


def test_a_webhook_is_let_in_with_either_secret_of_a_rotation_and_never_without() -> None:
    assert connector.door is not None
    headers, body = delivery(body=b'{"id":1}')
    assert connector.door.genuine(headers, body, [b"the new one", SECRET])
    for secrets, altered, shown in [
        ([], body, headers),
        ([b"another"], body, headers),
        ([SECRET], b'{"id":2}', headers),
        ([SECRET], body, headers | {"x-shopify-hmac-sha256": signature(body, b"another")}),
        ([SECRET], body, headers | {"x-shopify-hmac-sha256": ""}),
        ([SECRET], body, {}),
    ]:
        assert not connector.door.genuine(shown, altered, secrets)


def test_the_signature_is_the_documented_one() -> None:
    # openssl dgst -sha256 -hmac hush -binary <<< '{"id":1}' without its newline, as base64
    assert signature(b'{"id":1}', b"hush") == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


def test_a_repeat_keeps_its_id_whether_or_not_the_webhook_id_changes() -> None:
    assert message_id(event="e1", webhook="w1") == message_id(event="e1", webhook="w2")
    assert message_id(webhook="w1") == message_id(webhook="w1")


def test_two_messages_never_share_an_id() -> None:
    ids = [
        message_id(event="e1"),
        message_id("orders/paid", event="e1"),
        message_id("orders/create", b'{"id":2}', event="e1"),
        message_id(event="e2"),
        message_id(webhook="w1"),
        message_id(webhook="w2"),
    ]
    assert len(set(ids)) == len(ids)
