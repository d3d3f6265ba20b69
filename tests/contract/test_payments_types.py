"""What the simulated provider tells is in the shapes that Stripe publishes, and the connector's examples are what it tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crossdock.connectors.stripe.system import API_VERSION, connector
from crossdock.simulators import payments_shapes
from tests.contract import stripe_examples
from tests.contract.stripe_types import api_version, event_types, misfits


def _told() -> list[dict[str, Any]]:
    provider, _ = stripe_examples.story()
    return json.loads(json.dumps(provider.told))


def test_every_object_told_fits_the_published_types():
    objects = [event["data"]["object"] for event in _told()]
    assert {each["object"] for each in objects} == {"payment_intent", "charge", "refund", "dispute", "payout"}
    assert [fault for each in objects for fault in misfits(each)] == []


def test_every_line_of_the_books_fits_the_published_types():
    provider, _ = stripe_examples.story()
    lines = provider.books.all("balance_transaction")
    assert {line["type"] for line in lines} == {"charge", "refund", "refund_failure", "adjustment", "payout"}
    assert [fault for line in lines for fault in misfits(line)] == []


def test_what_is_not_as_published_is_found():
    refund = next(event["data"]["object"] for event in _told() if event["type"] == "refund.created")
    assert misfits({**refund, "amount": "1500"}) == ["refund.amount is '1500', not number"]
    assert misfits({**refund, "status_": 1}) == ["refund.status_ is unknown"]
    assert misfits({name: value for name, value in refund.items() if name != "charge"}) == ["refund.charge is lacking"]


def test_both_sides_speak_the_version_whose_types_these_are():
    assert api_version() == API_VERSION == payments_shapes.API_VERSION


def test_every_event_told_and_every_topic_translated_is_a_published_event():
    ours = {"other", "payment_intent.read", "payment_intents.found", "refund.read", "dispute.read"}
    assert {event["type"] for event in _told()} | (connector.topics.keys() - ours) <= event_types()


@pytest.mark.parametrize(("path", "body"), [pytest.param(p, b, id=str(p)) for p, b in stripe_examples.files()])
def test_the_examples_are_what_the_simulator_tells_now(path: Any, body: bytes):
    assert (stripe_examples.EXAMPLES / path).read_bytes() == body
