"""Acts happen once, whatever becomes of the call and whatever is learned meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from crossdock.canonical.order import Order
from tests.stage import Stage, order, shipment, staged, told
from tests.standin.target import Target

CALLING, DOUBTFUL, CASE = 1, 3, 5


def changed(placed: Order, token: int = 2, **what: object) -> object:
    return told(msgspec.structs.replace(placed, **what), token)


@pytest.mark.parametrize("kind", ["commit_then_drop", "commit_then_status", "garbage"])
async def test_an_edit_that_comes_while_a_sale_is_in_doubt_makes_no_second_sale(database_url: str, kind: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("sales_order", kind)  # pyright: ignore
        await stage.tell(placed)
        await stage.deliver("erp")
        await stage.tell(changed(placed, email="new@example.com"))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_an_edit_that_comes_before_anything_was_sent_is_in_the_one_sale(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("sales_order", "refuse", status=429, retry_after=0.05)
        await stage.tell(placed)
        await stage.deliver("erp")
        await stage.tell(changed(placed, email="new@example.com"))
        await stage.run()
        [sale] = target.ledger.select("sales_order")
        assert sale.details["body"]["order"]["email"] == "new@example.com"
        await stage.tell(changed(placed, 3, payment="paid"))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_a_sale_in_doubt_stays_so_when_its_resend_never_gets_out(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("sales_order", "commit_then_drop")
        target.fault("sales_order", "refuse", status=429, times=2, retry_after=0.05)
        await stage.tell(placed)
        await stage.deliver("erp")
        stage.hurry()
        await stage.deliver("erp")
        assert stage.stages()["order:shop:1/sale"] == CALLING
        await stage.tell(changed(placed, email="new@example.com"))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_a_failed_inquiry_asks_again_and_sends_nothing_again(database_url: str) -> None:
    async with Target(accepts=True).serve() as target, staged(database_url, target) as stage:
        target.fault("/jobs/", "refuse", status=503)
        target.fault("/jobs/", "refuse", status=429, retry_after=0.05)
        await stage.tell(order())
        await stage.run()
        assert len(target.calls_to("many/shipment_order")) == 1
        assert len(target.effects("shipment_order")) == 1
        await stage.checked()


async def test_a_rejected_sale_takes_up_the_correction_that_came_while_it_was_being_sent(database_url: str) -> None:
    wrong = order(skus=["BAD"])
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(wrong)
        await _settle_while_calling(stage, changed(wrong, lines=order().lines))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        assert not stage.cases()
        await stage.checked()


async def _settle_while_calling(stage: Stage, said: object) -> None:
    """Make something known after the ERP's promises were sealed and before their answers are recorded."""
    [lane] = [lane for lane in stage.hub.lanes if lane.line.connection == "erp"]
    recording = lane._record

    async def late(*answers: object) -> None:
        await stage.tell(said)  # pyright: ignore
        await recording(*answers)  # pyright: ignore

    lane._record = late  # pyright: ignore
    await lane.round()
    lane._record = recording  # pyright: ignore


async def test_an_older_address_never_overwrites_a_newer_one_after_a_failed_call(database_url: str) -> None:
    placed = order()
    addresses = [msgspec.structs.replace(placed.ship_to, city=city) for city in ("Oldtown", "Newtown")]  # pyright: ignore
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(changed(placed, 2, ship_to=addresses[0]))
        target.fault("erp_address", "refuse", status=429, retry_after=0.05)
        await _settle_while_calling(stage, changed(placed, 3, ship_to=addresses[1]))
        await stage.run()
        assert target.held["order:shop:1/erp_address"]["ship_to"]["city"] == "Newtown"
        await stage.checked()


async def test_a_state_changed_back_while_the_change_is_being_written_is_written_back(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        homes = [msgspec.structs.replace(placed.ship_to, city=city) for city in ("A", "B", "C")]  # pyright: ignore
        await stage.tell(changed(placed, 2, ship_to=homes[0]))
        await stage.run()
        await stage.tell(changed(placed, 3, ship_to=homes[1]))
        [lane] = [lane for lane in stage.hub.lanes if lane.line.connection == "erp"]
        recording = lane._record

        async def late(*answers: object) -> None:
            await stage.tell(changed(placed, 4, ship_to=homes[2]))
            await stage.tell(changed(placed, 5, ship_to=homes[0]))
            await recording(*answers)  # pyright: ignore

        lane._record = late  # pyright: ignore
        await lane.round()
        lane._record = recording  # pyright: ignore
        await stage.run()
        assert target.held["order:shop:1/erp_address"]["ship_to"]["city"] == "A"


async def test_the_later_promise_has_the_higher_id_whichever_connection_opens_it(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        async with stage.database.transaction() as one, stage.database.transaction() as other:
            ids: list[int] = []
            for tx in (one, other, one, other):
                async with tx.cursor() as cursor:
                    await cursor.execute("select nextval('promise_seq')")
                    ids.append((await cursor.fetchone())[0])  # pyright: ignore
        assert ids == sorted(ids)


async def test_an_accepted_withdrawal_is_not_taken_for_a_kept_promise(database_url: str) -> None:
    """Sealed, never sent, withdrawn because of a cancellation, and owed again when that is taken back."""
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("sales_order", "refuse", status=429, retry_after=0.05)
        target.fault("shipment_order", "refuse", status=429, retry_after=0.05)
        await stage.tell(placed)
        await stage.deliver("erp", "warehouse")
        await stage.tell(changed(placed, 2, cancelled_at=datetime.now(UTC)))
        assert "order:shop:1/sale" not in stage.stages()
        await stage.checked()
        await stage.tell(changed(placed, 3))
        await stage.run()
        assert len(target.effects("sales_order")) == len(target.effects("shipment_order")) == 1
        await stage.checked()


async def test_a_mail_whose_answer_was_lost_is_never_sent_again(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("parcel_notice", "commit_then_drop")
        await stage.tell(placed, shipment("s1", placed))
        await stage.run()
        assert len(target.effects("parcel_notice")) == 1
        assert stage.cases() == ["doubt:mail:parcel_notice"]
        assert stage.stages() == {"order:shop:1/parcel_notice:s1": DOUBTFUL}
        await stage.checked()
