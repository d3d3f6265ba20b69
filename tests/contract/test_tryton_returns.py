"""Goods that came back, in the real Tryton: received once, put where each line says, and no money moved."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from crossdock.canonical.returns import GoodsReturn
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed
from crossdock.connectors.tryton.corrections import post_credit_memos
from crossdock.connectors.tryton.goods_return import find_received, receive_goods
from crossdock.kernel.faults import Fault, Rejected, Unknown
from crossdock.simulators.tryton import Tryton, boot
from crossdock.simulators.tryton_ledger import Session
from tests.contract.tryton_proxy import Way, door
from tests.contract.tryton_site import (
    Bought,
    Killed,
    Row,
    Site,
    bill,
    billed,
    came_back,
    done,
    order_of,
    owed_less,
    parcel,
    part_of,
    shipped,
    site,
    sold,
)

pytestmark = pytest.mark.erp


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    with boot(tmp_path_factory.mktemp("erp")) as erp:
        yield erp.at


def stock(books: dict[str, list[Row]]) -> dict[tuple[str, str], float]:
    return {(row["location"], row["product"]): row["on_hand"] for row in books["stock"]}


def returns(here: Site, asked: Command[GoodsReturn]) -> list[Row]:
    return [row for row in here.books("returns")["returns"] if asked.key in (row["reference"] or "")]


async def sold_and_left(here: Site, number: str, units: int = 3) -> tuple[str, Command[GoodsReturn]]:
    """The id of a sale whose goods have left, and a return of one of them."""
    order = order_of(number, [Bought("TEE-BLK-M", units)])
    sale = await sold(here, order)
    await shipped(here, parcel(order, f"P{number}", {0: units}, sale))
    return sale, came_back(order, number, [(0, 1, "MAIN")], sale)


# --- where it goes -----------------------------------------------------------------------------------------------------


async def test_units_come_back_to_the_location_that_each_line_names_and_nothing_else_moves(at: Tryton) -> None:
    order = order_of("101", [Bought("TEE-BLK-M", 5), Bought("MUG-01", 2)], shipping=500)
    async with site(at) as here:
        sale = await sold(here, order)
        out = parcel(order, "P101", {0: 4, 1: 2}, sale, "EAST")
        issue = await shipped(here, out)
        await billed(here, bill(out, issue.id))
        before = here.books()
        lines = [(0, 1, "MAIN"), (0, 1, "DAMAGED"), (1, 1, "VENDOR"), (0, 1, "EAST")]
        asked = came_back(order, "101", lines, sale)
        receipt = done(await receive_goods(asked, here.link))
        after = here.books()
    [back] = [row for row in after["returns"] if asked.key in row["reference"]]
    moved = {place: units - stock(before)[place] for place, units in stock(after).items()}
    assert {place: units for place, units in moved.items() if units} == {
        ("MAIN", "TEE-BLK-M"): 1,
        ("DAMAGED", "TEE-BLK-M"): 1,
        ("EAST", "TEE-BLK-M"): 1,
        ("VENDOR", "MUG-01"): 1,
    }
    assert (back["state"], back["reference"]) == ("done", f"RMA-101 {asked.key}")
    assert (receipt.aliases, back["party"]) == ((back["number"],), "order:shop:101")
    assert [each["reference"] for each in back["sales"]] == ["#101"]
    assert {key: after[key] for key in ("sales", "shipments", "invoices")} == {
        key: before[key] for key in ("sales", "shipments", "invoices")
    }


async def test_two_returns_of_one_sale_and_their_credit_notes_do_not_touch_the_rest_that_is_to_leave(
    at: Tryton,
) -> None:
    order = order_of("102", [Bought("TEE-BLK-M", 3)])
    async with site(at) as here:
        sale = await sold(here, order)
        first = parcel(order, "P102a", {0: 2}, sale)
        await billed(here, bill(first, (await shipped(here, first)).id))
        for n in (1, 2):
            done(await receive_goods(came_back(order, f"102-{n}", [(0, 1, "MAIN")], sale), here.link))
        memo = owed_less(order, [part_of(order, 0, 2, 4000, {"0.1": 400})], sale)
        done((await post_credit_memos([memo], here.link))[memo.key])
        rest = parcel(order, "P102b", {0: 1}, sale)
        await billed(here, bill(rest, (await shipped(here, rest)).id))
        [held] = here.order("sales", "order:shop:102")
        totals = [row["total"] for row in here.order("invoices", "order:shop:102")]
    assert (held["shipment_state"], held["invoice_state"]) == ("sent", "awaiting payment")
    assert sorted(map(float, totals)) == [22.0, 44.0]


async def test_units_sold_later_come_back_from_the_shipment_their_goods_issue_names(at: Tryton) -> None:
    first, more = order_of("103", [Bought("MUG-01")]), order_of("104", [Bought("CAP-RED")])
    async with site(at) as here:
        sale, later = await sold(here, first), await sold(here, more)
        issue = await shipped(here, parcel(more, "P104", {0: 1}, later))
        asked = came_back(more, "104", [(0, 1, "MAIN")], sale)
        with pytest.raises(Rejected, match="nothing of line 1041"):
            await receive_goods(asked, here.link)
        refs = {**asked.refs, "issue:0": issue.id, "issue:0.number": "SHIP-1"}
        done(await receive_goods(msgspec.structs.replace(asked, refs=refs), here.link))
        [back] = returns(here, asked)
    assert [line["product"] for line in back["stored"]] == ["CAP-RED"]


# --- once --------------------------------------------------------------------------------------------------------------


async def test_a_return_sent_twice_is_one_and_is_found_only_when_it_is_put_away(at: Tryton) -> None:
    async with site(at) as here, site(at) as another_process:
        _, asked = await sold_and_left(here, "201")
        before = await find_received([asked], here.link)
        first = done(await receive_goods(asked, here.link))
        again = done(await receive_goods(asked, another_process.link))
        found = await find_received([asked], here.link)
        assert len(returns(here, asked)) == 1
    assert (before, again, found) == ({}, first, {asked.key: first})


async def test_two_processes_that_receive_at_once_move_the_units_once(at: Tryton) -> None:
    async def until_done(here: Site, asked: Command[GoodsReturn]) -> Confirmed:
        for _ in range(8):
            try:
                return done(await receive_goods(asked, here.link))
            except Fault:
                await asyncio.sleep(0.3)
        raise AssertionError("the two keep out each other for ever")

    async with site(at) as one, site(at) as other:
        _, asked = await sold_and_left(one, "202")
        before = stock(one.books("stock"))
        receipts = await asyncio.gather(until_done(one, asked), until_done(other, asked))
        after = stock(one.books("stock"))
    assert receipts[0] == receipts[1]
    assert after["MAIN", "TEE-BLK-M"] - before["MAIN", "TEE-BLK-M"] == 1


CALLS = ["create", "receive", "write", "do"]


@pytest.mark.parametrize("call", CALLS)
async def test_a_return_cut_after_any_call_goes_on_with_its_own_shipment(at: Tryton, call: str) -> None:
    async with site(at) as killed:
        _, asked = await sold_and_left(killed, f"21{CALLS.index(call)}")
        before = stock(killed.books("stock"))
        killed.http.cut = (f"stock.shipment.out.return.{call}", 1)
        with pytest.raises(Killed, match=call):
            await receive_goods(asked, killed.link)
        assert set(await find_received([asked], killed.link)) == ({asked.key} if call == "do" else set())
    async with site(at) as here:
        done(await receive_goods(asked, here.link))
        after = stock(here.books("stock"))
        assert [row["state"] for row in returns(here, asked)] == ["done"]
    assert {place: units - before[place] for place, units in after.items() if units != before[place]} == {
        ("MAIN", "TEE-BLK-M"): 1
    }


LOST: list[tuple[str, Way]] = [("create", "commit_then_drop"), ("receive", "commit_then_status"), ("do", "garbage")]


@pytest.mark.parametrize(("call", "way"), LOST)
async def test_a_lost_answer_is_unknown_and_sending_again_receives_nothing_twice(
    at: Tryton, call: str, way: Way
) -> None:
    async with door(at) as spoiling, site(at, url=spoiling.url) as here:
        _, asked = await sold_and_left(here, f"22{LOST.index((call, way))}")
        spoiling.spoilt[f"stock.shipment.out.return.{call}"] = way
        with pytest.raises(Unknown):
            await receive_goods(asked, here.link)
        done(await receive_goods(asked, here.link))
        assert len(returns(here, asked)) == 1


# --- refused -----------------------------------------------------------------------------------------------------------


async def test_a_location_tryton_lacks_is_named_and_its_mapping_is_followed(at: Tryton) -> None:
    async with site(at) as here:
        sale, _ = await sold_and_left(here, "301")
        order = order_of("301", [Bought("TEE-BLK-M", 3)])
        asked = came_back(order, "301", [(0, 1, "MAIN"), (0, 1, "SHELF 9")], sale)
        with pytest.raises(Rejected) as refusal:
            await receive_goods(asked, here.link)
        assert returns(here, asked) == []
        mapped = msgspec.structs.replace(asked, refs={**asked.refs, "location/SHELF 9": "VENDOR"})
        done(await receive_goods(mapped, here.link))
        [back] = returns(here, asked)
    missing = refusal.value.missing
    assert missing is not None
    assert (missing.kind, missing.key, refusal.value.field) == ("location", "SHELF 9", "lines[1].location")
    assert sorted(line["to"] for line in back["stored"]) == ["MAIN", "VENDOR"]


async def test_goods_that_never_left_cannot_come_back(at: Tryton) -> None:
    order = order_of("302", [Bought("TEE-BLK-M")])
    async with site(at) as here:
        asked = came_back(order, "302", [(0, 1, "MAIN")], await sold(here, order))
        with pytest.raises(Rejected, match="nothing of line 3021") as refusal:
            await receive_goods(asked, here.link)
        assert returns(here, asked) == []
    assert refusal.value.field == "lines[0].line"


async def test_goods_received_yesterday_are_booked_under_yesterday_unless_they_left_today(at: Tryton) -> None:
    async with site(at) as here:
        _, asked = await sold_and_left(here, "303")
        yesterday = datetime.now(UTC) - timedelta(days=1)
        early = msgspec.structs.replace(asked, body=msgspec.structs.replace(asked.body, received_at=yesterday))
        done(await receive_goods(early, here.link))
        [back] = returns(here, asked)
    assert back["effective_date"] == yesterday.date().isoformat()


async def test_a_return_cancelled_by_a_person_is_received_anew(at: Tryton) -> None:
    async with site(at) as killed:
        _, asked = await sold_and_left(killed, "304")
        killed.http.cut = ("stock.shipment.out.return.create", 1)
        with pytest.raises(Killed):
            await receive_goods(asked, killed.link)
        with closing(Session(at)) as people:
            ids = people.call("stock.shipment.out.return.search", [["reference", "like", f"%{asked.key}"]])
            people.call("stock.shipment.out.return.cancel", ids)
    async with site(at) as here:
        done(await receive_goods(asked, here.link))
        assert [row["state"] for row in returns(here, asked)] == ["cancelled", "done"]
