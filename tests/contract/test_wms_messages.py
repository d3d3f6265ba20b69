"""What the warehouse tells us: whose it is, what it means in the retail language, and what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.canonical.shipment import Shipment, ShipmentLine, Tracking
from crossdock.connect.documents import Document, Ignore, Untranslatable
from crossdock.connect.secrets import Secret
from crossdock.connectors.wms import Settings, connector
from crossdock.connectors.wms.acts import order_shipments
from crossdock.simulators.mischief import WebhookMischief
from crossdock.simulators.running import serving
from crossdock.simulators.warehouse import WEBHOOK_SECRET
from tests.contract.wms_site import (
    EXAMPLES,
    ORIGIN,
    Site,
    command,
    lines,
    order_one,
    redirect_one,
    set_lines_of,
    ship_to,
    site,
)

# ---- webhooks


@dataclass
class Heard:
    topic: str
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[Site, list[Heard], list[Heard]]]:
    """A warehouse whose webhooks come in by the connector's own door: what was genuine, and what was not."""
    genuine, refused = list[Heard](), list[Heard]()
    secrets = [b"an older secret", WEBHOOK_SECRET.encode()]
    assert connector.door is not None
    door = connector.door

    async def take(request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        true = door.genuine(headers, body, secrets)
        (genuine if true else refused).append(Heard(door.describe(headers, body).topic, headers, body))
        return web.Response(status=200 if true else 401)

    app = web.Application()
    app.router.add_post("/in/warehouse", take)
    async with serving(app) as hub, site(hub=f"{hub.url}/in/warehouse", **options) as at:
        yield at, genuine, refused


async def test_everything_the_warehouse_tells_is_signed_named_and_understood():
    async with listening(accept_after_ms=0, unknown_skus=["GONE"]) as (at, genuine, _):
        await order_shipments([command(1), command(2, sku="GONE")], at.link)
        await at.warehouse.mischief.settled()
        await redirect_one(at, ship_to(number=1))
        await set_lines_of(at, lines({"11": 1}, number=1))
        await at.call("POST", "/_do/ship", {"reference": "order:shop:1"})
        await at.call("POST", "/_do/deliver", {"reference": "order:shop:1"})
        await at.warehouse.sender.idle()
        said = {heard.topic: next(iter(connector.topics[heard.topic](heard.body, ORIGIN))) for heard in genuine}
        assert set(said) == set(connector.topics) - {"shipment.read"}
        parcel = said.pop("shipment.shipped")
        assert isinstance(parcel, Document)
        assert (parcel.kind, parcel.id, parcel.entity) == ("shipment", "sh_000001", "order:shop:1")
        arrived = said.pop("shipment.delivered")
        assert isinstance(arrived, Document)
        assert arrived.token > parcel.token
        assert arrived.body.delivered_at is not None
        assert msgspec.structs.replace(arrived.body, delivered_at=None) == parcel.body
        assert (arrived.id, arrived.entity) == (parcel.id, parcel.entity)
        assert {type(other) for other in said.values()} == {Ignore}
        assert len({other.rule for other in said.values() if isinstance(other, Ignore)}) == 4


async def test_a_forged_or_altered_webhook_is_refused_and_the_true_one_still_arrives():
    async with listening() as (at, genuine, refused):
        at.warehouse.mischief.webhooks = WebhookMischief(forge=1.0, alter=1.0)
        await order_one(at, command())
        await at.warehouse.sender.idle()
        assert [heard.topic for heard in genuine] == ["shipment_order.accepted"]
        assert len(refused) == 2
        assert at.warehouse.sender.counts.forgeries_accepted == 0


async def test_a_repeated_webhook_has_the_same_message_id():
    async with listening() as (at, genuine, _):
        at.warehouse.mischief.webhooks = WebhookMischief(duplicate=1.0)
        await order_one(at, command())
        await at.warehouse.sender.idle()
        assert connector.door is not None
        ids = [connector.door.describe(heard.headers, heard.body).message_id for heard in genuine]
        assert len(ids) == 2
        assert len(set(ids)) == 1


def _example(topic: str) -> tuple[dict[str, str], bytes, list[bytes]]:
    headers = json.loads((EXAMPLES / f"messages/{topic}.headers.json").read_text())
    secrets = json.loads((EXAMPLES / "settings.json").read_text())["webhook_secrets"]
    body = (EXAMPLES / f"messages/{topic}.json").read_bytes()
    return {name.lower(): value for name, value in headers.items()}, body, [secret.encode() for secret in secrets]


def test_an_examples_signature_holds_and_no_other_does():
    assert connector.door is not None
    genuine = connector.door.genuine
    headers, body, secrets = _example("shipment.shipped")
    assert genuine(headers, body, secrets)
    assert genuine(headers, body, [b"old", *secrets])
    assert genuine({**headers, "webhook-signature": "v1,bm8= " + headers["webhook-signature"]}, body, secrets)
    assert not genuine(headers, body + b" ", secrets)
    assert not genuine(headers, body, [b"old", b"whsec_%%%"])
    assert not genuine(headers, body, [])
    for changed in (
        {"webhook-id": "other"},
        {"webhook-id": ""},
        {"webhook-id": "ü"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "²"},
        {"webhook-signature": headers["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": "v1,ü \udc80"},
        {"webhook-signature": "v1,"},
    ):
        assert not genuine({**headers, **changed}, body, secrets), changed
    for missing in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        assert not genuine({k: v for k, v in headers.items() if k != missing}, body, secrets), missing


def test_a_standard_webhooks_signature_from_elsewhere_is_understood():
    """The test vector of the Standard Webhooks reference libraries."""
    assert connector.door is not None
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert connector.door.genuine(headers, b'{"test": 2432232314}', [b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


# ---- translation


def _document(body: bytes) -> Document:
    (document,) = connector.topics["shipment.read"](body, ORIGIN)
    assert isinstance(document, Document)
    return document


def _parcel(**changed: Any) -> bytes:
    return msgspec.json.encode(json.loads((EXAMPLES / "messages/shipment.read.json").read_bytes()) | changed)


def test_the_example_shipment_in_the_retail_language():
    assert _document(_parcel()) == Document(
        kind="shipment",
        id="sh_000001",
        entity="order:shop:1001",
        token=4,
        aliases=("sh_000001", "so_000001", "PP843744312862"),
        body=Shipment(
            id="sh_000001",
            reference="order:shop:1001",
            location="EAST",
            lines=(
                ShipmentLine(line="11", sku="MUG-BLUE", units=1),
                ShipmentLine(line="12", sku="TEA-GREEN", units=1),
            ),
            shipped_at=datetime(2026, 11, 20, 14, 3, tzinfo=UTC),
            tracking=Tracking(
                carrier="Parcel Post",
                number="PP843744312862",
                url="https://track.example/PP843744312862",
            ),
        ),
    )


@pytest.mark.parametrize(
    "reference", [None, "", "1001", "order:shop", "order:shop:", "customer:shop:1", "order:sh op:1", "order:shop:1\n"]
)
def test_a_shipment_whose_reference_is_not_ours_belongs_to_nobody_yet(reference: str | None):
    assert _document(_parcel(reference=reference)).entity is None


def test_times_with_any_offset_become_utc():
    body = _document(_parcel(shipped_at="2026-11-20T16:03:00+02:00")).body
    assert isinstance(body, Shipment)
    assert body.shipped_at == datetime(2026, 11, 20, 14, 3, tzinfo=UTC)


_LINE = {"line": "11", "sku": "MUG", "units": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "sh\u0000"},
        {"id": 7},
        {"id": None},
        {"sequence": -1},
        {"sequence": 2**63},
        {"sequence": "4"},
        {"sequence": 4.5},
        {"shipped_at": "2026-11-20T14:03:00"},
        {"shipped_at": "0001-01-01T00:00:00+10:00"},
        {"shipped_at": "yesterday"},
        {"location": None},
        {"lines": []},
        {"lines": {}},
        {"lines": [_LINE | {"units": 0}]},
        {"lines": [_LINE | {"units": -1}]},
        {"lines": [_LINE | {"units": True}]},
        {"lines": [_LINE, _LINE]},
        {"lines": [_LINE | {"line": "a\u0000"}]},
        {"tracking": "PP1"},
        {"tracking": {"carrier": "PP"}},
    ],
    ids=str,
)
def test_a_shipment_with_a_wrong_field_is_refused(changed: dict[str, Any]):
    with pytest.raises((msgspec.ValidationError, Untranslatable)):
        _document(_parcel(**changed))


_REFUSALS = (msgspec.ValidationError, msgspec.DecodeError, Untranslatable)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b'{"id":"\xff"}',
        b'{"id":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1e999",
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("topic", sorted(connector.topics))
def test_a_body_that_is_no_message_is_refused_and_never_a_crash(topic: str, body: bytes):
    with pytest.raises(_REFUSALS):
        list(connector.topics[topic](body, ORIGIN))


@pytest.mark.parametrize("topic", sorted(connector.topics))
@settings(deadline=None)
@given(at=st.integers(0, 5000), what=st.binary(max_size=3), cut=st.integers(0, 8))
def test_a_damaged_example_is_translated_or_refused_and_never_a_crash(topic: str, at: int, what: bytes, cut: int):
    body = (EXAMPLES / f"messages/{topic}.json").read_bytes()
    at %= len(body)
    with suppress(_REFUSALS):
        list(connector.topics[topic](body[:at] + what + body[at + cut :], ORIGIN))


def test_a_message_under_another_topics_name_is_refused():
    body = (EXAMPLES / "messages/shipment.shipped.json").read_bytes()
    with pytest.raises(_REFUSALS):
        list(connector.topics["shipment_order.accepted"](body, ORIGIN))


def test_the_key_shows_in_no_repr():
    settings = Settings(url="http://127.0.0.1", api_key=Secret("warehouse-key"), webhook_secrets=(Secret("whsec_x"),))
    assert "warehouse-key" not in repr(settings)
    assert "whsec_x" not in repr(settings)
    assert base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
