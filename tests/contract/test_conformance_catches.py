"""The conformance kit proven to fail on what a connector says by itself: translation, door, declaration, examples."""

from __future__ import annotations

import gc
import json
import random
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crossdock.canonical.order import SalesOrder
from crossdock.canonical.shipment import Invoice, InvoicePosting, ShipmentLine
from crossdock.canonical.stock import StockLevel
from crossdock.connect.conformance_documents import noun_faults
from crossdock.connect.connector import Delivery, Reads
from crossdock.connect.documents import Document, Ignore, Origin, Translated
from crossdock.kernel.money import eur
from tests.contract import accounting
from tests.contract.accounting import connector as sound
from tests.contract.complaints import EXAMPLES, Broken, complaints, doing, through_the_door, translating


async def test_a_sound_connector_passes_every_check() -> None:
    assert await complaints(sound, about="translation") == {}
    assert await complaints(sound, about="door") == {}


# ---- translation


def opens_a_file(body: bytes, origin: Origin) -> Iterator[Translated]:
    Path("/etc/hostname").exists()
    with open("/dev/null", "rb"):
        yield from sound.topics["invoice/posted"](body, origin)


def opens_a_socket(body: bytes, origin: Origin) -> Iterator[Translated]:
    socket.socket().close()
    yield from sound.topics["invoice/posted"](body, origin)


def asks_the_clock(body: bytes, origin: Origin) -> Iterator[Translated]:
    assert time.time() > 0
    yield from sound.topics["invoice/posted"](body, origin)


def asks_the_date(body: bytes, origin: Origin) -> Iterator[Translated]:
    assert datetime.now(UTC).year > 0
    yield from sound.topics["invoice/posted"](body, origin)


def throws_dice(body: bytes, origin: Origin) -> Iterator[Translated]:
    assert random.random() < 1
    yield from sound.topics["invoice/posted"](body, origin)


@pytest.mark.parametrize(
    ("impure", "told"),
    [
        (opens_a_file, "open /dev/null"),
        (opens_a_socket, r"socket\.__new__"),
        (asks_the_clock, r"time\.time"),
        (asks_the_date, r"datetime\.now"),
        (throws_dice, r"Random\.random"),
    ],
)
async def test_a_translation_that_is_not_pure_is_caught(impure: Any, told: str) -> None:
    said = await complaints(translating(impure), about="is pure")
    assert said.keys() == {"translation of invoice.posted is pure"}
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(said.popitem()[1])


async def test_what_a_test_tool_does_at_a_collection_of_garbage_is_not_the_translations_doing() -> None:
    def collects_much(body: bytes, origin: Origin) -> Iterator[Translated]:
        assert len([[] for _ in range(100_000)])
        yield from sound.topics["invoice/posted"](body, origin)

    def times(_phase: str, _about: dict[str, int]) -> None:
        time.perf_counter()

    gc.callbacks.append(times)
    try:
        assert await complaints(translating(collects_much), about="invoice.posted is pure") == {}
    finally:
        gc.callbacks.remove(times)


async def test_a_translation_with_a_memory_is_caught() -> None:
    counted: list[int] = []

    def counts(body: bytes, origin: Origin) -> Iterator[Translated]:
        counted.append(1)
        yield Ignore(f"message {len(counted)}")

    said = await complaints(translating(counts), about="invoice.posted is pure")
    assert "two results" in said["translation of invoice.posted is pure"]


def trusts_the_shape(body: bytes, origin: Origin) -> Iterator[Translated]:
    held = json.loads(body)
    if held["currency"] == "EUR":
        yield from sound.topics["invoice/posted"](body, origin)


async def test_a_translation_that_crashes_on_damage_is_caught_and_the_damage_named() -> None:
    said = await complaints(translating(trusts_the_shape), about="damage")
    told = said["translation of invoice.posted survives 60 kinds of damage"]
    assert "[empty] raised JSONDecodeError" in told
    assert "not Untranslatable" in told


def document(**changed: Any) -> Document:
    invoice = Invoice(number="INV-7", net=eur(100), tax=eur(19), total=eur(119))
    whole: dict[str, Any] = {"kind": "invoice", "id": "INV-7", "entity": None, "body": invoice, "token": 1}
    return Document(**{**whole, **changed})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (document(id=""), "id '' .* is empty"),
        (document(id="x" * 300), "too long"),
        (document(id="a\0b"), "not printable"),
        (document(id=7), "id is int"),
        (document(kind="bill"), "'bill' is no kind"),
        (document(kind="order"), "the body of a order is Invoice"),
        (document(entity="INV-7"), "is not kind:connection:key"),
        (document(entity="invoice:shop:"), "is not kind:connection:key"),
        (document(token=1.5), "no whole number"),
        (document(token=-1), "no whole number"),
        (document(token=2**63), "no whole number"),
        (document(fact=""), "fact '' .* is empty"),
        (document(aliases=("",)), "alias '' .* is empty"),
        (
            document(
                body=Invoice(number="7", net=msgspec.structs.replace(eur(1), minor=1.5), tax=eur(1), total=eur(1))
            ),
            "JSON",
        ),
        (document(body=Invoice(number=7, net=eur(1), tax=eur(1), total=eur(1))), "does not survive JSON"),
        (
            document(
                body=Invoice(number="7", net=msgspec.structs.replace(eur(1), currency="€"), tax=eur(1), total=eur(1))
            ),
            "4217",
        ),
        (document(body=Invoice(number="7", net=eur(2**63), tax=eur(1), total=eur(1))), "beyond 64 bits"),
        (Ignore(""), "needs the name of a rule"),
        ("a string", "str is neither Document"),
    ],
)
async def test_a_document_the_hub_could_not_use_is_caught(wrong: Any, told: str) -> None:
    broken = translating(lambda body, origin: iter([wrong]))
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(*(await complaints(broken, about="translation of invoice.posted")).values())


@pytest.mark.parametrize(
    ("units", "right"), [(0, True), (2**31 - 1, True), (-1, False), (2**31, False), (10**40, False)]
)
def test_units_are_counted_from_zero_to_what_a_column_holds(units: int, right: bool) -> None:
    assert [*noun_faults(ShipmentLine(line="1", sku="MUG", units=units))] != right


def test_a_stock_level_may_be_below_zero_for_more_can_be_promised_than_is_there() -> None:
    level = StockLevel(sku="MUG", location="MAIN", on_hand=-2, reserved=5, available=-7)
    assert [*noun_faults(level)] == []
    assert [*noun_faults(msgspec.structs.replace(level, reserved=-1))] != []


async def test_a_message_that_vanishes_is_caught() -> None:
    said = await complaints(translating(lambda body, origin: iter(())), about="translation of invoice.posted")
    assert "Ignore('a rule with a name')" in said["translation of invoice.posted"]


async def test_facts_out_of_rubbish_are_caught() -> None:
    said = await complaints(translating(lambda body, origin: iter([document()])), about="damage")
    assert "yielded facts out of nothing that can be trusted" in said.popitem()[1]


async def test_a_hint_that_nobody_can_follow_is_caught() -> None:
    said = await complaints(replace(sound, reads={}), about="translation of account.changed")
    assert "no read('customer') is declared" in said["translation of account.changed"]


# ---- the door


def _any_secret(headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> bool:
    return accounting._genuine(headers, body, secrets)


@pytest.mark.parametrize(
    ("genuine", "told"),
    [
        (lambda headers, body, secrets: True, "no secrets must open no door"),
        (lambda headers, body, secrets: bool(secrets), "another's secret must not open the door"),
        (lambda headers, body, secrets: False, "genuine by none of webhook_secrets"),
        (lambda headers, body, secrets: _any_secret(headers, body, secrets[:1]), "the second of two secrets"),
        (lambda headers, body, secrets: _any_secret(headers, body, secrets[-1:]), "the first of two secrets"),
        (
            lambda headers, body, secrets: (
                (headers.get("x-signature") == "" and bool(secrets)) or _any_secret(headers, body, secrets)
            ),
            "it is open with x-signature: ''",
        ),
        (
            lambda headers, body, secrets: _any_secret({"x-signature": headers["x-signature"]}, body, secrets),
            "KeyError",
        ),
        (
            lambda headers, body, secrets: _any_secret(
                {"x-signature": headers.get("x-signature", "").encode("ascii").decode()}, body, secrets
            ),
            "UnicodeEncodeError",
        ),
    ],
)
async def test_a_door_that_is_open_stuck_or_breaks_is_caught(genuine: Any, told: str) -> None:
    said = await complaints(through_the_door(genuine=genuine), about="the door")
    assert any(told in complaint for complaint in said.values()), said


async def test_a_door_that_misnames_its_messages_is_caught() -> None:
    broken = through_the_door(describe=lambda headers, body: Delivery("something/else", None))
    said = await complaints(broken, about="the door describes")
    assert "it says 'something/else' of an example of 'invoice/posted'" in said["the door describes invoice.posted"]


# ---- the declaration


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (doing(SalesOrder, effects=()), "declares no effect class"),
        (doing(SalesOrder, many=accounting.post_invoices), "exactly one of"),
        (doing(InvoicePosting, bulk=0), "takes 0 at once"),
        (replace(sound, finders={}), r"there is no find\(SalesOrder\)"),
        (replace(sound, finders={**sound.finders, Invoice: accounting.find_bookings}), "find invoice without an act"),
        (replace(sound, reads={**sound.reads, "ledger": Reads()}), "'ledger' is read but is no kind"),
    ],
)
async def test_a_declaration_that_contradicts_itself_is_caught(broken: Broken, told: str) -> None:
    with pytest.raises(AssertionError, match=told):
        raise AssertionError((await complaints(broken, about="declaration"))["the declaration holds together"])


async def test_what_has_no_example_is_caught() -> None:
    topics, noun = {**sound.topics, "invoice/voided": sound.topics["ping"]}, Invoice
    capabilities = {**sound.capabilities, noun: replace(sound.capabilities[SalesOrder], noun=noun)}
    said = await complaints(replace(sound, topics=topics, capabilities=capabilities), about="has an example")
    assert said["everything declared has an example"].endswith(
        "lacks messages/invoice.voided.json, commands/invoice.json"
    )


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("settings.json", '{"url":"x","api_key":"k","spare":1}', "unknown field `spare`"),
        ("settings.json", '{"url":"x","api_key":"short"}', "must have 8 characters"),
        ("messages/invoice.lost.json", "{}", "an example of no declared topic"),
        ("commands/bill.json", "[]", "named after no noun"),
        ("commands/sales_order.json", '[{"order": 1}]', "number 1"),
        ("conformance.json", '{"preambel": []}', "preambel"),
    ],
)
async def test_examples_that_cannot_be_used_name_the_file(tmp_path: Path, file: str, content: str, told: str) -> None:
    for original in EXAMPLES.rglob("*.json"):
        copy = tmp_path / original.relative_to(EXAMPLES)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(original.read_bytes())
    (tmp_path / file).write_text(content)
    said = await complaints(sound, examples=tmp_path)
    assert said.keys() == {"the examples can be read"}
    assert told in said["the examples can be read"]
    assert Path(file).name in said["the examples can be read"] or "settings.api_key" in said["the examples can be read"]


async def test_a_connector_without_examples_is_told_where_to_put_them(tmp_path: Path) -> None:
    said = await complaints(sound, examples=tmp_path / "none")
    assert f"has no folder {tmp_path / 'none'}" in said["the examples can be read"]
