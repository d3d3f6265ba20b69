"""One order's money from a terminal: what each cause came to, what each act needed, every posting, and what doesn't add up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from crossdock.canonical.payment import Capture, PaymentAuthorization, Refund
from crossdock.canonical.returns import Return, ReturnLine
from crossdock.cli.app import EXIT_FOUND, EXIT_OK
from crossdock.cli.governing import app
from crossdock.govern.settings import read_settings
from crossdock.hub import ROLES, open_hub
from crossdock.kernel.money import usd
from crossdock.store.inbox import Message
from tests.stage import PLACED_AT, Stage, message, order, shipment
from tests.standin import Told
from tests.standin.target import Target

Run = Callable[..., Result]
SETTINGS = """
[hub]
database_url = "{database_url}"
[roles]
erp = "erp"
warehouse = "warehouse"
payments = "psp"
[people]
finance = ["Mara"]
[[policy.returns]]
version = "2026"
approve_over = {{ USD = "10.00" }}
"""
CONNECTION = '[connections.{name}]\nconnector = "tests.standin.money"\nurl = "{url}"\n'
PLACED = order("1", units=3, total=usd(3000))
ENTITY = "order:shop:1"


@asynccontextmanager
async def shop(database_url: str, folder: Path) -> AsyncGenerator[tuple[Stage, Run]]:
    """A hub stepped by hand, and the command line on its settings."""
    async with Target().serve() as target:
        names = ("shop", "erp", "warehouse", "psp", "till")
        sections = [CONNECTION.format(name=name, url=target.url) for name in names]
        file = folder / "crossdock.toml"
        file.write_text("\n".join([SETTINGS.format(database_url=database_url), *sections]))
        async with open_hub(read_settings(file), database_url, ROLES) as hub:
            await hub.leases.beat()
            yield (
                Stage(database_url, hub, target),
                lambda *words: CliRunner().invoke(app, ["--config", str(file), *map(str, words)]),
            )
            await hub.leases.leave()


def fact(connection: str, kind: str, body: Any, token: int = 1) -> Message:
    told = Told(kind=kind, id=body.id, entity=ENTITY, token=token, body=msgspec.to_builtins(body))
    return message(connection, told)


def paid(amount: int) -> list[Message]:
    held = PaymentAuthorization(
        id="pi_1", tender="card", authorised=usd(amount), status="captured", authorised_at=PLACED_AT, label="Visa 4242"
    )
    taken = Capture(id="ch_1", payment="pi_1", tender="card", amount=usd(amount), captured_at=PLACED_AT)
    return [fact("psp", "payment", held), fact("psp", "capture", taken)]


def refunded(id_: str, amount: int, reference: str = "") -> Message:
    made = Refund(
        id=id_,
        payment="pi_1",
        tender="card",
        amount=usd(amount),
        status="succeeded",
        refunded_at=PLACED_AT + timedelta(seconds=40),
        reference=reference,
    )
    return fact("psp", "refund", made)


def returned(units: int) -> Message:
    line = ReturnLine(id="0", line="1-0", sku="MUG", units=units, received=units, disposition="damaged", location="S1")
    at = PLACED_AT + timedelta(seconds=30)
    return fact("till", "return", Return(id="5F0F47B8A3F995A3", number="R1", returned_at=at, lines=(line,)))


async def said(run: Run, *words: Any) -> Result:
    return await asyncio.to_thread(run, *words)


async def part_shipped(stage: Stage) -> None:
    await stage.tell(PLACED, *paid(3000))
    await stage.run()
    await stage.tell(shipment("s1", PLACED, units=2))
    await stage.run()


async def test_a_return_is_followed_from_waiting_for_finance_to_paid(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (stage, run):
        await part_shipped(stage)
        await stage.tell(returned(2))
        await stage.run()
        waiting = (await said(run, "trace", "#1")).output
        assert "Return R1: 2 MUG damaged    terms of returns, version 2026, in force on" in waiting
        assert "entitled 20.00 | paid 0.00 | in flight 0.00 | open 20.00" in waiting
        assert "Refund of return R1 on Visa 4242, 20.00 USD to Visa 4242, waits for approval" in waiting
        assert "captured ✓   no dispute ✓   approval over 10.00 by finance …" in waiting
        assert "because of return R1" not in waiting
        assert "R1" in (await said(run, "approvals")).output
        [asked] = json.loads((await said(run, "approvals", "--json")).output)
        await said(run, "approve", asked["id"], "--by", "mara")
        await stage.run()
        flying = (await said(run, "trace", "#1")).output
        assert "entitled 20.00 | paid 0.00 | in flight 20.00 | open 0.00" in flying
        assert "approval over 10.00 by finance ✓ Mara, until " in flying
        assert "Credit note" in flying
        assert "needed: Invoice (s1) ✓   Sale ✓" in flying
        assert "|pi_1" not in flying
        assert "return:till" not in flying
        assert stage.target
        [key] = stage.target.effects("payment_refund")
        await stage.tell(refunded("re_1", 2000, key))
        await stage.run()
        kept = (await said(run, "trace", "#1", "--json")).output
        [cause] = json.loads(kept)[0]["money"]["causes"]
        assert (cause["entitled"], cause["paid"], cause["in_flight"], cause["open"]) == (2000, 2000, 0, 0)
        assert cause["policy"] == "2026"
        await _explained(run)


async def test_a_credit_note_is_for_its_return_though_finance_allowed_the_refund_before_the_parcel_was_billed(
    database_url: str, tmp_path: Path
) -> None:
    async with shop(database_url, tmp_path) as (stage, run):
        await stage.tell(PLACED, *paid(3000))
        await stage.run()
        await stage.tell(shipment("s1", PLACED, units=2))
        await stage.tell(returned(2))
        [asked] = json.loads((await said(run, "approvals", "--json")).output)
        await said(run, "approve", asked["id"], "--by", "mara")
        await stage.run()
        assert stage.target
        [note] = stage.target.ledger.select("credit_memo")
    assert note.details["body"]["reason"] == "order #1: return R1"


async def _explained(run: Run) -> None:
    books = await said(run, "books", "1")
    assert books.exit_code == EXIT_OK, books.output
    assert "everything is explained" in books.output
    check = await said(run, "check", "--books")
    assert check.exit_code == EXIT_OK, check.output
    for question in ("Q1", "Q2", "Q3"):
        assert any(line.startswith(question) and line.endswith("holds") for line in check.output.splitlines())


async def test_the_books_tell_billing_entitlements_payments_postings_and_the_customers_balance(
    database_url: str, tmp_path: Path
) -> None:
    async with shop(database_url, tmp_path) as (stage, run):
        await part_shipped(stage)
        await stage.tell(refunded("re_9", 500))
        await stage.run()
        text = (await said(run, "books", "1")).output
        [books] = json.loads((await said(run, "books", "1", "--json")).output)
    assert books["at_rest"]
    assert books["unexplained"] == []
    [goods] = books["billing"]
    assert (goods["sku"], goods["due_net"], goods["billed_net"]) == ("MUG", 2000, 2000)
    [payment] = books["payments"]
    assert (payment["captured"], payment["refunded"], payment["left"]) == (3000, 500, 2500)
    assert [entry["what"] for entry in books["entries"]] == ["parcels billed", "capture ch_1", "refund re_9 by others"]
    assert all(sum(entry["postings"].values()) == 0 for entry in books["entries"])
    assert sum(account["balance"] for account in books["trial_balance"]) == 0
    assert books["customer_balance"] == -500
    assert {share["why"]: share["amount"] for share in books["shares"]} == {
        "paid for what has yet to leave": -1000,
        "given back beyond what was owed": 500,
    }
    for line in ("Trial balance", "sum in USD", "Customer balance -5.00 USD: held for the buyer"):
        assert line in text


async def test_a_credit_note_that_got_lost_and_money_nobody_waits_for_are_found_at_rest(
    database_url: str, tmp_path: Path
) -> None:
    async with shop(database_url, tmp_path) as (stage, run):
        await part_shipped(stage)
        await stage.tell(returned(2))
        await stage.run()
        stage.sql("delete from waiting")
        await _broken(run, "Q3", "20.00 USD is owed back, and nobody is waited for")
        stage.sql("delete from promise where name = 'credit_memo:1'")
        await _broken(run, "Q1", "MUG goods: 20.00 USD not credited")
        stage.sql("insert into dirty (entity, bucket, since) select key, bucket, now() from entity")
        assert (await said(run, "books", "1")).exit_code == EXIT_OK, "what is still under way may differ"


async def _broken(run: Run, question: str, what: str) -> None:
    books = await said(run, "books", "1")
    assert books.exit_code == EXIT_FOUND
    assert f"  {question}: {what}" in books.output
    check = await said(run, "check", "--books")
    assert check.exit_code == EXIT_FOUND
    assert f"BROKEN 1 times, e.g. {ENTITY}: {what}" in check.output


@pytest.mark.parametrize("name", ["nothing", "customer:shop:1"])
async def test_books_of_nothing_known_are_refused_in_one_line(database_url: str, tmp_path: Path, name: str) -> None:
    async with shop(database_url, tmp_path) as (_, run):
        refused = await said(run, "books", name)
    assert refused.exit_code == EXIT_FOUND
    assert refused.output.startswith(f"Error: nobody knows an order {name}")
