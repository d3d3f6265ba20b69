"""Tills told over real HTTP: what they sell, take back and pay out is known once, and belongs to the order it is about."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossdock.canonical.returns import ReturnLine
from crossdock.connect.documents import Document, Hint, Ignore, Origin, Untranslatable
from crossdock.connectors.square import connector
from crossdock.kernel.money import usd
from crossdock.simulators.mischief import FaultRule, WebhookMischief
from crossdock.simulators.pos import Till
from crossdock.simulators.pos_counter import Handed, Sold
from crossdock.store.inbox import Message
from tests.contract.till_site import Site, site
from tests.stage import PLACED_AT, order, told

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/square/examples/messages"
ORIGIN = Origin(connection="till", received_at=PLACED_AT)
ONLINE = "order:shop:1001"


async def test_a_return_by_receipt_belongs_to_the_online_order_whichever_is_heard_first(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as at:
        before = at.till.take_return([Handed(sku="MUG")], "1001")
        await at.heard()
        assert at.fact("return")[:2] == (before["id"], None)
        await at.tell(told(order("1001")))
        after = at.till.take_return([Handed(sku="MUG", line="1001-0", disposition="sellable")], "1001")
        await at.heard()
        returns = {id_: (entity, noun) for id_, entity, noun in at.facts("return")}
        assert {entity for entity, _ in returns.values()} == {ONLINE}
        assert returns[before["id"]][1].lines == (
            ReturnLine(id="0", sku="MUG", units=1, received=1, location="STORE-1"),
        )
        line = ReturnLine(
            id="0", line="1001-0", sku="MUG", units=1, received=1, location="STORE-1", disposition="sellable"
        )
        assert returns[after["id"]][1].lines == (line,)
        assert at.count("select count(*) from dirty") == 0


async def test_a_payout_at_the_till_is_a_refund_of_the_same_order_for_that_return(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")))
        taken = at.till.take_return([Handed(sku="MUG")], "1001", payout=1000, tender="CASH")
        await at.heard()
        id_, entity, refund = at.fact("refund")
        assert (entity, refund.for_return, refund.tender) == (ONLINE, taken["id"], "cash")
        assert (refund.amount, refund.status, refund.payment, refund.reference) == (usd(1000), "succeeded", id_, "")


async def test_a_return_is_never_known_without_what_the_till_paid_out_for_it(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")))
        at.till.sender.target_url = None  # the refund's own message is lost
        taken = at.till.take_return([Handed(sku="MUG")], "1001", payout=1000, tender="CASH")
        (paid_out,) = at.till.counter.refunds
        read = msgspec.json.encode({"order": taken})
        known = {each.kind: each for each in connector.topics["order.read"](read, ORIGIN) if isinstance(each, Document)}
        assert set(known) == {"return", "refund"}
        assert known["refund"].fact == f"refund:till:{paid_out}"
        event = {"type": "order.created", "data": {"id": taken["id"]}}
        for again in range(3):  # and being told of the order again after the refund was read is no step back
            await at.tell(Message("till", "order.created", msgspec.json.encode(event), f"event {again}"))
            await at.run()
        id_, entity, refund = at.fact("refund")
        assert (id_, entity, refund.for_return, refund.amount, refund.tender) == (
            paid_out,
            ONLINE,
            taken["id"],
            usd(1000),
            "cash",
        )
        assert at.rows("select * from brake") == []


async def test_what_became_of_the_goods_and_the_money_may_be_told_later(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")))
        taken = at.till.take_return([Handed(sku="MUG"), Handed(sku="TEA", disposition="sellable")], "1001")
        await at.heard()
        assert at.fact("return")[2].status == "authorised"
        at.till.inspect(taken["id"], {"0": "damaged"})
        await at.heard()
        at.till.payout(taken["id"], 1500, "CARD")
        await at.heard()
        _, entity, noun = at.fact("return")
        assert (entity, noun.status, [line.disposition for line in noun.lines]) == (
            ONLINE,
            "closed",
            ["damaged", "sellable"],
        )
        assert at.fact("refund")[2].tender == "card"
        assert at.till.ledger.counts() == {"returned": 1, "inspected": 2, "paid_out": 1}


async def test_what_was_paid_out_for_a_return_without_receipt_goes_where_the_return_does(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")), told(order("1002")))
        taken = at.till.take_return([Handed(sku="MUG", disposition="sellable")], payout=1000)
        await at.heard()
        for number in ("1002", "1001"):
            async with at.person() as person:
                await person.bind("till", "return", taken["id"], number)
            await at.heard()
            assert at.fact("return")[1] == at.fact("refund")[1] == f"order:shop:{number}"
        assert at.fact("return")[2].paid_out == usd(1000)
        assert [each for each in at.cases() if each.startswith("unbound:")] == []


async def test_a_return_without_receipt_waits_for_a_persons_word(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")))
        taken = at.till.take_return([Handed(sku="MUG")], payout=1000)
        await at.heard()
        at.sql("update document set recorded_at = recorded_at - interval '1 hour'")
        await at.hub.keep_house()
        assert at.cases() == ["unbound:till:refund", "unbound:till:return"]
        refund = at.fact("refund")[0]
        async with at.person() as person:
            await person.bind("till", "return", taken["id"], "1001")
            await person.bind("till", "refund", refund, "1001")
        await at.heard()
        assert at.cases() == []
        at.till.inspect(taken["id"], {"0": "vendor"})
        await at.heard()
        assert at.fact("return")[1] == ONLINE
        assert at.fact("return")[2].lines[0].disposition == "vendor"


async def test_a_sale_at_the_till_is_an_order_of_its_own_with_what_was_paid(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        sold = at.till.sell(
            [Sold(sku="MUG", units=2, price=1450), Sold(sku="TEA", price=625)], "CARD", tax_percent="7.25"
        )
        await at.heard()
        entity = f"order:till:{sold['id']}"
        _, bound, noun = at.fact("order")
        assert bound == entity
        assert [(line.sku, line.ordered, line.unit_price, line.ships) for line in noun.lines] == [
            ("MUG", 2, usd(1450), False),
            ("TEA", 1, usd(625), False),
        ]
        assert [line.taxes[0].rate for line in noun.lines] == ["0.0725", "0.0725"]
        assert (noun.total, noun.payment) == (usd(2900 + 210 + 625 + 45), "paid")
        _, bound, payment = at.fact("payment")
        assert (bound, payment.status, payment.tender, payment.label) == (entity, "captured", "card", "Visa 4242")
        assert at.fact("capture")[1:] == (entity, at.fact("capture")[2])
        assert at.fact("capture")[2].amount == noun.total


async def test_a_return_of_a_tills_own_sale_and_its_payout_belong_to_that_sale(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as at:
        sold = at.till.sell([Sold(sku="MUG")], "SQUARE_GIFT_CARD")
        taken = at.till.take_return(
            [Handed(sku="MUG", line="line-0")], source_order=sold["id"], payout=1000, tender="SQUARE_GIFT_CARD"
        )
        await at.heard()
        _, entity, noun = at.fact("return")
        assert (entity, noun.lines[0].line) == (f"order:till:{sold['id']}", "line-0")
        _, entity, refund = at.fact("refund")
        assert (entity, refund.for_return, refund.tender) == (f"order:till:{sold['id']}", taken["id"], "gift_card")
        assert refund.payment == at.fact("payment")[0]


def _work(at: Site) -> None:
    """A day at the counter."""
    for number in range(4):
        taken = at.till.take_return([Handed(sku="MUG")], f"{1001 + number}", payout=1000 if number % 2 else None)
        at.till.inspect(taken["id"], {"0": "damaged"})
        if not number % 2:
            at.till.payout(taken["id"], 900, "CARD")
    at.till.sell([Sold(sku="MUG")])


async def test_duplicates_reordering_and_forgeries_make_no_difference(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        at.till.mischief.webhooks = WebhookMischief(duplicate=0.5, reorder=True, forge=0.5, alter=0.3)
        _work(at)
        for number in range(4):
            await at.tell(told(order(f"{1001 + number}")))
        await at.heard()
        counts = at.till.sender.counts
        assert counts.forgeries_accepted == 0
        assert at.refused == counts.forged + counts.altered > 0
        assert sorted(entity or "" for _, entity, _ in at.facts("return")) == [
            f"order:shop:{n}" for n in range(1001, 1005)
        ]
        assert sorted(entity or "" for _, entity, _ in at.facts("refund")) == [
            f"order:shop:{n}" for n in range(1001, 1005)
        ]
        assert {noun.lines[0].disposition for _, _, noun in at.facts("return")} == {"damaged"}
        assert sum(noun.amount.minor for _, _, noun in at.facts("refund")) == sum(
            entry.details["amount"] for entry in at.till.ledger.select("paid_out")
        )


async def test_reads_that_fail_are_tried_again(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at:
        await at.tell(told(order("1001")))
        at.till.mischief.arm(
            FaultRule(match="GET /v2/orders", kind="refuse", status=503, times=1),
            FaultRule(match="POST /v2/catalog", kind="garbage", times=1),
            FaultRule(match="GET /v2/refunds", kind="commit_then_drop", times=1),
        )
        at.till.take_return([Handed(sku="MUG")], "1001", payout=500)
        await at.heard()
        assert at.fact("return")[1] == at.fact("refund")[1] == ONLINE
        assert len(at.till.mischief.struck) == 3


# ---- translation


def _translated(name: str, **changed: Any) -> list[Any]:
    body = msgspec.json.decode((EXAMPLES / f"{name}.json").read_bytes())
    body["order"] = body["order"] | changed
    return list(connector.topics["order.read"](msgspec.json.encode(body), ORIGIN))


def _returned() -> dict[str, Any]:
    return msgspec.json.decode((EXAMPLES / "order.read.return.json").read_bytes())["order"]


def test_an_exchange_is_a_sale_and_a_return() -> None:
    returns = _returned()["returns"]
    linked = [returns[0] | {"uid": "a", "source_order_id": "S1"}, returns[0] | {"uid": "b", "source_order_id": "S2"}]
    sale, left, one, other = _translated("order.read", returns=linked)
    assert (sale.kind, left.kind, one.kind, other.kind) == ("order", "shipment", "return", "return")
    assert (one.entity, other.entity) == ("order:till:S1", "order:till:S2")
    assert (one.id, other.id) == (f"{sale.id}:a", f"{sale.id}:b")


def test_what_is_sold_over_the_counter_has_left_once_the_sale_is_complete() -> None:
    sale, left = _translated("order.read", state="COMPLETED")
    assert (left.kind, left.entity) == ("shipment", sale.entity)
    assert [(line.line, line.units) for line in left.body.lines] == [
        (each.id, each.ordered) for each in sale.body.lines
    ]
    assert [each.kind for each in _translated("order.read", state="OPEN")] == ["order"]


def test_an_order_of_nothing_is_passed_over_by_a_rule() -> None:
    assert _translated("order.read", line_items=[]) == [Ignore("order_without_lines")]


def test_a_cancelled_return_has_received_nothing() -> None:
    found, *_ = _translated("order.read.return", state="CANCELED")
    assert (found.body.status, [line.received for line in found.body.lines]) == ("cancelled", [0, 0])


@pytest.mark.parametrize("quantity", ["1.5", "-1", "", "1e3", "one", "0.00001"])
def test_a_quantity_that_is_no_count_is_refused(quantity: str) -> None:
    line = _returned()["returns"][0]["return_line_items"][0] | {"quantity": quantity}
    with pytest.raises((msgspec.ValidationError, Untranslatable)):
        _translated("order.read.return", returns=[{"uid": "r", "return_line_items": [line]}])


def test_a_refund_without_an_order_is_found_by_its_payment() -> None:
    body = msgspec.json.decode((EXAMPLES / "refund.created.json").read_bytes())
    refund = body["data"]["object"]["refund"]
    topic = connector.topics["refund.created"]
    assert isinstance(next(iter(topic(msgspec.json.encode(body), ORIGIN))), Hint)
    del refund["order_id"]
    refund["payment_id"] = "P1"
    (found,) = topic(msgspec.json.encode(body), ORIGIN)
    assert isinstance(found, Document)
    assert (found.entity, found.about) == (None, "P1")


_STATES = [
    ("PENDING", "pending"),
    ("APPROVED", "open"),
    ("COMPLETED", "captured"),
    ("CANCELED", "voided"),
    ("FAILED", "failed"),
]


@pytest.mark.parametrize(("status", "means"), _STATES)
def test_a_payments_status_in_the_retail_language(status: str, means: str) -> None:
    body = msgspec.json.decode((EXAMPLES / "payment.read.json").read_bytes())
    body["payment"] |= {"status": status, "delayed_until": "2026-11-27T15:00:00Z"}
    found = list(connector.topics["payment.read"](msgspec.json.encode(body), ORIGIN))
    assert found[0].body.status == means
    assert (found[0].body.expires_at is not None) == (status == "APPROVED")
    assert [each.kind for each in found] == ["payment", "capture"][: 1 + (status == "COMPLETED")]


def test_a_signature_is_of_the_address_as_well() -> None:
    headers = {
        k.lower(): v for k, v in msgspec.json.decode((EXAMPLES / "order.created.headers.json").read_bytes()).items()
    }
    body = (EXAMPLES / "order.created.json").read_bytes()
    secrets = msgspec.json.decode((EXAMPLES.parent / "settings.json").read_bytes())["webhook_secrets"]
    assert connector.door is not None
    assert connector.door.genuine(headers, body, [secrets[0].encode()])
    for other in ("https://hub.example/in/other", ""):
        key = secrets[0].split(" ")[0]
        assert not connector.door.genuine(headers, body, [f"{key} {other}".encode()])


def test_a_restored_till_gives_no_id_twice() -> None:
    counter = Till().counter
    saved = counter.snapshot()
    lost = counter.sell([Sold(sku="MUG")], "CASH")
    counter.restore(saved)
    assert counter.sell([Sold(sku="MUG")], "CASH")["id"] != lost["id"]


def test_every_topic_of_the_examples_is_described_by_the_door() -> None:
    assert connector.door is not None
    for file in EXAMPLES.glob("*.*.headers.json"):
        topic = file.name.removesuffix(".headers.json")
        assert connector.door.describe({}, (EXAMPLES / f"{topic}.json").read_bytes()).topic == topic
    assert len(list(itertools.chain(EXAMPLES.glob("*.headers.json")))) == 7
