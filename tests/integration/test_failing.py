"""What fails again and again: a person is told once, the hub goes on, and what was told of ends when it succeeds."""

from __future__ import annotations

import msgspec
import pytest

from crossdock.deliver.following import ATTEMPTS_MAX
from crossdock.store import bulk
from crossdock.store.decisions import NotDecidable
from crossdock.store.desk import Filter
from tests.stage import Stage, customer, order, shipment, staged, told
from tests.standin.target import Target

READY, CALLING, DOUBTFUL, CASE = 0, 1, 3, 5


async def insist(stage: Stage, times: int = ATTEMPTS_MAX) -> None:
    for _ in range(times):
        await stage.settle()
        await stage.deliver("erp")
        stage.hurry()


async def case_of(stage: Stage) -> int:
    [(case,)] = stage.rows("select id from cases where closed_at is null")
    return case


async def test_sales_that_always_fail_are_one_case_and_go_on_until_they_succeed(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=["POISON" if n < 3 else "MUG"]) for n in range(1, 6)))
        await insist(stage, ATTEMPTS_MAX - 1)
        assert stage.cases() == []
        await insist(stage, 3)
        assert stage.cases() == ["failing:erp:sales_order"]
        assert stage.count("select count(*) from case_item") == 2
        assert {stage.stages()[f"order:shop:{n}/sale"] for n in (1, 2)} == {CALLING}
        assert len(target.effects("sales_order")) == 3
        await stage.checked()
        target.cured = True
        await stage.run()
        assert sorted(target.slots("sales_order")) == [f"order:shop:{n}/sale" for n in range(1, 6)]
        assert {key[-2:] for key in target.effects("sales_order")} == {"/1"}
        assert await closed(stage)
        await stage.checked()


async def closed(stage: Stage) -> bool:
    await stage.hub.keep_house()
    return stage.cases() == []


async def test_a_state_that_always_fails_is_a_case_and_ends_with_its_success(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("party_account", "refuse", status=500, times=ATTEMPTS_MAX)
        await stage.tell(customer())
        await insist(stage)
        assert stage.cases() == ["failing:erp:party_account"]
        await stage.run()
        assert await closed(stage)


@pytest.mark.parametrize(("kind", "status"), [("refuse", 503), ("commit_then_drop", 0)])
async def test_an_outage_that_only_loses_answers_burns_no_attempts(database_url: str, kind: str, status: int) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        target.fault("many/sales_order", kind, status=status, times=None)  # pyright: ignore
        await stage.tell(*(order(str(n)) for n in range(1, 4)))
        await insist(stage, ATTEMPTS_MAX + 3)
        assert [cause for cause in stage.cases() if "erp" in cause] == ["brake:erp"]
        assert stage.count("select max(attempts) from due") == 0
        target.mischief.disarm()
        await stage.run()
        assert len(target.effects("sales_order")) == 3
        await stage.checked()


async def test_what_is_searched_for_in_vain_is_a_case_until_it_is_found(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        target.fault("goods_issue", "commit_then_drop")
        target.fault("/find", "refuse", status=500, times=ATTEMPTS_MAX)
        await stage.tell(shipment("s1", placed))
        await insist(stage, ATTEMPTS_MAX + 1)
        assert stage.cases() == ["failing:erp:goods_issue"]
        assert stage.count("select attempts from due where stage = 3") <= 1
        await stage.run()
        assert len(target.effects("goods_issue")) == 1
        assert await closed(stage)
        await stage.checked()


async def test_what_fails_is_tried_again_at_once_when_a_person_says_so(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(order(skus=["POISON"]))
        await insist(stage)
        await stage.deliver("erp")
        assert (
            stage.count("select count(*) from due where target = 'erp' and due_at > now() + interval '1 minute'") == 1
        )
        async with stage.person() as person:
            assert await person.retry(await case_of(stage)) == ("promise", 1)
        assert stage.cases() == []
        target.cured = True
        assert await stage.deliver("erp") == 1
        assert len(target.effects("sales_order")) == 1


async def test_all_that_fails_is_tried_again_at_once_by_one_decision_on_many(database_url: str) -> None:
    async def skips_none(*_: object) -> str:
        raise AssertionError

    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=["POISON"]) for n in range(1, 4)))
        await insist(stage)
        await stage.deliver("erp")
        target.cured = True
        async with stage.person() as person:
            frozen = await bulk.freeze(person, "retry", "", Filter(kind="failing"), "what fails")
            assert await bulk.confirm(person, frozen.job) == 3
            assert await bulk.step(person.tx, 100, skips_none) == 3
            assert await bulk.outcomes(person.tx, frozen.job) == [("tried again", 3)]
        assert stage.cases() == []
        await stage.deliver("erp")
        assert len(target.effects("sales_order")) == 3


async def test_what_fails_and_was_done_by_hand_is_settled_by_a_persons_word(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(order("1", skus=["POISON"]), order("2", skus=["POISON"]))
        await insist(stage)
        promises = dict(stage.rows("select entity, promise from due where target = 'erp'"))
        async with stage.person() as person:
            await person.happened(await case_of(stage), "S99", promises["order:shop:1"])
            await person.did_not_happen(await case_of(stage), promises["order:shop:2"])
        assert stage.cases() == []
        target.cured = True
        await stage.run()
        assert target.effects("sales_order") == ["order:shop:2/sale/order:shop:2/2"]
        await stage.checked()


async def test_nobody_decides_over_a_call_that_is_under_way(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(order(skus=["POISON"]))
        await insist(stage)
        case = await case_of(stage)
        stage.sql("update due set actor = 1, due_at = now() + interval '60 s' where target = 'erp'")
        with pytest.raises(NotDecidable):
            async with stage.person() as person:
                await person.did_not_happen(case, None)
        async with stage.person() as person:
            await person.retry(case)
        assert stage.count("select count(*) from due where target = 'erp' and due_at > now()") == 1


async def test_what_is_refused_after_failing_is_in_one_case(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        wrong = order(skus=["POISON"])
        await stage.tell(wrong)
        await insist(stage)
        target.cured = True
        target.fault("many/sales_order", "refuse", status=400)
        await stage.deliver("erp")
        assert await case_kinds(stage) == ["doubt"]
        await stage.tell(told(msgspec.structs.replace(wrong, email="new@example.com"), 2))
        assert stage.stages()["order:shop:1/sale"] == DOUBTFUL
        await stage.checked()


async def case_kinds(stage: Stage) -> list[str]:
    await stage.hub.keep_house()
    return [row[0] for row in stage.rows("select kind from cases where closed_at is null")]
