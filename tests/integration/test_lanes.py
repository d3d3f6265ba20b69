"""Lanes: what is sent when, in which company, and what a target's trouble does to its neighbours."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from crossdock.canonical.order import OrderLine
from crossdock.store import cases, delivery
from crossdock.store.budgets import Budget
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable
from tests.stage import Stage, customer, message, order, shipment, staged, told
from tests.standin import BULK, Told
from tests.standin.target import Target

READY, CALLING, ACCEPTED, DOUBTFUL, BLOCKED, CASE = range(6)


def due_in(stage: Stage, slot: str) -> float:
    """Seconds until a promise is due."""
    return float(
        stage.rows(
            "select extract(epoch from d.due_at - now()) from due d join promise p on p.id = d.promise"
            " where p.entity || '/' || p.name = %s",
            slot,
        )[0][0]
    )


async def test_a_sale_waits_for_its_buyers_account_and_goes_out_with_its_id(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order(customer="customer:shop:c1"))
        await stage.deliver("erp")
        assert stage.stages()["order:shop:1/sale"] == BLOCKED
        await stage.tell(customer())
        await stage.deliver("erp")
        await stage.deliver("erp")
        [sale] = target.ledger.select("sales_order")
        [account] = target.ledger.select("party_account")
        assert sale.details["refs"] == {"party": account.details["id"], "party.number": f"No-{account.details['id']}"}


async def test_a_confirmation_that_races_with_the_opening_of_what_needs_it_releases_it(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(customer())
        settled = asyncio.Event()

        async def confirm_late() -> None:
            """The account's receipt, uncommitted while the order is settled."""
            async with stage.database.transaction() as tx:
                [(promise,)] = stage.rows("select promise from due where entity = 'customer:shop:c1'")
                slot = "customer:shop:c1/party_account@erp"
                await delivery.confirm(tx, [delivery.Answered(promise, slot, "P9", "9", None, 0)])
                await settled.wait()

        confirming = asyncio.create_task(confirm_late())
        await asyncio.sleep(0.1)
        await stage.tell(order(customer="customer:shop:c1"))
        settled.set()
        await confirming
        async with stage.database.transaction() as tx:
            await delivery.release_met(tx)
        assert stage.stages()["order:shop:1/sale"] == READY


async def test_one_documents_acts_are_never_unresolved_at_the_same_time(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        target.fault("goods_issue", "commit_then_drop")
        await stage.tell(shipment("s1", placed), shipment("s2", placed))
        for _ in range(6):
            await stage.deliver("erp")
            unresolved = [s for s, at in stage.stages().items() if at in (CALLING, ACCEPTED, DOUBTFUL) and "issue" in s]
            assert len(unresolved) <= 1
            await stage.checked()
            stage.sql("update due set due_at = now() where stage = 0 and due_at < 'infinity'")
        await stage.run()
        assert len(target.effects("goods_issue")) == 2


async def test_more_parcels_than_were_ordered_are_a_case_and_nothing_of_them_is_sent(database_url: str) -> None:
    placed = order(units=3)
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed, shipment("s1", placed, units=2))
        await stage.run()
        await stage.tell(shipment("s2", placed, units=2))
        await stage.run()
        assert target.slots("goods_issue") == ["order:shop:1/goods_issue:s1"]
        assert [cause for cause in stage.cases() if cause.startswith("overdrawn")]
        await stage.checked()
        corrected = msgspec.structs.replace(shipment("s2", placed, units=1))
        await stage.tell(told(corrected, 2))
        await stage.run()
        assert len(target.slots("goods_issue")) == 2
        assert not stage.cases()
        await stage.checked()


async def test_a_rejected_issue_gives_back_what_it_took(database_url: str) -> None:
    placed = order(skus=["MUG"])
    wrong = msgspec.structs.replace(shipment("s1", placed, units=3), location="EAST")
    wrong = msgspec.structs.replace(wrong, lines=(msgspec.structs.replace(wrong.lines[0], sku="BAD"),))
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed, wrong)
        target.fault("goods_issue", "refuse", status=400)
        await stage.run()
        assert stage.rows("select pending, posted from account") in ([(0, 0)], [(0, 3)])
        await stage.checked()


async def test_a_sealed_promise_that_was_never_sent_gives_back_what_it_took_when_it_is_withdrawn(
    database_url: str,
) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed, units=3))
        target.fault("one/goods_issue", "refuse", status=429, times=None, retry_after=0.05)
        await stage.deliver("erp")
        assert stage.rows("select pending, posted from account") == [(3, 0)]
        gone = Told(kind="shipment", id="s1", entity="order:shop:1", token=2)
        await stage.tell(message("warehouse", gone))
        assert stage.rows("select pending, posted from account") == [(0, 0)]
        assert target.effects("goods_issue") == []
        await stage.checked()


@pytest.mark.parametrize("kind", ["partial", "silent"])
async def test_an_item_missing_from_a_bulk_answer_is_unknown_by_itself(database_url: str, kind: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        target.fault("many/sales_order", kind)  # pyright: ignore
        await stage.tell(*(order(str(n)) for n in range(1, 7)))
        await stage.deliver("erp")
        assert sum("/sale" in slot for slot in stage.stages()) == 3
        await stage.run()
        assert sorted(target.slots("sales_order")) == sorted(f"order:shop:{n}/sale" for n in range(1, 7))
        await stage.checked()


@pytest.mark.parametrize("sku", ["BAD", "REFUSED"])
async def test_one_bad_item_is_refused_and_its_neighbours_go_through(database_url: str, sku: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=[sku if n == 4 else "MUG"]) for n in range(1, 10)))
        await stage.deliver("erp")
        assert len(target.effects("sales_order")) == 8
        assert stage.stages()["order:shop:4/sale"] == CASE
        await stage.checked()


async def test_an_item_that_breaks_the_whole_call_ends_up_alone_and_its_neighbours_get_through(
    database_url: str,
) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=["POISON" if n == 4 else "MUG"]) for n in range(1, 31)))
        for _ in range(8):
            await stage.settle()
            await stage.deliver("erp")
            stage.hurry()
        assert sorted(target.slots("sales_order")) == sorted(f"order:shop:{n}/sale" for n in range(1, 31) if n != 4)
        assert stage.stages()["order:shop:4/sale"] == CALLING
        assert not stage.cases()
        await stage.checked()


async def test_an_accepted_act_is_confirmed_when_asked_about(database_url: str) -> None:
    async with Target(accepts=True).serve() as target, staged(database_url, target) as stage:
        await stage.tell(order())
        await stage.deliver("erp")
        await stage.deliver("warehouse")
        assert stage.stages()["order:shop:1/shipment_order"] == ACCEPTED
        await stage.run()
        assert "order:shop:1/shipment_order" not in stage.stages()
        assert len(target.effects("shipment_order")) == 1
        assert len(target.calls_to("many/shipment_order")) == 1
        await stage.checked()


async def test_a_throttled_lane_is_quiet_for_as_long_as_its_target_asks(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("many/sales_order", "refuse", status=429, retry_after=1.0)
        await stage.tell(order("1"))
        asked_at = time.monotonic()
        await stage.deliver("erp")
        assert due_in(stage, "order:shop:1/sale") > 0.1
        await stage.tell(order("2"))
        while not target.effects("sales_order"):
            await stage.deliver("erp")
            await asyncio.sleep(0.02)
        assert target.calls_to("sales_order")[1] - asked_at >= 1.0


async def test_what_waits_for_its_turn_is_not_called_while_its_target_asks_for_quiet(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        placed = [order(str(n)) for n in range(1, 21)]
        await stage.tell(*placed)
        await stage.run()
        await stage.tell(*(shipment(f"s{each.id}", each) for each in placed))
        lane = next(each for each in stage.hub.lanes if each.line.connection == "erp")
        lane.line.budget = Budget(stage.database, "erp", 40.0, 1.0)
        await lane.line.budget.declare()
        target.fault("one/goods_issue", "refuse", status=429, retry_after=1.0)
        await lane.round()
        called = target.calls_to("goods_issue")
        assert len([at for at in called if at - called[0] < 0.9]) <= 2
        assert len(called) > 10


async def test_two_processes_never_call_more_often_than_the_budget_they_share(database_url: str) -> None:
    rate, burst, calls = 40.0, 4.0, list[float]()
    async with Database(database_url) as one, Database(database_url) as other:
        hands = [Budget(database, "erp", rate, burst) for database in (one, other)]
        for hand in hands:
            await hand.declare()

        async def spend(hand: Budget) -> None:
            for _ in range(25):
                await hand.spend(1)
                calls.append(time.monotonic())

        began = time.monotonic()
        await asyncio.gather(*(spend(hand) for hand in hands for _ in range(2)))
    for n, at in enumerate(sorted(calls), start=1):
        assert n <= burst + rate * (at - began + 0.05) + 1


async def test_a_round_takes_no_more_calls_than_its_budget_lets_out_in_a_moment_so_that_urgent_work_comes_next(
    database_url: str,
) -> None:
    """What was claimed is called before anything that comes meanwhile, a refund too."""
    async with Target().serve() as target, staged(database_url, target) as stage:
        placed = [order(str(n)) for n in range(1, 61)]
        await stage.tell(*placed)
        await stage.run()
        await stage.tell(shipment("s", placed[0]))
        await stage.deliver("erp")  # of several sales a call, one issue a call: known from the first round of them on
        lane = next(each for each in stage.hub.lanes if each.line.connection == "erp")
        lane.line.budget = Budget(stage.database, "erp", 5.0, 1000.0)
        await lane.line.budget.declare()
        await stage.tell(*(shipment(f"s{n}", each) for n, each in enumerate(placed[1:])))
        assert 5 <= await stage.deliver("erp") <= 20
        assert 5 <= await stage.deliver("erp") <= 20


async def test_a_budget_that_was_lowered_is_not_found_overspent(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        for rate in (1000.0, 1.0):
            hand = Budget(stage.database, "erp", rate, 2.0)
            await hand.declare()
            await hand.declare()
            for _ in range(30 if rate > 1 else 1):
                await hand.spend(1)
            await stage.checked()


async def test_an_outage_is_one_case_burns_no_attempts_and_ends_by_itself(database_url: str) -> None:
    target = Target()
    async with target.serve() as up:
        port = int(up.url.rpartition(":")[2])
    async with staged(database_url, f"http://127.0.0.1:{port}", mail=False) as stage:
        await stage.tell(*(order(str(n)) for n in range(1, 31)))
        assert await stage.deliver("erp") > 0
        for _ in range(5):
            await stage.settle()
            await stage.deliver("erp")
        assert [cause for cause in stage.cases() if "erp" in cause] == ["brake:erp"]
        assert stage.count("select max(attempts) from due") == 0
        stage.hurry()
        assert await stage.deliver("erp") == 1  # a probe
        await stage.tell(order("99"))
        async with target.serve(port):
            stage.hurry()
            await stage.settle()
            assert await stage.deliver("erp") == 1
            assert "brake:erp" not in stage.cases()
            stage.hurry()
            await stage.settle()
            assert 1 < await stage.deliver("erp") <= 4  # slowly at first
            await stage.run()
            assert len(target.effects("sales_order")) == 31
            await stage.checked()


async def test_an_outage_is_over_when_the_system_answers_though_nothing_is_to_be_done_there(database_url: str) -> None:
    target = Target()
    async with target.serve() as up:
        port = int(up.url.rpartition(":")[2])
    async with staged(database_url, f"http://127.0.0.1:{port}", mail=False) as stage:
        await stage.tell(order("1"))
        await stage.deliver("erp")
        stage.sql("delete from due")
        for _ in range(2):
            stage.hurry()
            await stage.deliver("erp")
            assert "brake:erp" in stage.cases()
        async with target.serve(port):
            stage.hurry()
            await stage.deliver("erp")
            assert "brake:erp" not in stage.cases()
            stage.hurry()
            await stage.deliver("erp")
            assert len(target.calls) == 1  # nobody asks once it is known


@pytest.mark.parametrize("held", ["due in five minutes", "held back since the database was set back"])
async def test_an_outage_is_over_when_the_system_answers_though_nothing_may_be_done_there_for_long(
    database_url: str, held: str
) -> None:
    target = Target()
    async with target.serve() as up:
        port = int(up.url.rpartition(":")[2])
    async with staged(database_url, f"http://127.0.0.1:{port}", mail=False) as stage:
        await stage.tell(order("1"))
        await stage.deliver("erp")
        assert "brake:erp" in stage.cases()
        if held == "due in five minutes":
            stage.sql("update due set due_at = now() + interval '5 minutes'")
        else:
            stage.sql("update due set stage = 0, ordinal = 0, due_at = now()")
            stage.sql("insert into recovery values (1, now(), now(), 'the hub')")
        async with target.serve(port):
            for _ in range(2):
                stage.sql("update brake set probe_at = now()")
                await stage.deliver("erp")
        assert "brake:erp" not in stage.cases()
        assert target.effects("sales_order") == []


async def test_refused_credentials_stop_the_lane_until_a_person_lets_it_go_on(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        target.fault("many/sales_order", "refuse", status=401)
        await stage.tell(order("1"), order("2"))
        await stage.deliver("erp")
        assert stage.cases() == ["brake:erp"]
        for _ in range(3):
            stage.hurry()
            await stage.settle()
            assert await stage.deliver("erp") == 0
        async with stage.person() as person:
            assert await person.release("erp")
        assert stage.cases() == []
        await stage.run()
        assert len(target.effects("sales_order")) == 2


async def test_a_source_set_back_stops_its_lane_until_its_state_is_accepted(database_url: str) -> None:
    old = order("1", email="old@example.com")
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1"), 9))
        await stage.run()
        stage.sql("update document set raised_at = raised_at - interval '1 hour'")
        target.things["1"] = told(old, 2)
        hint = Told(kind="order", id="1", entity="order:shop:1", token=0)
        await stage.tell(message("shop", hint, "changed"))
        await stage.deliver("shop")
        await stage.settle()
        assert stage.cases() == ["brake:shop"]
        async with stage.person() as person:
            assert await person.open_epoch("shop") == 2
        target.things["1"] = told(old, 3)
        await stage.tell(told(old, 3))
        await stage.run()
        assert stage.rows("select epoch, token from document where kind = 'order'") == [(2, 3)]
        assert stage.cases() == []


async def test_a_read_that_a_newer_message_overtook_is_no_source_set_back(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(told(order("1"), 1))
        target.things["1"] = told(order("1"), 1)
        await stage.tell(message("shop", Told(kind="order", id="1", entity="order:shop:1", token=0), "changed"))
        await stage.deliver("shop")
        await stage.tell(told(order("1", email="new@example.com"), 7))
        await stage.run()
        assert stage.cases() == []
        await stage.replay()
        await stage.run()
        assert stage.cases() == []


async def test_an_unknown_product_is_one_case_and_its_mapping_releases_all_it_blocked(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n), skus=["NONE-1" if n % 2 else "MUG"]) for n in range(1, 11)))
        await stage.run()
        assert len(target.effects("sales_order")) == 5
        assert stage.cases() == ["map/erp/product/NONE-1"]
        assert stage.count("select count(*) from case_item") == 5
        async with stage.person() as person:
            assert await person.map("erp", "product", "NONE-1", "X-1") == 5
        assert stage.cases() == []
        # The same product is unknown at the warehouse too, which asks by itself.
        await stage.run()
        assert len(target.effects("sales_order")) == 10
        assert target.ledger.select("sales_order")[-1].details["refs"]["product/NONE-1"] == "X-1"
        await stage.checked()


async def test_a_doubtful_mail_is_settled_by_a_persons_word(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        target.fault("parcel_notice", "commit_then_drop")
        target.fault("parcel_notice", "refuse", status=502)
        await stage.tell(placed, shipment("s1", placed), shipment("s2", placed))
        await stage.run()
        [case] = [row[0] for row in stage.rows("select id from cases where closed_at is null")]
        doubtful = stage.rows("select promise from due where stage = 3 order by promise")
        assert len(doubtful) == 2
        happened = target.slots("parcel_notice")[0]
        async with stage.person() as person:
            for (promise,) in doubtful:
                [(slot,)] = stage.rows("select entity || '/' || name from promise where id = %s", promise)
                if slot == happened:
                    await person.happened(case, "M1", promise)
                else:
                    await person.did_not_happen(case, promise)
        await stage.run()
        assert sorted(target.slots("parcel_notice")) == [
            "order:shop:1/parcel_notice:s1",
            "order:shop:1/parcel_notice:s2",
        ]
        assert stage.cases() == []
        await stage.checked()
        with pytest.raises(NotDecidable):
            async with stage.person() as person:
                await person.did_not_happen(case, None)


async def test_a_doubt_that_a_late_answer_resolves_is_nobodys_work_any_more(database_url: str) -> None:
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        await stage.tell(shipment("s1", placed))
        [lane] = [lane for lane in stage.hub.lanes if lane.line.connection == "mail"]
        recording = lane._record

        async def late(*answers: object) -> None:
            """Another process takes over meanwhile and finds it in doubt."""
            lane._record = recording  # pyright: ignore
            stage.hurry()
            await lane.round()
            assert stage.cases() == ["doubt:mail:parcel_notice"]
            await recording(*answers)  # pyright: ignore

        lane._record = late  # pyright: ignore
        await lane.round()
        assert len(target.effects("parcel_notice")) == 1
        async with stage.database.transaction() as tx:
            await cases.close_empty(tx, "the hub")
        assert stage.cases() == []


async def test_a_found_job_that_is_still_to_be_done_is_asked_about_and_not_sent_again(database_url: str) -> None:
    """A search may find an act that its target has only accepted."""
    placed = order()
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(placed)
        await stage.run()
        target.fault("goods_issue", "commit_then_drop")
        await stage.tell(shipment("s1", placed))
        await stage.deliver("erp")
        for key, done in list(target._by_key.items()):
            if "goods_issue" in key:
                target._by_key[key] = msgspec.structs.replace(done, job="job-1")
        stage.hurry()
        await stage.deliver("erp")
        assert stage.stages()["order:shop:1/goods_issue:s1"] == ACCEPTED
        assert len(target.effects("goods_issue")) == 1


async def test_a_bulk_call_takes_no_more_than_the_target_does(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target, mail=False) as stage:
        await stage.tell(*(order(str(n)) for n in range(1, BULK + 6)))
        await stage.run()
        assert len(target.calls_to("many/sales_order")) == 2


async def test_units_taken_off_by_a_second_edit_are_cancelled_in_the_erp_with_no_further_news(
    database_url: str,
) -> None:
    money = {"connector": "tests.standin.money"}
    async with Target().serve() as target, staged(database_url, target, each=money) as stage:
        placed = order("1", skus=("MUG", "CUP"))
        mug, cup = placed.lines
        for token, lines in enumerate(([mug, cup], [fewer(mug), cup], [fewer(mug), fewer(cup)]), start=1):
            edited = msgspec.structs.replace(placed, lines=tuple(lines))
            await stage.tell(told(edited, token))
            await stage.run()
        for noun in ("shipment_lines", "open_units"):
            assert [line["units"] for line in target.held[f"order:shop:1/{noun}"]["lines"]] == [2, 2]


def fewer(line: OrderLine) -> OrderLine:
    return msgspec.structs.replace(line, ordered=line.ordered - 1)
