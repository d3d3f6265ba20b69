"""What Stripe tells us: whose it is, what it means in the retail language whatever the order it comes in, and what is refused."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web

from crossdock.canonical.payment import Capture, Dispute, PaymentAuthorization, Refund
from crossdock.connect.documents import Document, Ignore, Origin, Page, Untranslatable
from crossdock.connectors.stripe import connector
from crossdock.connectors.stripe.acts import capture, refund
from crossdock.connectors.stripe.amounts import money
from crossdock.connectors.stripe.door import genuine
from crossdock.connectors.stripe.reads import (
    OVERLAP_SECONDS,
    read_dispute,
    read_order_payments,
    read_payment,
    read_refund,
)
from crossdock.kernel.money import Money, usd
from crossdock.simulators.mischief import WebhookMischief
from crossdock.simulators.payments import WEBHOOK_SECRET
from crossdock.simulators.running import serving
from tests.contract.stripe_examples import SECRET, messages, signed
from tests.contract.stripe_site import ORIGIN, Site, capturing, refunding, site

Truth = dict[tuple[str, str], Document]
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def heard(events: Iterable[Any], origin: Origin = ORIGIN) -> list[Document]:
    """The documents of these events, translated as they come in at the door."""
    assert connector.door is not None
    documents = list[Document]()
    for event in events:
        body = msgspec.json.encode(event)
        topic = connector.door.describe({}, body).topic
        documents += [each for each in connector.topics[topic](body, origin) if isinstance(each, Document)]
    return documents


def merged(documents: Iterable[Document]) -> Truth:
    """Of each thing the highest version; two bodies of one version would be a tie."""
    held: Truth = {}
    for document in documents:
        key = (document.kind, document.id)
        before = held.get(key)
        if before is not None and before.token == document.token:
            assert before.body == document.body, "a tie"
        if before is None or document.token > before.token:
            held[key] = document
    return held


def told(at: Site) -> list[Any]:
    return at.provider.books.all("event")


def bodies(truth: Truth, shape: type[Any]) -> list[Any]:
    return [document.body for document in truth.values() if isinstance(document.body, shape)]


# ---- facts, in whatever order


async def _busy_life(at: Site) -> None:
    """Held, captured in two, given back by us and by a clerk, one refund failed, disputed and won; another payment voided."""
    held = await at.pay(capture_method="manual")
    await capture(capturing(held["id"], 7_000, final=False), at.link)
    await capture(capturing(held["id"], 2_000, final=True, ordinal=2), at.link)
    await at.control("refunds", settle_after_seconds=-1)
    for ordinal, outcome in ((1, "succeeded"), (2, "failed")):
        made = await refund(refunding(held["id"], 500, ordinal=ordinal), at.link)
        await at.do("settle_refund", refund=getattr(made, "id", ""), outcome=outcome)
    await at.do("clerk_refund", order="1001", amount=300)
    await at.do("open_dispute", order="1001", amount=1_000)
    await at.do("close_dispute", order="1001", won=True)
    await at.pay("1002", 4_000, capture_method="manual")
    await at.do("cancel", order="1002")
    await at.pay("1003", 900, declined=True)


@pytest.mark.parametrize("step_seconds", [0, 1], ids=["all in one second", "a second each"])
async def test_the_order_and_repetition_of_events_make_no_difference(step_seconds: int):
    ticks = iter(range(10**6))
    async with site(clock=lambda: NOW + timedelta(seconds=step_seconds * next(ticks))) as at:
        await _busy_life(at)
        documents = heard(told(at))
    truth = merged(documents)
    chance = random.Random(1)
    for _ in range(300):
        shuffled = chance.sample(documents, len(documents)) + chance.choices(documents, k=5)
        assert merged(chance.sample(shuffled, len(shuffled))) == truth
    payments = {body.id: body.status for body in bodies(truth, PaymentAuthorization)}
    assert sorted(payments.values()) == ["captured", "failed", "voided"]
    assert sorted(body.status for body in bodies(truth, Refund)) == ["failed", "pending", "succeeded"]
    assert [body.status for body in bodies(truth, Dispute)] == ["won"]


async def test_each_capture_is_one_fact_and_they_sum_to_what_the_ledger_says():
    async with site() as at:
        await _busy_life(at)
        captures = bodies(merged(heard(told(at))), Capture)
        assert [body.amount for body in captures] == [usd(7_000), usd(2_000)]
        assert [entry["amount"] for entry in at.happened("captured")] == [7_000, 2_000]


@pytest.mark.parametrize(
    "paid", [{}, {"capture_method": "manual", "multicapture": False}, {"capture_method": "manual"}]
)
async def test_money_taken_at_once_later_or_from_many_is_one_capture(paid: dict[str, Any]):
    async with site() as at:
        held = await at.pay(**paid)
        if paid:
            await at.do("capture", order="1001", amount=8_000)
        (taken,) = bodies(merged(heard(told(at))), Capture)
        assert (taken.payment, taken.amount) == (held["id"], usd(8_000 if paid else 10_000))


async def test_an_authorisation_says_until_when_it_holds_and_on_which_card():
    async with site(clock=lambda: NOW) as at:
        held = await at.pay(capture_method="manual")
        (document,) = [each for each in merged(heard(told(at))).values() if each.kind == "payment"]
        assert document.body == PaymentAuthorization(
            id=held["id"],
            tender="card",
            authorised=usd(10_000),
            status="open",
            authorised_at=NOW,
            expires_at=NOW + timedelta(days=7),
            label="Visa 4242",
        )
        assert (document.entity, document.aliases) == ("order:shop:1001", (held["id"], held["latest_charge"]))


# ---- whose it is


async def test_our_refund_names_its_order_and_promise_and_a_clerks_names_its_payment():
    async with site() as at:
        paid = await at.pay()
        command = refunding(paid["id"])
        await refund(command, at.link)
        by_hand = await at.do("clerk_refund", order="1001", amount=300)
        ours, clerks = [each for each in merged(heard(told(at))).values() if each.kind == "refund"]
        assert isinstance(ours.body, Refund)
        assert (ours.entity, ours.about, ours.body.reference) == ("order:shop:1001", "", command.key)
        assert isinstance(clerks.body, Refund)
        assert (clerks.entity, clerks.about, clerks.body.reference) == (None, paid["id"], "")
        read = await read_refund(by_hand["id"], at.link)
        assert read is not None
        (again,) = connector.topics[read.topic](read.body, ORIGIN)
        assert isinstance(again, Document)
        assert (again.entity, again.body) == ("order:shop:1001", clerks.body)


async def test_a_dispute_is_about_its_payment_and_a_read_of_it_names_the_order():
    async with site() as at:
        paid = await at.pay()
        opened = await at.do("open_dispute", order="1001", reason="product_not_received")
        (document,) = [each for each in merged(heard(told(at))).values() if each.kind == "dispute"]
        assert isinstance(document.body, Dispute)
        assert (document.entity, document.about) == (None, paid["id"])
        assert (document.body.status, document.body.amount, document.body.fee) == ("open", usd(10_000), usd(1_500))
        read = await read_dispute(opened["id"], at.link)
        assert read is not None
        (again,) = connector.topics[read.topic](read.body, ORIGIN)
        assert isinstance(again, Document)
        assert again.entity == "order:shop:1001"


async def test_a_payment_whose_order_nobody_named_belongs_to_none():
    async with site() as at:
        await at.pay("")
        await at.pay("with blank")
        nameless = merged(heard(told(at))).values()
        assert {each.entity for each in nameless} == {None}
        assert all(each.about for each in nameless if each.kind == "capture")
        unset = msgspec.structs.replace(ORIGIN, orders_of="")
        await at.pay("1001")
        assert {each.entity for each in heard(told(at), unset)} == {None}


def test_an_inquiry_takes_no_money_and_so_is_no_dispute():
    (said,) = connector.topics["charge.dispute.created"](messages()["charge.dispute.created.inquiry"], ORIGIN)
    assert said == Ignore("dispute_takes_no_money:warning_needs_response")


def test_what_nobody_uses_is_ignored_by_the_name_of_its_event():
    assert connector.door is not None
    body = b'{"id":"evt_1","type":"customer.created","created":1,"data":{"object":{}}}'
    delivery = connector.door.describe({}, body)
    assert (delivery.topic, delivery.message_id) == ("other", "evt_1")
    assert list(connector.topics["other"](body, ORIGIN)) == [Ignore("not_used:customer.created")]


# ---- reads


@pytest.mark.parametrize(
    ("given", "after"),
    [({}, ""), ({"capture_method": "manual"}, ""), ({"capture_method": "manual"}, "cancel"), ({"declined": True}, "")],
)
async def test_a_payment_read_is_what_its_events_told(given: dict[str, Any], after: str):
    async with site() as at:
        paid = await at.pay(**given)
        if after:
            await at.do(after, order="1001")
        read = await read_payment(paid["id"], at.link)
        assert read is not None
        found = [each for each in connector.topics[read.topic](read.body, ORIGIN) if isinstance(each, Document)]
        known = merged(heard(told(at)))
        assert {(each.kind, each.id) for each in found} == known.keys()
        for each in found:
            heard_of = known[each.kind, each.id]
            assert (each.body, each.entity, each.aliases) == (heard_of.body, heard_of.entity, heard_of.aliases)
            assert each.token >= heard_of.token
        assert await read_payment("pi_none", at.link) is None


@pytest.mark.parametrize("seconds", [0, 1, 2])
async def test_an_event_made_in_the_next_second_tells_of_the_capture_that_a_read_finds_and_is_never_the_newer(
    seconds: int,
):
    async with site() as at:
        paid = await at.pay()
        events = [{**each, "created": each["created"] + seconds} for each in told(at)]
        read = await read_payment(paid["id"], at.link)
        assert read is not None
        known = merged(heard(events))
        for each in connector.topics[read.topic](read.body, ORIGIN):
            if isinstance(each, Document) and each.kind == "capture":
                assert each.body == known[each.kind, each.id].body
                assert each.token > known[each.kind, each.id].token


async def test_the_payments_of_an_order_are_found_by_its_name_with_what_was_captured():
    async with site() as at:
        for order in ("1001", "1001", "1002"):
            await at.pay(order=order)
        read = await read_order_payments("1001", at.link)
        found = [each for each in connector.topics[read.topic](read.body, ORIGIN) if isinstance(each, Document)]
        known = {at_: each for at_, each in merged(heard(told(at))).items() if each.entity == "order:shop:1001"}
        assert merged(found).keys() == known.keys()
        assert len(known) == 4
        nobodys = await read_order_payments('10"03', at.link)
        assert list(connector.topics[nobodys.topic](nobodys.body, ORIGIN)) == [Ignore("no_payment_names_it")]


async def test_of_several_captures_a_read_tells_no_steps():
    async with site() as at:
        paid = await at.pay(capture_method="manual")
        await at.do("capture", order="1001", amount=100, final=False)
        await at.do("capture", order="1001", amount=200)
        read = await read_payment(paid["id"], at.link)
        assert read is not None
        assert [
            each.kind for each in connector.topics[read.topic](read.body, ORIGIN) if isinstance(each, Document)
        ] == ["payment"]


async def test_lost_webhooks_are_listed_and_translate_to_the_same_facts():
    async with site() as at:
        await _busy_life(at)
        readings = list[Any]()
        for kind in ("payment", "capture", "refund", "dispute"):
            listing = connector.reads[kind].list
            assert listing is not None
            page: Page = await listing("", at.link)
            readings += page.items
            assert not page.more
            overlapping = await listing(page.cursor, at.link)
            assert overlapping.items == page.items  # all of it is younger than the overlap
        found = [each for item in readings for each in connector.topics[item.topic](item.body, ORIGIN)]
        assert merged(each for each in found if isinstance(each, Document)) == merged(heard(told(at)))


async def test_a_later_pass_lists_what_is_new_and_the_overlap():
    times = iter([NOW] * 3)  # the first payment's; those after it come later
    async with site(clock=lambda: next(times, NOW + timedelta(hours=1))) as at:
        await at.pay()
        listing = connector.reads["capture"].list
        assert listing is not None
        cursor = str(int((NOW + timedelta(hours=1)).timestamp()) - OVERLAP_SECONDS)
        await at.pay("1002")
        assert [json.loads(item.body)["created"] for item in (await listing(cursor, at.link)).items]


# ---- the door


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Site, list[bytes], list[bytes]]]:
    """A provider whose webhooks come in by the connector's own door: what was genuine, and what was not."""
    true, refused = list[bytes](), list[bytes]()
    secrets = [b"whsec_an_older_secret", WEBHOOK_SECRET.encode()]

    async def take(request: web.Request) -> web.Response:
        headers, body = {name.lower(): value for name, value in request.headers.items()}, await request.read()
        fits = genuine(headers, body, secrets)
        (true if fits else refused).append(body)
        return web.Response(status=200 if fits else 401)

    app = web.Application()
    app.router.add_post("/in/psp", take)
    async with serving(app) as hub, site(hub=f"{hub.url}/in/psp", retry_seconds=(0.05,)) as at:
        yield at, true, refused


async def test_what_the_provider_tells_is_genuine_and_what_is_forged_or_altered_is_not():
    async with listening() as (at, true, refused):
        await at.pay()
        await at.provider.sender.idle()
        assert [json.loads(body)["type"] for body in sorted(true)].count("charge.succeeded") == 1
        assert refused == []
        at.provider.mischief.webhooks = WebhookMischief(forge=1.0, alter=1.0)
        await at.do("clerk_refund", order="1001", amount=100)
        await at.provider.sender.idle()
        assert len(refused) == 4
        assert at.provider.sender.counts.forgeries_accepted == 0


def _lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def test_only_a_v1_signature_of_the_last_five_minutes_by_any_of_our_secrets_opens_the_door():
    body, now = b'{"id":"evt_1"}', int(time.time())
    fresh = _lower(signed(body, at=now))
    assert genuine(fresh, body, [SECRET])
    assert genuine(fresh, body, [b"whsec_older", SECRET])
    assert genuine(_lower(signed(body, at=now - 290)), body, [SECRET])
    assert not genuine(_lower(signed(body, at=now - 310)), body, [SECRET])
    assert not genuine(fresh, body, [b"whsec_older"])
    assert not genuine(fresh, body, [b""])
    header = fresh["stripe-signature"]
    rolled = header.replace("v1=", "v1=00ff,v1=")  # while a secret is rolled Stripe signs with both
    assert genuine({"stripe-signature": rolled}, body, [SECRET])
    for wrong in (header.replace("v1=", "v0="), header.replace("t=", "t=1"), header + f",t={now}", "", "t=,v1="):
        assert not genuine({"stripe-signature": wrong}, body, [SECRET]), wrong


# ---- what is refused


def _charge(**changed: Any) -> bytes:
    event = json.loads(messages()["charge.succeeded"])
    event["data"]["object"] |= changed
    return msgspec.json.encode(event)


def test_amounts_that_are_no_money_are_refused():
    assert money(500, "isk") == Money(5, "ISK")
    for changed in ({"currency": "isk", "amount": 10_001}, {"amount": -1}, {"currency": "dollars"}, {"amount": 10**15}):
        with pytest.raises((msgspec.ValidationError, Untranslatable)):
            list(connector.topics["charge.succeeded"](_charge(**changed), ORIGIN))


@pytest.mark.parametrize(("topic", "kind"), [("refund.updated", "refund"), ("charge.dispute.created", "dispute")])
def test_a_status_nobody_has_published_is_refused_and_not_guessed(topic: str, kind: str):
    event = json.loads(messages()[topic])
    event["data"]["object"]["status"] = "quantum"
    with pytest.raises(Untranslatable, match=kind):
        list(connector.topics[topic](msgspec.json.encode(event), ORIGIN))
