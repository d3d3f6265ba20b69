"""The conformance kit proven to fail on what a connector does when it calls: faults, effects, pages, secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
import pytest

from crossdock.canonical.order import PartyAccount, SalesOrder
from crossdock.canonical.shipment import InvoicePosting
from crossdock.connect.conformance_server import FAILURES
from crossdock.connect.connector import Command
from crossdock.connect.documents import Page
from crossdock.connect.effects import Keyed
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connect.secrets import Secret
from crossdock.kernel.faults import Fault, Rejected, Transient, Unknown
from tests.contract import accounting
from tests.contract.accounting import connector as sound
from tests.contract.accounting.hopeful import hopes_nothing_happened
from tests.contract.complaints import complaints, doing, reading

# ---- failures


async def calls_everything_rejected(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    try:
        return await accounting.book(command, link)
    except Fault as fault:
        return Rejected(fault.detail)


async def claims_to_only_read(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    headers = await accounting.session(link)
    answer = await link.http.post("/v1/bookings", {"reference": command.key}, headers=headers, safe=True)
    return Confirmed(id=answer.json()["id"])


async def tries_again_itself(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    try:
        return await accounting.book(command, link)
    except Unknown:
        return await accounting.book(command, link)


async def crashes_on_rubbish(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    answer = await link.http.post("/v1/bookings", {"n": 1}, headers=await accounting.session(link))
    return Confirmed(id=json.loads(answer.body)["id"])


async def takes_anything_for_a_yes(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    await link.http.post("/v1/bookings", {"reference": command.key}, headers=await accounting.session(link))
    return Confirmed(id=command.key)


async def forgets_the_wait(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    try:
        return await accounting.book(command, link)
    except Transient as fault:
        raise Transient(fault.detail, outage=fault.outage) from fault


async def goes_around_the_line(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    async with aiohttp.ClientSession() as own, own.post(f"{link.settings.url}/v1/bookings", json={}) as answer:
        return Confirmed(id=str(answer.status))


async def asks_nobody(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    return Rejected("no party")


PAST = "act sales_order, past the preamble, meets "


@pytest.mark.parametrize(
    ("broken", "check", "told"),
    [
        (calls_everything_rejected, f"{PAST}a 500", "right is Unknown, it told Rejected"),
        (calls_everything_rejected, f"{PAST}a 401", "right is Refused, it told Rejected"),
        (hopes_nothing_happened, f"{PAST}a 502", "right is Unknown, it told Transient"),
        (hopes_nothing_happened, f"{PAST}a time-out", "right is Unknown, it told Transient"),
        (claims_to_only_read, f"{PAST}a 503", "right is Unknown, it told Transient"),
        (claims_to_only_read, f"{PAST}a connection reset after the request", "right is Unknown, it told Transient"),
        (tries_again_itself, f"{PAST}a 500", "trying again is the lane's"),
        (crashes_on_rubbish, f"{PAST}broken JSON", "JSONDecodeError.*only faults may come out"),
        (takes_anything_for_a_yes, f"{PAST}broken JSON", "right is Unknown, it told Confirmed"),
        (takes_anything_for_a_yes, f"{PAST}an empty object", "right is Unknown, it told Confirmed"),
        (crashes_on_rubbish, f"{PAST}text that is no UTF-8", "UnicodeDecodeError.*only faults may come out"),
        (forgets_the_wait, f"{PAST}a 429", "right is Throttled, it told Transient"),
        (goes_around_the_line, "act sales_order meets a 500", "made no request"),
        (asks_nobody, "act sales_order meets a 500", "made no request at all; give its example the refs it needs"),
    ],
)
async def test_a_failure_told_wrongly_is_caught(broken: Any, check: str, told: str) -> None:
    said = await complaints(doing(SalesOrder, one=broken), about=check)
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(said[check])


def promising(status: int) -> Any:
    """A connector that says its vendor promises nothing happened when it answers with this status."""

    async def book(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
        headers, booking = await accounting.session(link), {"reference": command.key}
        answer = await link.http.post("/v1/bookings", booking, headers=headers, not_done=(status,))
        return Confirmed(id=answer.json()["id"])

    return doing(SalesOrder, one=book)


async def test_a_vendors_promise_that_nothing_happened_is_believed_of_a_503_only() -> None:
    assert await complaints(promising(503), about=f"{PAST}a 50") == {}
    said = await complaints(promising(500), about=f"{PAST}a 50")
    assert said.keys() == {f"{PAST}a 500"}


async def test_a_failure_behind_the_requests_that_prepare_an_effect_is_judged_as_well() -> None:
    broken = doing(SalesOrder, one=hopes_nothing_happened)
    said = await complaints(broken, about="about to change something, meets", ledger=True)
    assert len(said) == len(FAILURES) - 4  # told rightly: 401, 403, 429, and there is no refused connection
    told = said["act sales_order, about to change something, meets an answer cut short"]
    assert "at POST /v1/bookings, and a request that may have had an effect was sent" in told


async def test_a_failed_login_that_is_told_as_unknown_is_caught() -> None:
    async def logs_in_as_if_it_were_an_effect(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
        await link.http.post("/v1/sessions", {"key": link.settings.api_key.reveal()})
        return Confirmed(id="1")

    said = await complaints(doing(SalesOrder, one=logs_in_as_if_it_were_an_effect), about="act sales_order meets a 502")
    assert "only requests that read were sent: right is Transient, it told Unknown" in said.popitem()[1]


async def test_a_search_that_takes_a_failure_for_absence_is_caught() -> None:
    async def finds_nothing(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        try:
            return await accounting.find_bookings(commands, link)
        except Fault:
            return {}

    said = await complaints(replace(sound, finders={SalesOrder: finds_nothing}), about="find sales_order meets")
    assert len(said) == len(FAILURES)
    assert "right is Transient, it told dict('{}')" in said["find sales_order meets a 500"]


async def test_a_read_that_takes_a_failure_for_absence_is_caught() -> None:
    async def reads_none(number: str, link: Link[Any]) -> None:
        try:
            await accounting.read_invoice(number, link)
        except Fault:
            return

    said = await complaints(reading(read=reads_none), about="read invoice meets a 503")
    assert "right is Transient, it told NoneType" in said["read invoice meets a 503"]


async def test_a_bulk_act_that_loses_an_item_of_a_refused_call_is_caught() -> None:
    async def drops_the_faults(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        try:
            return await accounting.post_invoices(commands, link)
        except Fault:
            return {}

    said = await complaints(doing(InvoicePosting, many=drops_the_faults), about="act invoice_posting meets a 403")
    assert "right is Refused, it told Unknown('left out of the answer')" in said.popitem()[1]


async def test_a_state_that_answers_for_strangers_is_caught() -> None:
    async def answers_for_another(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        return {"somebody else": Confirmed(id="1")}

    broken = doing(PartyAccount, many=answers_for_another)
    said = await complaints(broken, about="state party_account: twice", ledger=True)
    assert "it answers for ['somebody else'], which are no keys" in said.popitem()[1]


async def test_a_connector_that_swallows_the_loss_of_its_lease_is_caught() -> None:
    async def carries_on(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
        try:
            return await accounting.book(command, link)
        except Exception as error:  # noqa: BLE001
            return Unknown(str(error))

    said = await complaints(doing(SalesOrder, one=carries_on), about="act sales_order does nothing without the lease")
    assert "swallowed what the guard raised" in said.popitem()[1]


# ---- the true ledger


async def test_a_key_that_is_not_kept_is_caught() -> None:
    said = await complaints(doing(SalesOrder, effects=(Keyed(),)), about="second send", ledger=True)
    told = said["act sales_order: a second send of the same key has no second effect"]
    assert "another id" in told


async def test_a_search_that_finds_nothing_is_caught() -> None:
    async def finds_nothing(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        return {}

    said = await complaints(replace(sound, finders={SalesOrder: finds_nothing}), about="act sales_order:", ledger=True)
    assert (
        "find() does not see what happened"
        in said["act sales_order: after commit_then_drop nobody knows, and it happened once"]
    )
    assert "find() returns {}" in said["act sales_order: is found by our reference, and only once sent"]


async def test_a_search_that_finds_what_was_never_sent_is_caught() -> None:
    async def finds_all(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        return {command.key: Confirmed(id="1") for command in commands}

    said = await complaints(replace(sound, finders={SalesOrder: finds_all}), about="is found", ledger=True)
    assert "before anything was sent" in said.popitem()[1]


async def test_an_effect_done_twice_behind_a_lost_answer_is_caught() -> None:
    said = await complaints(doing(SalesOrder, one=tries_again_itself), about="commit_then_drop", ledger=True)
    assert "the answer was lost, and it told Confirmed" in said.popitem()[1]


async def test_a_bulk_answer_taken_for_all_of_its_items_is_caught() -> None:
    async def says_yes_to_all(commands: Sequence[Command[Any]], link: Link[Any]) -> Mapping[str, Outcome]:
        done = await accounting.post_invoices(commands, link)
        return {command.key: done.get(command.key, Confirmed(id="1")) for command in commands}

    said = await complaints(doing(InvoicePosting, many=says_yes_to_all), about="half done", ledger=True)
    assert "happened 0 times, and it told Confirmed" in said.popitem()[1]


async def test_a_normalise_that_differs_from_what_the_target_holds_is_caught() -> None:
    said = await complaints(doing(PartyAccount, normalise=lambda wanted: wanted), about="twice", ledger=True)
    assert "normalise says" in said.popitem()[1]


Lister = Callable[[str, Link[Any]], Awaitable[Page]]


async def goes_in_circles(cursor: str, link: Link[Any]) -> Page:
    page = await accounting.list_invoices("", link)
    return replace_page(page, cursor=cursor or page.cursor, more=True)


async def skips_one(cursor: str, link: Link[Any]) -> Page:
    page = await accounting.list_invoices(cursor, link)
    return replace_page(page, cursor=str(int(page.cursor) + 1))


def forgets_on_resuming() -> Lister:
    seen: set[str] = set()

    async def listing(cursor: str, link: Link[Any]) -> Page:
        page = await accounting.list_invoices(cursor, link)
        resumed = cursor in seen
        seen.add(cursor)
        return replace_page(page, items=page.items[1:]) if resumed else page

    return listing


async def stops_early(cursor: str, link: Link[Any]) -> Page:
    return replace_page(await accounting.list_invoices(cursor, link), more=False)


async def speaks_in_tongues(cursor: str, link: Link[Any]) -> Page:
    page = await accounting.list_invoices(cursor, link)
    return replace_page(page, items=[msgspec.structs.replace(item, topic="invoice/read") for item in page.items])


def replace_page(page: Page, **changed: Any) -> Page:
    return msgspec.structs.replace(page, **changed)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (goes_in_circles, "gives the cursor it was asked with"),
        (skips_one, "lacks"),
        (stops_early, "lacks"),
        (forgets_on_resuming(), "from the cursor of page 1 on"),
        (speaks_in_tongues, "which nothing translates"),
    ],
)
async def test_pages_that_lose_or_repeat_for_ever_are_caught(broken: Lister, told: str) -> None:
    said = await complaints(reading(list=broken), about="list invoice ends", ledger=True)
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(said["list invoice ends, resumes and loses nothing"])


# ---- secrets


async def leaks_in_an_exception(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    try:
        return await accounting.book(command, link)
    except Fault as fault:
        raise type(fault)(f"with key {link.settings.api_key.reveal()}: {fault.detail}") from fault


async def leaks_in_a_log(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    logging.getLogger("accounting").debug("booking with %s", link.settings.api_key.reveal())
    return await accounting.book(command, link)


async def leaks_in_a_print(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    print("session", await accounting.session(link))
    return await accounting.book(command, link)


async def leaks_in_the_address(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    answer = await link.http.post(f"/v1/bookings?key={link.settings.api_key.reveal()}", {})
    return Confirmed(id=answer.json()["id"])


@pytest.mark.parametrize(
    ("leaky", "failure", "where"),
    [
        (leaks_in_an_exception, "a 500", "settings.api_key in an outcome"),
        (leaks_in_a_log, "a 500", "settings.api_key in a log record of accounting"),
        (leaks_in_a_print, "a 500", "script.0 in what was printed"),
        (leaks_in_the_address, "a time-out", "settings.api_key in an outcome"),
    ],
)
async def test_a_secret_that_shows_is_caught(leaky: Any, failure: str, where: str) -> None:
    said = await complaints(doing(SalesOrder, one=leaky), about=f"{PAST}{failure}")
    with pytest.raises(AssertionError, match=where):
        raise AssertionError(said.popitem()[1])
    assert "an-accounting-api-key" not in str(said)


class OpenSettings(msgspec.Struct, kw_only=True, frozen=True):
    url: str
    api_key: str
    webhook_secrets: tuple[Secret, ...] = ()


async def test_a_credential_that_is_a_plain_string_is_caught() -> None:
    said = await complaints(replace(sound, settings=OpenSettings), about="credential")
    assert "api_key must be of type Secret" in said.popitem()[1]
