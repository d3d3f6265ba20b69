"""What goes wrong between the hub and Tryton is told as what happens next, and leaves nothing half forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from crossdock.connect.secrets import Secret
from crossdock.connectors.tryton.parties import keep_accounts
from crossdock.connectors.tryton.rpc import Warned, fault_in
from crossdock.connectors.tryton.sales import post_sales
from crossdock.kernel.faults import Refused, Rejected, Transient, Unknown
from crossdock.simulators.tryton import Erp, boot
from tests.contract.tryton_proxy import SILENCE_SECONDS, Way, door
from tests.contract.tryton_site import Bought, Site, done, keep, order_of, sell, site, sold

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def erp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erp]:
    with boot(tmp_path_factory.mktemp("erp")) as running:
        yield running


async def log_out(here: Site) -> None:
    """End the session at the server, as its time-out would."""
    headers = {"Authorization": here.link.memory["signed_in"].authorization.reveal()}
    await here.http.post(f"/{here.at.db}/rpc/", {"id": 1, "method": "common.db.logout", "params": []}, headers=headers)


# --- the session -------------------------------------------------------------------------------------------------------


async def test_a_process_logs_in_once_however_many_calls_start_at_the_same_time(erp: Erp) -> None:
    async with site(erp.at) as here:
        await asyncio.gather(*(keep_accounts([keep(f"customer:shop:1{n}")], here.link) for n in range(5)))
        assert here.http.methods.count("common.db.login") == 1


async def test_a_session_that_ended_is_renewed_once_for_all_and_the_work_goes_on(erp: Erp) -> None:
    async with site(erp.at) as here:
        await sold(here, order_of("201", [Bought("MUG-01")]))
        await log_out(here)
        here.http.methods.clear()
        asked = [sell(order_of(f"21{n}", [Bought("MUG-01")])) for n in range(4)]
        outcomes = await asyncio.gather(*(post_sales([each], here.link) for each in asked))
        assert here.http.methods.count("common.db.login") == 1
    for outcome in outcomes:
        done(*outcome.values())


async def test_a_session_outlives_a_restart_of_the_server(erp: Erp) -> None:
    async with site(erp.at) as here:
        await sold(here, order_of("202", [Bought("MUG-01")]))
        erp.kill()
        erp.start()
        await sold(here, order_of("203", [Bought("MUG-01")]))
        assert here.http.methods.count("common.db.login") == 1


# --- settings that are wrong -------------------------------------------------------------------------------------------


WRONG: list[dict[str, Any]] = [
    {"password": Secret("not the password")},
    {"user": "nobody"},
    {"shop": "No such shop"},
    {"warehouse": "NOWHERE"},
    {"payment_term": "Never"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
async def test_settings_that_fit_nothing_are_refused_for_the_whole_connection(erp: Erp, wrong: dict[str, Any]) -> None:
    async with site(erp.at, **wrong) as here:
        with pytest.raises(Refused):
            await post_sales([sell(order_of("301", [Bought("MUG-01")]))], here.link)
        assert here.http.methods.count("common.db.login") <= 2


async def test_a_payment_term_and_a_shipping_product_are_used_by_name(erp: Erp) -> None:
    async with site(erp.at, payment_term="Upon Receipt", shipping_product="BAG-01") as here:
        await sold(here, order_of("302", [Bought("MUG-01")], shipping=500))
        [sale] = here.order("sales", "order:shop:302")
        [term] = here.ask("sale.sale", "payment_term.name", [["web_id", "=", "order:shop:302"]])
    assert [line["product"] for line in sale["lines"]] == ["MUG-01", "BAG-01"]
    assert term["payment_term."]["name"] == "Upon Receipt"


# --- the line ----------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_down_is_an_outage_and_nothing_is_lost(erp: Erp) -> None:
    asked = sell(order_of("401", [Bought("MUG-01")]))
    async with site(erp.at) as here, site(erp.at) as never_logged_in:
        await sold(here, order_of("402", [Bought("MUG-01")]))
        erp.kill()
        for each in (here, never_logged_in):
            with pytest.raises(Transient) as fault:
                await post_sales([asked], each.link)
            assert fault.value.outage
        erp.start()
        done((await post_sales([asked], here.link))[asked.key])
        assert len(here.order("sales", asked.entity)) == 1


SPOILT: list[tuple[str, Way]] = [
    (call, way)
    for call in ("sale.sale.create", "sale.sale.confirm")
    for way in ("commit_then_drop", "commit_then_status", "garbage")
]


@pytest.mark.parametrize(("call", "way"), SPOILT)
async def test_a_lost_answer_is_unknown_and_sending_again_makes_no_second_sale(erp: Erp, call: str, way: Way) -> None:
    asked = sell(order_of(f"41{SPOILT.index((call, way))}", [Bought("MUG-01")]))
    async with door(erp.at) as spoiling, site(erp.at, url=spoiling.url) as here:
        spoiling.spoilt[call] = way
        with pytest.raises(Unknown):
            await post_sales([asked], here.link)
        done((await post_sales([asked], here.link))[asked.key])
        assert len(here.order("sales", asked.entity)) == 1


async def test_an_answer_that_does_not_come_in_time_is_unknown_too(erp: Erp) -> None:
    asked = sell(order_of("417", [Bought("MUG-01")]))
    slow = SILENCE_SECONDS - 1
    async with door(erp.at) as spoiling, site(erp.at, url=spoiling.url, timeout_seconds=slow) as here:
        spoiling.spoilt["sale.sale.create"] = "commit_then_timeout"
        with pytest.raises(Unknown):
            await post_sales([asked], here.link)
        done((await post_sales([asked], here.link))[asked.key])
        assert len(here.order("sales", asked.entity)) == 1


async def test_a_transaction_that_could_not_be_serialized_did_nothing(erp: Erp) -> None:
    asked = sell(order_of("421", [Bought("MUG-01")]))
    async with door(erp.at) as spoiling, site(erp.at, url=spoiling.url) as here:
        spoiling.spoilt["sale.sale.create"] = "busy"
        with pytest.raises(Transient):
            await post_sales([asked], here.link)
        assert here.order("sales", asked.entity) == []


async def test_a_phone_number_that_tryton_refuses_does_not_hold_up_the_customer(erp: Erp) -> None:
    """Its check is an option of the server, so the refusal is given here in its stead."""
    asked = keep("customer:shop:43", phone="12")
    async with door(erp.at) as spoiling, site(erp.at, url=spoiling.url) as here:
        refusal = ["UserError", ['The phone number "12" for party "Ada Example" is not valid.', "", None]]
        spoiling.answers["party.party.create"] = refusal
        account = done((await keep_accounts([asked], here.link))[asked.key])
        [held] = here.ask(
            "party.party", "contact_mechanisms.type contact_mechanisms.value", [["code", "=", asked.entity]]
        )
    assert account.body == asked.body
    assert {each["type"]: each["value"] for each in held["contact_mechanisms."]} == {
        "email": "ada@example.com",
        "other": "12",
    }


# --- errors in answers -------------------------------------------------------------------------------------------------

ERRORS = [
    (["UserError", ["Wrong.", "Because.", None]], Rejected, "Wrong. Because."),
    (["UserError", ["Wrong.", "", [[["x", "=", 1]], {}]]], Rejected, "Wrong."),
    (["UserWarning", ["1f.some_warning", "Sure?", ""]], Warned, "Tryton warns: Sure?"),
    (["ConcurrencyException", "Records were modified"], Transient, "m: somebody changed the record meanwhile"),
    (["LoginException", ["otp", "Code", "char"]], Refused, "m: Tryton wants another credential than the password"),
    (["'name'", ""], Rejected, "Tryton failed at m: 'name'"),
    ({"odd": 1}, Rejected, "Tryton failed at m: {'odd': 1}"),
]


@pytest.mark.parametrize(("error", "kind", "detail"), ERRORS)
def test_an_error_in_an_answer_says_what_happens_next(error: object, kind: type[Exception], detail: str) -> None:
    fault = fault_in(error, "m")
    assert (type(fault), fault.detail) == (kind, detail)


async def test_a_warning_is_refused_with_its_text_for_a_person_to_read(erp: Erp) -> None:
    asked = sell(order_of("501", [Bought("MUG-01")]))
    async with door(erp.at) as spoiling, site(erp.at, url=spoiling.url) as here:
        spoiling.answers["sale.sale.confirm"] = ["UserWarning", ["1f.credit_limit", "Ada owes a lot.", "Go on?"]]
        outcome = (await post_sales([asked], here.link))[asked.key]
        again = (await post_sales([asked], here.link))[asked.key]
    assert isinstance(outcome, Rejected)
    assert "Ada owes a lot. Go on?" in outcome.detail
    done(again)
