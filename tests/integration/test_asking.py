"""What is asked at once is answered by its deadline, says how old it is, and takes nothing from what is promised."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crossdock.canonical.answers import Availability
from crossdock.deliver.asking import Answered, Asker, Terms, Unanswered
from crossdock.deliver.lines import line_of
from crossdock.store import freshness
from crossdock.store.flow import Window
from tests.desk import Desk, desk
from tests.stage import customer, order
from tests.standin.target import Target, until

SCOPES = ["products:read", "customers:read"]


@asynccontextmanager
async def asking(database_url: str, **settings: Any) -> AsyncGenerator[tuple[Desk, Target]]:
    async with desk(database_url, **settings) as at:
        await at.admit("till", SCOPES)
        assert at.stage.target is not None
        yield at, at.stage.target


async def ask(at: Desk, status: int = 200, what: str = "availability", **asked: Any) -> Any:
    answered, said = await at.ask("POST", f"/v1/ask/{what}", {"sku": "MUG"} | asked, who="till", key=None)
    assert answered == status, said
    return said


def asked(target: Target) -> int:
    return len(target.calls_to("/stock"))


async def test_the_system_is_asked_and_the_answer_says_how_old_it_is(database_url: str) -> None:
    async with asking(database_url) as (at, target):
        first = await ask(at)
        assert (first["available"], first["source"], first["given_by"]) == (5, "warehouse", "the system")
        assert 0 <= first["age_seconds"] < 30
        target.stock["MUG"] = 4
        await asyncio.sleep(0.05)
        again = await ask(at)
        assert (again["available"], again["given_by"], again["at"]) == (5, "an earlier answer", first["at"])
        assert again["age_seconds"] >= 0.05
        assert asked(target) == 1
        assert (await ask(at, max_age_seconds=0))["available"] == 4
        assert (await ask(at, what="price"))["unit_price"] == {"minor": 1000, "currency": "USD"}
        await ask(at, 404, sku="NOTHING")


async def test_who_is_silent_is_not_waited_for_and_the_last_answer_will_do(database_url: str) -> None:
    async with asking(database_url, each={"timeout_seconds": 10.0}) as (at, target):
        await ask(at)
        target.stock["MUG"] = 3
        target.fault("/stock", "slow", seconds=2.0, times=2)
        began = time.monotonic()
        known = await ask(at, max_age_seconds=0, deadline_ms=100)
        assert time.monotonic() - began < 1.9
        assert (known["available"], known["given_by"]) == (5, "an earlier answer")
        none = await ask(at, 504, max_age_seconds=0, deadline_ms=50, fallback="none")
        assert none["type"] == "urn:crossdock:problem:no-answer"
        assert "no answer in time" in none["detail"]
        await until(lambda: b"3" in at.stage.rows("select body from answer")[0][0], 20)
        late = await ask(at)  # the answer came when nobody waited any more, and is kept
        assert (late["available"], late["given_by"]) == (3, "an earlier answer")


async def test_the_next_system_is_asked_when_the_first_is_stopped_and_a_stopped_one_is_left_alone(
    database_url: str,
) -> None:
    async with asking(database_url) as (at, target):
        at.stage.sql("insert into brake values ('warehouse', 'outage', 'down', now(), now() + interval '1 hour')")
        assert (await ask(at))["source"] == "erp"
        at.stage.sql("insert into brake values ('erp', 'refused', 'no', now(), now() + interval '1 hour')")
        told = await ask(at, 504, max_age_seconds=0, fallback="none")
        assert told["detail"] == "warehouse: it is stopped; erp: it is stopped"
        assert asked(target) == 1
        assert (await ask(at, max_age_seconds=0))["given_by"] == "an earlier answer"


async def test_a_question_takes_its_trace_along(database_url: str) -> None:
    theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with asking(database_url) as (at, target):
        asked = {"sku": "MUG", "max_age_seconds": 0}
        await at.ask("POST", "/v1/ask/availability", asked, who="till", key=None, traceparent=theirs)
        assert target.traces[-1] == theirs == at.headers["traceparent"]


async def test_who_asks_for_fewer_calls_is_left_alone(database_url: str) -> None:
    async with asking(database_url) as (at, target):
        target.fault("/stock", "refuse", status=429, retry_after=30, times=2)
        await ask(at, 504, fallback="none")  # the warehouse, and then the ERP
        assert asked(target) == 2
        assert "asked for no calls" in (await ask(at, 504, fallback="none"))["detail"]
        assert asked(target) == 2


async def test_questions_take_only_what_others_leave_of_the_budget(database_url: str) -> None:
    """Four calls may go at once and then one in a quarter of an hour: questions get two, what is promised the rest."""
    async with asking(database_url, each={"calls_per_second": 0.001, "burst": 4.0}, roles={"erp": "warehouse"}) as (
        at,
        target,
    ):
        at.stage.sql("update budget set points = 4, updated_at = clock_timestamp()")
        for _ in range(5):
            await at.ask(
                "POST",
                "/v1/ask/availability",
                {"sku": "MUG", "max_age_seconds": 0, "deadline_ms": 100},
                who="till",
                key=None,
            )
        assert asked(target) == 2
        [(left,)] = at.stage.rows("select floor(points) from budget where connection = 'warehouse'")
        assert left == 2


async def test_the_same_question_of_many_is_asked_once(database_url: str) -> None:
    async with asking(database_url) as (at, target):
        target.fault("/stock", "slow", seconds=0.3)
        told = await asyncio.gather(*(ask(at, max_age_seconds=0) for _ in range(12)))
        assert {each["available"] for each in told} == {5}
        assert asked(target) == 1


async def test_while_many_wait_for_an_answer_the_database_and_the_lanes_are_free(database_url: str) -> None:
    async with asking(database_url, each={"timeout_seconds": 20.0}) as (at, target):
        target.fault("/stock", "slow", seconds=7.0, times=None)
        waiting = [asyncio.create_task(ask(at, sku=f"S{nth}", status=504, deadline_ms=6000)) for nth in range(40)]
        await asyncio.sleep(0.3)
        assert at.stage.count("select count(*) from pg_stat_activity where state = 'idle in transaction'") == 0
        await at.stage.tell(order("7"))
        await at.stage.deliver("erp")
        assert target.effects("sales_order")
        assert not any(each.done() for each in waiting)
        await asyncio.gather(*waiting)


async def test_a_customer_is_known_by_any_name_and_nothing_personal_is_told(database_url: str) -> None:
    async with asking(database_url) as (at, _):
        await at.stage.tell(customer("c1", name="Ada Example"), order("2", customer="customer:shop:c1"))
        await at.stage.run()
        for name in ("c1", "customer:shop:c1"):
            said = await ask_customer(at, name)
            assert (said["customer"], said["known_to"], said["source"]) == ("customer:shop:c1", ["shop"], "the hub")
            assert said["accounts"].keys() == {"erp"}
            assert said["age_seconds"] >= 0
            assert "Ada" not in repr(said)
        assert (await at.ask("POST", "/v1/ask/customer", {"customer": "nobody"}, who="till", key=None))[0] == 404


async def ask_customer(at: Desk, name: str) -> Any:
    status, said = await at.ask("POST", "/v1/ask/customer", {"customer": name}, who="till", key=None)
    assert status == 200, said
    return said


async def test_how_fresh_the_stock_was_that_was_told_is_counted(database_url: str) -> None:
    async with asking(database_url) as (at, target):
        database, connections = at.stage.database, at.stage.hub.settings.connections
        line = await line_of(database, connections["warehouse"])
        asker = Asker(database, {"warehouse": line})

        async def told(max_age_seconds: float, *, last_known: bool = True) -> Answered:
            return await asker.ask(Availability, "MUG", ["warehouse"], Terms(max_age_seconds, 1.0, last_known))

        await told(0)  # by the system itself
        at.stage.sql("update answer set at = at - interval '50 s'")
        for _ in range(7):
            await told(60)
        target.fault("/stock", "refuse", times=2, status=503)
        await told(30)  # older than was asked for
        with pytest.raises(Unanswered):
            await told(30, last_known=False)
        await asker.close()
        await line.close()
        async with database.transaction() as tx:
            found = await freshness.windows(tx, "availability")
            assert await freshness.windows(tx, "price") == {}
        assert found[60] == found[24 * 60] == Window(count=10, in_time=8, p50=60, p95=60, p99=60)
