"""Answers are recorded once, though the database goes away at that very moment: what was heard is not asked or sent again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from crossdock.deliver.following import ATTEMPTS_MAX
from crossdock.deliver.lane import Lane
from crossdock.store import delivery
from tests.stage import Stage, customer, order, shipment, staged
from tests.standin.target import Target


def lane_to(stage: Stage, connection: str) -> Lane:
    [lane] = [lane for lane in stage.hub.lanes if lane.line.connection == connection]
    return lane


def cut_connections(stage: Stage) -> None:
    """As a restart or a fail-over of the database does."""
    stage.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


def breaking(stage: Stage, lane: Lane, times: int = 1) -> None:
    """The connections are cut whenever the lane is about to record, so many times."""
    recording, left = lane._record, [times]

    async def broken(*given: Any) -> None:
        if left[0]:
            left[0] -= 1
            cut_connections(stage)
        await recording(*given)

    lane._record = broken  # pyright: ignore


async def test_a_mail_whose_answer_came_while_the_database_was_away_is_no_doubt(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        lane = lane_to(stage, "mail")
        breaking(stage, lane, times=3)
        await lane.round()
        assert stage.count("select count(*) from receipt where slot like '%%parcel_notice%%'") == 1
        await stage.run()
        assert len(target.effects("parcel_notice")) == 1
        assert stage.cases() == []
        await stage.checked()


async def test_everything_that_a_round_came_to_is_recorded_when_the_database_is_back(database_url: str) -> None:
    """Confirmed, refused for a mapping, and refused for good, in one bulk call."""
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        skus = {"1": "MUG", "2": "NONE-1", "3": "BAD", "4": "MUG"}
        await stage.tell(customer(), *(order(id_, skus=[sku]) for id_, sku in skus.items()))
        lane = lane_to(stage, "erp")
        breaking(stage, lane)
        await lane.round()
        assert stage.count("select count(*) from due where stage = 1 and actor = 1") == 0
        await stage.run()
        assert stage.cases() == ["map/erp/product/NONE-1", "rejected:erp:sales_order:lines"]
        assert sorted(target.slots("sales_order")) == ["order:shop:1/sale", "order:shop:4/sale"]
        await stage.checked()


@pytest.mark.parametrize("refusal", ["refused", "throttled", "confirmed", "lost"])
async def test_recording_twice_what_may_have_been_committed_changes_nothing(database_url: str, refusal: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed, units=3))
        match refusal:
            case "refused":
                target.fault("goods_issue", "refuse", status=400)
            case "throttled":
                target.fault("goods_issue", "refuse", status=429, retry_after=0.05)
            case "lost":
                target.fault("goods_issue", "commit_then_drop")
            case _:
                pass
        lane = lane_to(stage, "erp")
        recording, states = lane._record, list[Any]()

        async def twice(*given: Any) -> None:
            for _ in range(2):
                await recording(*given)
                states.append(
                    (
                        stage.rows("select promise, stage, attempts, ordinal from due order by 1"),
                        stage.rows("select pending, posted from account order by key"),
                        stage.rows("select promise, outcome from attempt order by at"),
                        stage.rows("select slot, promise, remote_id from receipt order by 1"),
                        stage.rows("select cause from cases"),
                    )
                )

        lane._record = twice  # pyright: ignore
        await lane.round()
        assert states[0] == states[1]
        lane._record = recording  # pyright: ignore
        await stage.checked()
        await stage.run()
        assert len(target.effects("goods_issue")) == (0 if refusal == "refused" else 1)
        await stage.checked()


async def test_a_repaired_state_that_is_recorded_twice_was_repaired_once(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(customer())
        await stage.run()
        [(slot, promise)] = stage.rows("select slot, promise from receipt")
        for _ in range(2):
            async with stage.database.transaction() as tx:
                await delivery.confirm(tx, [delivery.Answered(promise + 1, slot, "P1", "P1", b"{}", 1)])
        assert stage.rows("select repairs from receipt") == [(1,)]


async def test_answers_are_given_up_when_the_database_stays_away_and_a_blind_act_is_then_a_doubt(
    database_url: str,
) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        lane = lane_to(stage, "mail")
        recording, lane.record_seconds = lane._record, 0.5

        async def away(*_: Any) -> None:
            raise psycopg.OperationalError("away")

        lane._record = away  # pyright: ignore
        with pytest.raises(psycopg.OperationalError):
            await lane.round()
        lane._record = recording  # pyright: ignore
        stage.hurry()
        await stage.run()
        assert len(target.effects("parcel_notice")) == 1
        assert stage.cases() == ["doubt:mail:parcel_notice"]


async def test_a_call_budget_that_cannot_be_asked_leaves_no_mail_in_doubt(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        lane = lane_to(stage, "mail")
        budget = lane.line.budget
        spending, asked = budget.spend, list[int]()

        async def away(points: int) -> None:
            asked.append(points)
            if len(asked) == 1:
                raise psycopg.OperationalError("away")
            await spending(points)

        budget.spend = away  # pyright: ignore
        await lane.round()
        assert target.calls_to("parcel_notice") == []
        await stage.run()
        assert len(target.effects("parcel_notice")) == 1
        assert stage.cases() == []


async def test_an_answer_that_comes_after_the_act_was_given_up_for_a_new_one_still_counts(database_url: str) -> None:
    """Its process slept for longer than anything travels; what its seal took was given back meanwhile."""
    placed = order()
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed, units=3))
        lane = lane_to(stage, "erp")
        recording = lane._record

        async def late(*given: Any) -> None:
            lane._record = recording  # pyright: ignore
            target._by_key.clear()
            stage.sql("update due set unclear = 3 where target = 'erp'")
            for _ in range(2):  # taken over, and looked for in vain
                stage.hurry()
                await lane.round()
            assert stage.rows("select pending, posted from account") == [(0, 0)]
            await recording(*given)

        lane._record = late  # pyright: ignore
        await lane.round()
        assert stage.rows("select pending, posted from account") == [(0, 3)]
        await stage.run()
        assert len(target.effects("goods_issue")) == 1
        await stage.checked()


async def test_an_answer_that_cannot_be_stored_takes_no_other_with_it_and_is_a_case_in_the_end(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=["NUL" if n == 2 else "MUG"]) for n in range(1, 4)))
        await stage.deliver("erp")
        assert stage.rows("select slot from receipt order by 1") == [("order:shop:1/sale",), ("order:shop:3/sale",)]
        for _ in range(ATTEMPTS_MAX):
            stage.hurry()
            await stage.deliver("erp")
        assert stage.cases() == ["failing:erp:sales_order"]
        assert len(target.effects("sales_order")) == 3
        await stage.checked()
