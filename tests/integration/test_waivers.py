"""What a person has left undone: not owed any more, on record, a fact like any other; and never what moves goods or money."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import pytest
from msgspec.structs import replace

from crossdock.govern.waiving import waive
from crossdock.store.decisions import NotDecidable
from tests.stage import ROSE, Stage, order, shipment, staged, told
from tests.standin.target import Target

PLACED = order()


@contextlib.asynccontextmanager
async def refused(database_url: str, noun: str) -> AsyncGenerator[tuple[Stage, Target]]:
    """A sold order whose parcel has left, at a target that refuses one noun with 422."""
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault(noun, "refuse", times=None, status=422)
        await stage.tell(PLACED)
        await stage.run()
        await stage.tell(shipment("s1", PLACED, units=3))
        await stage.run()
        yield stage, target


def in_case(stage: Stage, name: str) -> int:
    return stage.count("select d.promise from due d join promise p on p.id = d.promise where p.name like %s", name)


async def skip(stage: Stage, promise: int, reason: str = "the shop has closed") -> str:
    async with stage.person() as decider:
        return await waive(decider, promise, reason)


async def test_a_notice_that_is_refused_is_left_undone_and_the_order_converges(database_url: str) -> None:
    async with refused(database_url, "parcel_notice") as (stage, target):
        assert len(stage.cases()) == 1
        assert await skip(stage, in_case(stage, "parcel_notice%")) == "order:shop:1/parcel_notice:s1"
        await stage.run()
        assert stage.cases() == []
        assert stage.stages() == {}
        assert stage.rows("select by, what, detail ->> 'reason' from decision") == [
            ("a person", "skip", "the shop has closed")
        ]
        assert (await stage.checked()).states["converged"] == 1
        made = stage.promises_made()
        await stage.replay()  # S5: the word comes in again, too
        await stage.run()
        assert stage.promises_made() == made
        assert target.effects("parcel_notice") == []


async def test_it_is_owed_again_when_something_else_is_to_be_told(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(PLACED)
        await stage.run()
        target.fault("erp_address", "refuse", times=None, status=422)
        await stage.tell(told(order(ship_to=ROSE), token=2))
        await stage.run()
        await skip(stage, in_case(stage, "erp_address"))
        await stage.run()
        assert stage.cases() == []
        assert "order:shop:1/erp_address" not in stage.stages()
        target.mischief.disarm()
        await stage.tell(told(order(ship_to=ROSE, email="ada@other.example"), token=3))
        await stage.run()
        assert "order:shop:1/erp_address" not in target.held
        await stage.tell(told(order(ship_to=replace(ROSE, city="Shelbyville")), token=4))
        await stage.run()
        assert target.held["order:shop:1/erp_address"]["ship_to"]["city"] == "Shelbyville"


async def test_what_moves_goods_or_money_is_never_left_undone_by_a_word(database_url: str) -> None:
    async with refused(database_url, "goods_issue") as (stage, _):
        with pytest.raises(NotDecidable, match="moves goods or money, or stands in the books"):
            await skip(stage, in_case(stage, "goods_issue%"))
        assert stage.count("select count(*) from decision") == 0
        assert len(stage.cases()) == 1


async def test_a_word_takes_a_reason_and_an_open_promise(database_url: str) -> None:
    async with refused(database_url, "parcel_notice") as (stage, _):
        for reason in ("", "   ", "x" * 201, "a\nb"):
            with pytest.raises(NotDecidable, match="say why"):
                await skip(stage, in_case(stage, "parcel_notice%"), reason)
        with pytest.raises(NotDecidable, match="not open"):
            await skip(stage, 999_999)
