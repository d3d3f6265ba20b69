"""Fields nobody knows are told by their names; what may be a value is never told."""

from __future__ import annotations

from typing import Any

import pytest

from crossdock.connect.loading import load
from crossdock.govern.compatibility import refused
from crossdock.govern.strangers import exact, learnt, strangers
from crossdock.govern.traffic import Knowledge, compared, shown_by_examples
from crossdock.store.traffic import Message

LINE = {"type": "object", "properties": {"sku": {}, "units": {}}, "required": ["sku"]}
ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "buyer": {"anyOf": [{"type": "object", "properties": {"name": {}}}, {"type": "null"}]},
        "prices": {"type": "object", "additionalProperties": {"type": "string"}},
        "notes": {"type": "object"},
    },
    "required": ["id"],
    "$defs": {"Line": LINE},
}


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"id": "1", "lines": [{"sku": "A", "units": 2}], "buyer": None}, set()),
        ({"lines": [{"units": 2}, {"sku": "B", "colour": "red"}]}, {("id", "missing"), ("lines[].sku", "missing"), ("lines[].colour", "unknown")}),  # noqa: E501
        ({"id": "1", "buyer": {"name": "Ada", "born": "1990"}}, {("buyer.born", "unknown")}),
        ({"id": "1", "prices": {"ada@example.com": "1.00"}, "notes": {"anything": {"deep": 1}}}, set()),
        ({"id": "1", "ada@example.com": 1, "4929123": 2, "order_88231": 3}, {("*", "unknown")}),
        (["not", "an", "order"], set()),
    ],
)  # fmt: skip
def test_unknown_and_missing_fields_are_named_and_nothing_that_may_be_a_value(message: Any, found: Any) -> None:
    assert strangers(message, ORDER) == found


def test_of_a_message_of_made_up_names_no_more_than_a_hundred_are_told() -> None:
    assert len(strangers({f"field_{chr(97 + n % 26)}{n}": n for n in range(999)}, ORDER)) == 100


def test_what_examples_show_is_known_and_what_all_of_them_have_is_expected() -> None:
    schema = learnt([{"id": 1, "lines": [{"sku": "A"}]}, {"id": 2, "lines": [], "note": None}])
    assert strangers({"id": 3, "lines": [{"sku": "B", "x": 1}], "note": "n"}, schema) == {("lines[].x", "unknown")}
    assert strangers({"note": "n"}, schema) == {("id", "missing"), ("lines", "missing")}


def test_a_value_fits_a_schema_when_all_of_it_can_be_read() -> None:
    assert not refused(exact({"id": "1", "lines": [{"sku": "A"}], "buyer": None}), ORDER)
    assert [each.at for each in refused(exact({"id": 1, "lines": [{"units": 2}]}), ORDER)] == ["id", "lines[0].sku"]


def test_messages_without_a_contract_are_held_against_the_examples_beside_their_connector() -> None:
    shop = load("shopify").connector
    assert shown_by_examples(shop, "orders/create") is not None
    assert shown_by_examples(shop, "no/such-topic") is None
    sent = [
        Message("shop", "orders/create", b'{"brand_new": 1}'),
        Message("shop", "orders/create", b"no JSON"),
        Message("shop", "no/such-topic", b"{}"),
        Message("shop", "refunds/create", b'{"id": 7}'),
    ]
    notes = compared(sent, Knowledge({("shop", "refunds/create"): {"properties": {"id": {}}}}, {"shop": shop}))
    assert notes.sampled == {("shop", "orders/create"): 1, ("shop", "refunds/create"): 1}
    told = {(each.contract, each.field, each.what) for each in notes.strange}
    assert ("orders/create", "brand_new", "unknown") in told
    assert ("orders/create", "line_items", "missing") in told
    assert {contract for contract, _, _ in told} == {"orders/create"}
