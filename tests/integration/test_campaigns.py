"""Retroactive change: newer rules open nothing for older facts by themselves, and a campaign what a person allowed, no more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossdock.canonical.order import SalesOrder
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation, Priority
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Standing
from crossdock.settle import campaigning
from crossdock.settle.campaigning import Caps, DryRun, Part
from crossdock.settle.rules import Rules, owed
from crossdock.settle.translation import translate
from crossdock.store import campaigns, documents, inbox, settling
from crossdock.store.decisions import NotDecidable
from tests.stage import Stage, customer, order, shipment, staged
from tests.standin.target import Target


def part_sales(standing: Standing, policy: Policy) -> Iterator[Obligation]:
    """Newer rules: as before, and a second sale for every order."""
    yield from owed(standing, policy)
    fact = standing.one("order")
    if fact is not None:
        yield Act(
            name="sale:2",
            to="erp",
            body=SalesOrder(order=fact.body, sold_by="shop", part=2),
            cause=fact,
            by=fact.recorded_at + timedelta(minutes=15),
            priority=Priority.ORDERS,
        )


async def newer(stage: Stage, code: bytes = b"newer rules 1234", rules: Any = part_sales, **policy: Any) -> Rules:
    async with stage.database.transaction() as tx:
        live_at = await settling.go_live(tx, code, "newer")
    stage.hub.rules = replace(stage.hub.rules, code=code, live_at=live_at, owed=rules, **policy)
    return stage.hub.rules


@contextlib.asynccontextmanager
async def settled_orders(database_url: str, count: int, **rest: Any) -> AsyncGenerator[tuple[Stage, Target]]:
    """Orders of 30.00 each that were settled and done under the older rules, which are newer ones since."""
    async with Target().serve() as target, staged(database_url, target, **rest) as stage:
        await stage.tell(*(order(str(at)) for at in range(1, count + 1)))
        await stage.run()
        await newer(stage)
        yield stage, target


async def touch(stage: Stage) -> None:
    """Every entity is to be settled again."""
    stage.sql("update entity set revision = revision + 1")
    stage.sql("insert into dirty select key, bucket, now() from entity on conflict do nothing")
    await stage.settle()


async def test_what_came_while_older_rules_settled_its_order_is_no_old_fact(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        placed = order("1")
        await stage.tell(placed)
        await stage.run()
        await stage.receive(shipment("s1", placed))
        async with stage.database.transaction() as tx:  # a translation that is slow, or waits for another
            [parcel] = await inbox.take_pending(tx, 1)
            await touch(stage)
            merged = await documents.merge(tx, translate([parcel], stage.hub.connectors).statements)
            await documents.mark_dirty(tx, merged.changed)
        await newer(stage, rules=owed)
        await stage.settle()
        assert stage.count("select count(*) from withheld") == 0
        assert "order:shop:1/goods_issue:s1" in stage.stages()


async def propose(stage: Stage, **part: Any) -> DryRun:
    return await campaigning.propose(stage.database, stage.hub.rules, Part(**part), "a person")


async def approve(stage: Stage, digest: str, count_max: int = 100, money: str | None = "1000", hours: int = 24) -> int:
    caps = Caps(count_max, {} if money is None else {"USD": usd(int(money) * 100)}, hours)
    async with stage.database.transaction() as tx:
        return (await campaigning.approve(tx, stage.hub.rules, digest, "mara", caps))[0]


async def test_a_campaign_lists_what_is_withheld_and_what_would_be(database_url: str) -> None:
    async with settled_orders(database_url, 4) as (stage, _):
        before = await propose(stage)
        await touch(stage)
        after = await propose(stage)
        assert stage.count("select count(*) from withheld") == 4
        assert [act.name for act in after.acts] == ["sale:2"] * 4
        assert before.digest == after.digest
        assert after.worth == {"USD": 12000}
        assert stage.count("select count(*) from campaign") == 1
        assert (await propose(stage, entities=("order:shop:2",))).worth == {"USD": 3000}
        assert (await propose(stage, kinds=("refund",))).acts == []
        assert (await propose(stage, since=datetime.now(UTC))).acts == []
        assert await stage.deliver() == 0


async def test_an_approved_campaign_does_exactly_what_was_listed_and_each_once(database_url: str) -> None:
    async with settled_orders(database_url, 4) as (stage, target):
        listed = await propose(stage, entities=("order:shop:1", "order:shop:3"))
        id_ = await approve(stage, listed.digest[:12])
        await stage.run()
        await touch(stage)
        await stage.run()
        assert sorted(s for s in target.slots("sales_order") if s.endswith("sale:2")) == [
            "order:shop:1/sale:2",
            "order:shop:3/sale:2",
        ]
        found = await stage.checked()
        assert found.withheld == 2
        async with stage.database.transaction() as tx:
            [campaign] = await campaigns.campaigns(tx)
        assert (campaign.id, campaign.state, campaign.sealed, campaign.confirmed) == (id_, "done", 2, 2)
        assert stage.rows('select key, posted, "limit" from account order by key') == [
            (f"campaign/{id_}", 2, 100),
            (f"campaign/{id_}/USD", 6000, 100000),
        ]
        made = stage.promises_made()
        await stage.replay()
        await stage.run()
        assert stage.promises_made() == made


@pytest.mark.parametrize(("count_max", "money", "done"), [(3, "1000", 3), (100, "70", 2), (100, "29", 0)])
async def test_a_campaign_stops_at_its_caps_and_the_rest_is_withheld_again(
    database_url: str, count_max: int, money: str, done: int
) -> None:
    async with settled_orders(database_url, 6) as (stage, target):
        listed = await propose(stage)
        await approve(stage, listed.digest, count_max, money)
        await stage.run()
        assert sum(s.endswith("sale:2") for s in target.slots("sales_order")) == done
        assert stage.stages() == {}
        assert stage.cases() == []
        assert (await stage.checked()).withheld == 6 - done
        assert len((await propose(stage)).acts) == 6 - done


async def test_the_caps_hold_across_lanes_that_seal_at_once(database_url: str) -> None:
    async with settled_orders(database_url, 30, hub={"deliver_batch": 3}, each={"lanes": 4}) as (stage, target):
        listed = await propose(stage)
        await approve(stage, listed.digest, 100, "300")
        await stage.settle()
        lanes = [lane for lane in stage.hub.lanes if lane.line.connection == "erp"]
        assert len(lanes) == 4
        for _ in range(5):
            await asyncio.gather(*(lane.round() for lane in lanes))
            stage.hurry()
        await stage.run()
        assert sum(s.endswith("sale:2") for s in target.slots("sales_order")) == 10
        await stage.checked()


async def test_an_approval_is_refused_when_the_proposal_does_not_fit_any_more(database_url: str) -> None:
    async with settled_orders(database_url, 2) as (stage, target):
        listed = await propose(stage)
        await stage.tell(order("3"))
        with pytest.raises(NotDecidable, match=r"moves 60\.00 USD"):
            await approve(stage, listed.digest, 100, None)
        stage.sql("delete from withheld")
        stage.sql("update entity set code = %s where key = 'order:shop:2'", stage.hub.rules.code)
        with pytest.raises(NotDecidable, match="not what was proposed any more: 1 acts now"):
            await approve(stage, listed.digest)
        for unknown in ("feedfeedfeed", "", "abc"):
            with pytest.raises(NotDecidable, match="digest"):
                await approve(stage, unknown)
        await stage.run()
        assert [s for s in target.slots("sales_order") if s.endswith("sale:2")] == ["order:shop:3/sale:2"]
        assert stage.count("select count(*) from campaign_item") == 0


async def test_a_campaign_that_has_run_out_does_nothing_more(database_url: str) -> None:
    async with settled_orders(database_url, 3) as (stage, target):
        listed = await propose(stage)
        await approve(stage, listed.digest)
        await stage.settle()
        assert len(stage.stages()) == 3
        stage.sql("update campaign set approved_at = now() - interval '2 days', expires_at = now() - interval '1 s'")
        stage.sql("alter table promise disable trigger promise_stays")
        stage.sql("update promise set valid_until = now() - interval '1 s' where campaign is not null")
        stage.sql("alter table promise enable trigger promise_stays")
        await stage.run()
        assert [s for s in target.slots("sales_order") if s.endswith("sale:2")] == []
        assert stage.stages() == {}
        assert (await stage.checked()).withheld == 3


async def test_the_check_sees_an_act_whose_campaign_does_not_cover_it(database_url: str) -> None:
    async with settled_orders(database_url, 1) as (stage, _):
        await approve(stage, (await propose(stage)).digest)
        await stage.run()
        await stage.checked()
        stage.sql("update campaign_item set name = 'another'")
        with pytest.raises(AssertionError):
            await stage.checked()


async def test_what_waited_for_leave_under_older_rules_is_done_under_newer_ones(database_url: str) -> None:
    """A hub that is started anew between the request and the word must not take the act for a retroactive one."""

    def with_leave(given: bool) -> Any:
        def rules(standing: Standing, _: Policy) -> Iterable[Obligation]:
            fact = standing.one("order")
            if fact is not None and not given:
                yield ApprovalNeeded(
                    name="sale", role="finance", people=1, digest="0" * 32, what="sell", amount=usd(1), payee="erp",
                    cause=fact.id, until=fact.recorded_at + timedelta(hours=8),
                )  # fmt: skip
            elif fact is not None:
                yield from (o for o in owed(standing, Policy()) if o.name == "sale")
                yield Act(
                    name="sale", to="erp", body=SalesOrder(order=fact.body, sold_by="shop"), cause=fact,
                    by=fact.recorded_at, priority=Priority.ORDERS,
                )  # fmt: skip

        return rules

    async with Target().serve() as target, staged(database_url, target) as stage:
        stage.hub.rules = replace(stage.hub.rules, owed=with_leave(False))
        await stage.tell(order())
        await newer(stage, rules=with_leave(True))
        await touch(stage)
        await stage.run()
        assert target.slots("sales_order") == ["order:shop:1/sale"]
        await stage.checked()


@pytest.mark.parametrize("count", [120, pytest.param(10_000, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])])
async def test_another_role_policy_or_code_opens_nothing_over_settled_orders(database_url: str, count: int) -> None:
    """S6 and S7, for orders with their parcels: whoever plays a part now, what was done stays where it was done."""
    changes: list[dict[str, Any]] = [
        {"roles": {"erp": "warehouse", "warehouse": "erp"}},
        {"policy": {"sell_when": "paid", "tell_shop_erp_number": True, "tolerance_minor": 7}},
        {"mail": True},
        {},
    ]
    async with Target().serve() as target:
        async with staged(database_url, target, mail=False) as stage:
            for start in range(0, count, 500):
                some = [order(str(at)) for at in range(start + 1, min(start + 500, count) + 1)]
                await stage.tell(*some, *(shipment(f"s{each.id}", each) for each in some))
            await stage.run(seconds=600.0)
            assert stage.count("select count(*) from receipt") >= 4 * count
        for nth, change in enumerate(changes):
            async with staged(database_url, target, **{"mail": False, **change}) as stage:
                if not change:
                    await newer(stage, b"newer code 12345", owed)
                made, pins, calls = (
                    stage.promises_made(),
                    stage.rows("select * from pin order by 1, 2"),
                    len(target.calls),
                )
                await touch(stage)
                assert await stage.deliver() == 0
                assert stage.promises_made() == made, nth
                assert stage.rows("select * from pin order by 1, 2") == pins
                assert len(target.calls) == calls
                assert stage.count("select count(*) from withheld") == (count if nth >= 2 else 0)
                await stage.checked()


async def test_customers_are_told_to_a_new_erp_only_as_states(database_url: str) -> None:
    async with Target().serve() as target:
        async with staged(database_url, target) as stage:
            await stage.tell(customer(), order(customer="customer:shop:c1"))
            await stage.run()
        async with staged(database_url, target, roles={"erp": "warehouse"}) as stage:
            await touch(stage)
            await stage.run()
            assert len(target.effects("sales_order")) == 1
            assert stage.rows("select distinct target from promise where noun = 'sales_order'") == [("erp",)]
            await stage.checked()
