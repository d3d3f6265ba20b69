"""Two hub processes, watched from outside: their traces are one, their metrics add up, and nobody's personal data is in any."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psycopg

from crossdock.canonical.party import Address
from tests.integration.watching import ROOT, Outside, Process, post, running, scraped
from tests.stage import customer, order, told

# Made up, and like nothing else: whatever of it turns up anywhere was a customer's.
NAME, STREET, TAIL = "Wilhelmina Quackenbush", "77 Heronsgate Lane", "7306"
EMAIL, PHONE = "w.quackenbush@canary.example", "+1 555 014 7788"
CANARIES = (b"Wilhelmina", b"Quackenbush", b"quackenbush", b"canary.example", b"Heronsgate", b"555 014", b"5550147788")
# Four digits turn up by chance inside of longer numbers and ids.
CARD = re.compile(rb"(?<![0-9a-fA-F.])7306(?![0-9a-fA-F])")
HOME = Address(name=NAME, street=(STREET,), city="Springfield", postal_code="62701", country="US", phone=PHONE)
THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SETTINGS = """
[hub]
listen = "127.0.0.1:0"
drain_seconds = 1.0
database_url = {database!r}
[roles]
erp = "erp"
warehouse = "warehouse"
[people]
finance = ["Mara Musterfrau"]
[observe]
listen = "127.0.0.1:0"
traces = "{outside}/v1/traces"
log_level = "debug"
"""
CONNECTION = """
[connections.{name}]
connector = "tests.standin"
url = "{outside}"
webhook_secrets = ["env:STANDIN_SECRET"]
"""


def _order(id_: str, **more: Any) -> bytes:
    told_ = told(order(id_, email=EMAIL, ship_to=HOME, **more))
    return msgspec.json.encode(told_)


async def _until(what: Callable[[], object], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.1)


def _count(url: str, statement: str) -> int:
    with psycopg.connect(url) as connection:
        [found] = connection.execute(statement).fetchall()  # pyright: ignore
        return int(found[0])


async def _command(settings: Path, *words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crossdock.main", "--config", str(settings), *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "STANDIN_SECRET": "simulated-client-secret"},
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said


async def test_two_processes_are_followed_counted_and_told_of_without_a_word_about_anybody(
    database_url: str, tmp_path: Path
) -> None:
    async with Outside().serve() as outside, aiohttp.ClientSession() as session:
        settings = tmp_path / "crossdock.toml"
        names = ("shop", "erp", "warehouse")
        connections = "".join(CONNECTION.format(name=name, outside=outside.url) for name in names)
        settings.write_text(SETTINGS.format(database=database_url, outside=outside.url) + connections)
        async with running(settings, ("door", "settle"), ("deliver",)) as (door, lanes):
            assert (
                await post(session, door.address, _order("1", customer="customer:shop:c1"), "m1", traceparent=THEIRS)
                == 200
            )
            buyer = told(customer("c1", NAME, email=EMAIL, phone=PHONE))
            assert await post(session, door.address, msgspec.json.encode(buyer), "m2") == 200
            assert await post(session, door.address, _order("2", skus=["BAD"]), "m3") == 200
            broken = json.dumps({"kind": "order", "name": NAME, "phone": PHONE, "card": f"**** {TAIL}"}).encode()
            assert await post(session, door.address, broken, "m4") == 200
            assert await post(session, door.address, _order("3"), f"mail from {EMAIL}") == 200
            await _until(lambda: _count(database_url, "select count(*) from receipt") >= 5)
            await _until(lambda: _count(database_url, "select count(*) from case_item") >= 2)
            quoted = "select count(*) from attempt where detail like '%Quackenbush%'"
            assert _count(database_url, quoted) >= 1  # what must not be seen elsewhere is really here
            metrics = [await scraped(session, each.observe) for each in (door, lanes)]
            texts = [await (await session.get(f"{each.observe}/metrics")).read() for each in (door, lanes)]
            for each in (door, lanes):
                for path in ("healthz", "readyz"):
                    assert (await session.get(f"{each.observe}/{path}")).status == 200
            await _leaves(session, door)
        bundle = tmp_path / "bundle.zip"
        await _command(settings, "support-bundle", "--out", str(bundle))
        _followed(outside)
        _counted(*metrics)
        _logged(door.said() + lanes.said())
        with zipfile.ZipFile(bundle) as whole:
            parts = {name: whole.read(name) for name in whole.namelist()}
        _bundled(parts)
        with psycopg.connect(database_url) as connection:
            cases = connection.execute("select cause, title, remedy from cases").fetchall()
        assert len(cases) == 2
        seen = {
            "logs": door.log.read_bytes() + lanes.log.read_bytes(),
            "traces": b"".join(outside.raw),
            "metrics": b"".join(texts),
            "cases": repr(cases).encode(),
            **parts,
        }
        found = [(where, word) for where, text in seen.items() for word in CANARIES if word in text]
        found += [(where, match[0]) for where, text in seen.items() if (match := CARD.search(text))]
        assert found == []
        assert bundle.stat().st_mode & 0o077 == 0


async def _leaves(session: aiohttp.ClientSession, door: Process) -> None:
    """It says that it leaves, and takes in what still comes; then it is gone."""
    door.process.terminate()
    async with asyncio.timeout(10):
        while (told := await session.get(f"{door.address}/readyz")).status == 200:  # noqa: ASYNC110  (it is another process)
            await asyncio.sleep(0.02)
    assert (told.status, (await told.json(content_type=None))["reasons"]) == (503, ["it was told to stop"])
    assert (await session.get(f"{door.address}/healthz")).status == 200
    assert await post(session, door.address, _order("4"), "m6") == 200
    assert await asyncio.wait_for(door.process.wait(), 20) == 0


def _followed(outside: Outside) -> None:
    """From the sender's trace through both processes to the call that the target heard."""
    _, theirs, above, _ = THEIRS.split("-")
    mine = [each for each in outside.spans if each.trace == theirs]
    [webhook] = [each for each in mine if each.name == "webhook"]
    assert webhook.parent == above
    assert {each.name for each in mine} >= {"webhook", "receive", "settle", "call"}
    assert {each.parent for each in mine if each.name != "webhook"} == {webhook.id}
    assert {each.about["crossdock.correlation_id"] for each in mine if each.name != "webhook"} == {"order:shop:1"}
    assert len({each.process for each in mine}) == 2
    heard = [told.split("-") for _, told in outside.heard]
    assert all(len(each) == 4 for each in heard)
    spans = {(each.trace, each.id): each for each in outside.spans}
    assert all((trace, span) in spans for _, trace, span, _ in heard)
    # A call for several is linked to what each of them is part of.
    of_one = {trace for _, trace, _, _ in heard}
    of_many = {link for each in outside.spans if each.name == "call many" for link in each.links}
    assert theirs in of_one | of_many
    # Nobody sent a trace along for the second order: its own follows from its key, in both processes.
    other = {each.trace for each in outside.spans if each.about.get("crossdock.correlation_id") == "order:shop:2"}
    assert len(other) == 1
    of_other = [each for each in outside.spans if each.trace in other]
    assert len({each.process for each in of_other}) == 2, of_other


def _counted(door: Any, lanes: Any) -> None:
    def value(scrape: Any, name: str, **labels: str) -> float:
        return scrape[name, frozenset(labels.items())]

    assert value(door, "crossdock_webhooks_total", connection="shop", answer="stored") == 5
    assert value(door, "crossdock_webhook_duration_seconds_count") == 5
    assert value(door, "crossdock_messages_translated_total", connection="shop", fate="quarantined") == 1
    assert value(lanes, "crossdock_calls_total", connection="erp", noun="sales_order", outcome="rejected") >= 1
    kept = value(lanes, "crossdock_acts_kept_total", workflow="Order to ERP", in_time="yes")
    assert kept == value(lanes, "crossdock_act_duration_seconds_count", workflow="Order to ERP") == 2
    for scrape in (door, lanes):  # what the database says is the same everywhere
        assert value(scrape, "crossdock_cases_open", kind="rejected") == 1
        assert value(scrape, "crossdock_inbox_pending_messages") == 0
        assert value(scrape, "crossdock_lease_buckets", state="held") == 256
        assert value(scrape, "crossdock_workers", settles="true") == 1
        assert value(scrape, "crossdock_due_overdue_promises", connection="erp") == 0
    assert value(door, "crossdock_buckets_held") == 256


def _logged(lines: list[dict[str, Any]]) -> None:
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    failed = [line for line in lines if line["event"] == "call failed"]
    assert {line["correlation_id"] for line in failed} == {"order:shop:2"}
    assert {line["outcome"] for line in failed} == {"rejected"}
    assert [line["topic"] for line in lines if line["event"] == "message quarantined"] == ["document"]


def _bundled(parts: dict[str, bytes]) -> None:
    told_ = {name: json.loads(text) for name, text in parts.items()}
    assert told_.keys() == {"about.json", "settings.json", "counts.json", "database.json", "faults.json"}
    assert told_["settings.json"]["people"] == {"finance": 1}
    assert told_["settings.json"]["connections"]["shop"]["webhook_secrets"] == ["Secret(····)"]
    assert told_["counts.json"]["check"]["inbox"]["total"] == 6
    calls = [each for each in told_["faults.json"]["calls"] if each["outcome"] == "rejected"]
    assert (calls[0]["target"], calls[0]["noun"]) == ("erp", "sales_order")
    assert {each["table"] for each in told_["database.json"]["tables"]} >= {"due", "inbox", "promise"}
    assert b"Musterfrau" not in b"".join(parts.values())
    assert b"simulated-client-secret" not in b"".join(parts.values())
