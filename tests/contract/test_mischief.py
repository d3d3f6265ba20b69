"""The simulators' machinery: each fault does what it says to the caller, and the ledger says what really happened."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from crossdock.simulators.mischief import (
    Attempt,
    FaultRule,
    Ledger,
    Mischief,
    WebhookMischief,
    WebhookSender,
    bulk_plan,
    control_routes,
    mischief_middleware,
)
from crossdock.simulators.running import serving

SECRET = b"shared"


class Tally:
    """The smallest system a simulator could be: it counts, can be restored, and does items in bulk."""

    def __init__(self, seed: int = 0) -> None:
        self.count = 0
        self.mischief = Mischief(seed)
        self.ledger = Ledger()

    def snapshot(self) -> int:
        return self.count

    def restore(self, saved: int) -> None:
        self.count = saved

    def app(self) -> web.Application:
        app = web.Application(middlewares=[mischief_middleware(self.mischief, lambda _, body: body.decode())])
        app.router.add_post("/add", self._add)
        app.router.add_post("/bulk", self._bulk)
        app.router.add_post("/no", self._no)
        control_routes(app, self.mischief, self.ledger, state=self)
        return app

    async def _add(self, request: web.Request) -> web.Response:
        self.count += 1
        self.ledger.append("added", key=(await request.read()).decode())
        return web.json_response({"count": self.count})

    async def _bulk(self, request: web.Request) -> web.Response:
        items = await request.json()
        plan = bulk_plan(request, self.mischief, len(items))
        for at in sorted(plan.done):
            self.ledger.append("added", key=str(items[at]))
        return web.json_response([items[at] for at in sorted(plan.answered)])

    async def _no(self, request: web.Request) -> web.Response:
        raise web.HTTPConflict(text="no")


@asynccontextmanager
async def tally() -> AsyncIterator[tuple[Tally, aiohttp.ClientSession]]:
    system = Tally()
    async with serving(system.app()) as running, aiohttp.ClientSession(running.url) as http:
        yield system, http


async def fault(http: aiohttp.ClientSession, **rule: Any) -> None:
    async with http.post("/_control/faults", json=[rule]) as answer:
        assert answer.status == 204, await answer.text()


async def added(http: aiohttp.ClientSession) -> list[str]:
    async with http.get("/_ledger?what=added") as answer:
        return [entry["key"] for entry in await answer.json()]


async def test_without_rules_every_call_goes_through_and_stands_in_the_ledger():
    async with tally() as (_, http):
        async with http.post("/add", data="a") as answer:
            assert (answer.status, await answer.json()) == (200, {"count": 1})
        async with http.get("/_ledger") as answer:
            (entry,) = await answer.json()
        assert (entry["seq"], entry["what"], entry["key"]) == (1, "added", "a")
        assert datetime.fromisoformat(entry["at"]).tzinfo is not None
        async with http.get("/_ledger/counts") as answer:
            assert await answer.json() == {"added": 1}


async def test_refuse_does_nothing_and_says_when_to_come_back():
    async with tally() as (_, http):
        await fault(http, match="POST /add", kind="refuse", status=429, retry_after=7, times=1)
        async with http.post("/add", data="a") as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "7.0")
        assert await added(http) == []
        async with http.post("/add", data="b") as answer:
            assert answer.status == 200


async def test_commit_then_drop_does_it_and_cuts_the_connection():
    async with tally() as (_, http):
        await fault(http, match="/add", kind="commit_then_drop", times=1)
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post("/add", data="a")
        assert await added(http) == ["a"]


async def test_commit_then_status_does_it_and_answers_the_status():
    async with tally() as (_, http):
        await fault(http, match="/add", kind="commit_then_status", status=502)
        async with http.post("/add", data="a") as answer:
            assert answer.status == 502
        assert await added(http) == ["a"]


async def test_commit_then_timeout_does_it_before_the_caller_gives_up():
    async with tally() as (_, http):
        await fault(http, match="/add", kind="commit_then_timeout", seconds=5)
        with pytest.raises(TimeoutError):
            await http.post("/add", data="a", timeout=aiohttp.ClientTimeout(total=0.2))
        assert await added(http) == ["a"]


async def test_slow_does_it_even_when_the_caller_has_gone():
    async with tally() as (_, http):
        await fault(http, match="/add", kind="slow", seconds=0.2)
        with pytest.raises(TimeoutError):
            await http.post("/add", data="a", timeout=aiohttp.ClientTimeout(total=0.05))
        assert await added(http) == []
        await asyncio.sleep(0.3)
        assert await added(http) == ["a"]


@pytest.mark.parametrize("status", [502, 0])
async def test_late_answers_a_failure_or_none_now_and_does_it_afterwards(status: int):
    async with tally() as (system, http):
        await fault(http, match="/add", kind="late", seconds=0.1, status=status, times=1)
        if status:
            async with http.post("/add", data="a") as answer:
                assert answer.status == status
        else:
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.post("/add", data="a")
        assert await added(http) == []
        await system.mischief.settled()
        assert await added(http) == ["a"]


async def test_partial_does_half_and_names_only_those():
    async with tally() as (_, http):
        await fault(http, match="/bulk", kind="partial", times=1)
        async with http.post("/bulk", json=[1, 2, 3, 4, 5]) as answer:
            named = await answer.json()
        assert len(named) == 2
        assert await added(http) == [str(item) for item in named]


async def test_silent_does_all_and_names_half():
    async with tally() as (_, http):
        await fault(http, match="/bulk", kind="silent", times=1)
        async with http.post("/bulk", json=[1, 2, 3, 4]) as answer:
            assert len(await answer.json()) == 2
        assert await added(http) == ["1", "2", "3", "4"]


async def test_garbage_does_it_and_answers_what_nobody_can_read():
    async with tally() as (_, http):
        await fault(http, match="/add", kind="garbage")
        async with http.post("/add", data="a") as answer:
            assert answer.status == 200
            with pytest.raises(json.JSONDecodeError):
                json.loads(await answer.text())
        assert await added(http) == ["a"]


async def test_a_simulators_own_refusal_is_struck_like_any_answer():
    async with tally() as (_, http):
        await fault(http, match="/no", kind="commit_then_timeout", seconds=0)
        async with http.post("/no") as answer:
            assert (answer.status, await answer.text()) == (409, "no")


async def test_a_rule_strikes_only_what_it_matches_and_only_as_often_as_told():
    async with tally() as (_, http):
        await fault(http, match="/add second", kind="refuse", times=2)
        statuses: list[int] = []
        for name in ("first", "second", "second", "second"):
            async with http.post("/add", data=name) as answer:
                statuses.append(answer.status)
        assert statuses == [200, 503, 503, 200]
        async with http.get("/_control/faults") as answer:
            shown = await answer.json()
        assert shown["rules"] == []
        assert [struck["subject"] for struck in shown["struck"]] == ["POST /add second"] * 2


async def test_disarmed_rules_strike_no_more_and_the_control_door_is_never_struck():
    async with tally() as (_, http):
        await fault(http, match="", kind="refuse")
        async with http.get("/_health") as answer:
            assert answer.status == 200
        async with http.delete("/_control/faults") as answer:
            assert answer.status == 204
        async with http.post("/add", data="a") as answer:
            assert answer.status == 200


async def test_a_rule_that_makes_no_sense_is_refused():
    async with tally() as (_, http), http.post("/_control/faults", json=[{"match": "", "kind": "hex"}]) as answer:
        assert answer.status == 400


def test_the_same_seed_strikes_the_same_calls():
    def struck(seed: int) -> list[bool]:
        mischief = Mischief(seed)
        mischief.arm(FaultRule(match="", kind="refuse", probability=0.5))
        return [mischief.strike("GET /") is not None for _ in range(40)]

    assert struck(1) == struck(1) != struck(2)
    assert 5 < sum(struck(1)) < 35


async def test_a_restore_takes_the_state_back_and_leaves_the_ledger_longer():
    async with tally() as (system, http):
        assert (await http.post("/_control/restore")).status == 409
        await http.post("/add", data="a")
        await http.post("/_control/snapshot")
        await http.post("/add", data="b")
        await http.post("/_control/restore")
        assert system.count == 1
        async with http.get("/_ledger") as answer:
            assert [entry["what"] for entry in await answer.json()] == ["added", "snapshot", "added", "restored"]


# ---- webhooks


class Receiver:
    """A hub's door: checks signatures, and answers as told."""

    def __init__(self) -> None:
        self.genuine: list[str] = []
        self.bodies: list[bytes] = []
        self.refused = 0
        self.failures = 0

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not hmac.compare_digest(request.headers["X-Signature"], _signature(body, SECRET)):
            self.refused += 1
            return web.Response(status=401)
        if self.failures > 0:
            self.failures -= 1
            return web.Response(status=503)
        self.genuine.append(request.headers["X-Id"])
        self.bodies.append(body)
        return web.Response(status=200)


def _signature(body: bytes, secret: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _sign(attempt: Attempt, secret: bytes) -> Mapping[str, str]:
    return {"X-Signature": _signature(attempt.message.body, secret), "X-Id": attempt.message.id}


@asynccontextmanager
async def told(**spoils: Any) -> AsyncIterator[tuple[Receiver, WebhookSender]]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/in/shop", receiver.take)
    mischief = Mischief(seed=3)
    mischief.webhooks = WebhookMischief(**spoils)
    async with serving(app) as running:
        sender = WebhookSender(
            running.url + "/in/shop", _sign, mischief, secret=SECRET, retry_seconds=(0.01, 0.02, 0.05)
        )
        yield receiver, sender
        await sender.close()


async def test_a_webhook_arrives_once_and_in_its_own_bytes():
    async with told() as (receiver, sender):
        message = sender.send("orders/create", b'{"id":  1}')
        await sender.idle()
        assert (receiver.genuine, receiver.bodies) == ([message.id], [b'{"id":  1}'])
        assert sender.counts.delivered == 1


async def test_a_failing_receiver_gets_the_same_message_again():
    async with told() as (receiver, sender):
        receiver.failures = 2
        message = sender.send("orders/create", b"{}")
        await sender.idle()
        assert receiver.genuine == [message.id]
        assert (sender.counts.attempts, sender.counts.given_up) == (3, 0)


async def test_a_receiver_that_never_answers_is_given_up_after_the_last_retry():
    async with told() as (_, sender):
        sender.target_url = "http://127.0.0.1:1/in/shop"
        sender.send("orders/create", b"{}")
        await sender.idle()
        assert (sender.counts.attempts, sender.counts.given_up) == (4, 1)
        assert [lost.topic for lost in sender.lost] == ["orders/create"]


@pytest.mark.parametrize(
    ("spoils", "arrivals"),
    [({"duplicate": 1.0}, [1, 1, 2, 2]), ({"drop": 1.0}, []), ({"delay_seconds": 0.1}, [1, 2])],
)
async def test_duplicates_losses_and_delays_do_what_they_say(spoils: dict[str, Any], arrivals: list[int]):
    async with told(**spoils) as (receiver, sender):
        for number in (1, 2):
            sender.send("t", b"%d" % number)
        await sender.idle()
        assert sorted(int(body) for body in receiver.bodies) == arrivals


async def test_reordered_webhooks_all_arrive_in_another_order():
    async with told(reorder=True) as (receiver, sender):
        for number in range(10):
            sender.send("t", b"%d" % number)
        await sender.idle()
        arrived = [int(body) for body in receiver.bodies]
        assert arrived != sorted(arrived)
        assert sorted(arrived) == list(range(10))


async def test_a_forgery_comes_beside_the_true_message_and_its_signature_does_not_hold():
    async with told(forge=1.0) as (receiver, sender):
        sender.send("t", b'{"total": 10}')
        await sender.idle()
        assert (receiver.bodies, receiver.refused) == ([b'{"total": 10}'], 1)
        assert sender.counts.forgeries_accepted == 0


async def test_an_altered_message_is_sent_again_as_it_was():
    async with told(alter=1.0) as (receiver, sender):
        sender.send("t", b'{"total": 19}')
        await sender.idle()
        assert (receiver.bodies, receiver.refused, sender.counts.altered) == ([b'{"total": 19}'], 1, 1)


# ---- as a program

_PROGRAM = """
from aiohttp import web
from crossdock.simulators.running import run_program, serving
run_program(lambda: serving(web.Application()), stop_with_stdin=True)
"""


@pytest.mark.parametrize("end", [lambda p: p.stdin.close(), lambda p: p.terminate()], ids=["parent gone", "SIGTERM"])
def test_a_simulator_program_stops_when_told_and_when_its_parent_is_gone(end: Callable[[Any], None]):
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        assert json.loads(program.stdout.readline())["url"].startswith("http://127.0.0.1:")
        started = time.monotonic()
        end(program)
        assert program.wait(timeout=5) == 0
        assert time.monotonic() - started < 3


def test_the_ledger_reads_the_clock_it_is_given():
    ledger = Ledger(clock=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    ledger.append("added", "a", units=3)
    assert [(e.seq, e.at.year, e.details) for e in ledger.select("added", "a")] == [(1, 2026, {"units": 3})]


async def test_every_call_is_counted_with_its_time_whether_it_was_struck_or_not():
    async with tally() as (system, http):
        system.mischief.arm(FaultRule(match="/add", kind="refuse", times=1))
        before = time.time()
        for body in (b"struck", b"done"):
            await http.post("/add", data=body)
        async with http.get("/_ledger/calls") as answer:
            calls = await answer.json()
        assert [call["subject"] for call in calls] == ["POST /add struck", "POST /add done"]
        assert before <= calls[0]["at"] <= calls[1]["at"] <= time.time()
        assert system.ledger.counts() == {"added": 1}


async def test_what_was_never_sent_can_be_read_and_what_was_late_is_counted():
    async with told(drop=1.0) as (_, sender):
        sent = sender.send("t", b'{"total": 10}')
        assert [(lost.id, lost.topic, lost.body) for lost in sender.lost] == [(sent.id, "t", '{"total": 10}')]
    async with told(delay_seconds=0.05) as (_, sender):
        sender.send("t", b"1")
        await sender.idle()
        assert (sender.counts.late, sender.lost) == (1, [])
