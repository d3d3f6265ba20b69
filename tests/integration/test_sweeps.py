"""Sweeps: what a source never told is found, a list that was cut short never counts as whole, and gone takes two witnesses."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from crossdock.kernel.faults import Throttled
from crossdock.store import sweeps
from crossdock.store.budgets import Spare
from crossdock.sweep.sweeper import Sweeper
from tests.integration.sweeping import Swept, a_customer, a_refund, an_order, many, swept
from tests.stage import message
from tests.standin.lists import PAGE

COMPLETE = ("complete", None)


async def test_what_nobody_told_is_found_by_one_sweep_and_by_the_next_one_nothing(database_url: str):
    async with swept(database_url) as at:
        told = at.source.put(an_order("1"))
        at.source.put(an_order("2"))
        at.source.put(a_refund("r1"))
        await at.hear(told)
        found = await at.sweep()
        assert [(each.kind, each.listed, each.differing, each.verdict) for each in found if each.listed] == [
            ("order", 2, 1, "complete"),
            ("refund", 1, 1, "complete"),
        ]
        assert at.held("order", "2")
        assert at.held("refund", "r1")
        assert await at.causes() == [("order", "2", "unheard"), ("refund", "r1", "unheard")]
        assert {each.differing for each in await at.sweep()} == {0}
        await at.checked()


async def test_an_edit_that_left_no_trace_in_the_clock_is_found_by_a_whole_sweep(database_url: str):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1", units=3)))
        await at.sweep()
        at.source.put(an_order("1", units=2), silently=True)
        changes = await at.swept("order", full=False)
        assert changes.differing == 0
        assert (await at.swept("order")).differing == 1
        assert at.held("order", "1")["lines"][0]["ordered"] == 2
        [found] = await at.drift()
        assert (found.cause, found.minor, found.detail) == ("changed", 1000, "lines, total")


async def test_something_edited_and_put_back_with_only_the_first_heard_of_is_found(database_url: str):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1", units=3)))
        await at.sweep()
        await at.hear(at.source.put(an_order("1", 2, units=2)))
        at.source.put(an_order("1", 3, units=3))
        assert (await at.swept("order")).differing == 1
        assert at.held("order", "1")["lines"][0]["ordered"] == 3


async def test_changes_are_listed_from_where_the_last_pass_ended(database_url: str):
    async with swept(database_url) as at:
        many(at, 3)
        await at.sweep()
        many(at, 2, first=10)
        found = await at.swept("order", full=False)
        assert (found.listed, found.differing, found.verdict) == (2, 2, "complete")


async def test_what_was_heard_of_since_the_page_was_asked_for_is_no_difference(database_url: str):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1", units=3)))
        await at.sweep()
        at.source.put(an_order("1", 2, units=2))
        async with at.database.transaction() as tx:
            claimed = await sweeps.claim(tx, "shop", [("order", True)], [], 60)
        assert claimed is None  # not its turn yet
        await at.hear(at.source.things["order", "1"])
        assert (await at.swept("order")).differing == 0


async def test_an_older_version_in_a_list_of_changes_is_history(database_url: str):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1", 1, units=3)))
        await at.sweep()
        await at.hear(an_order("1", 2, units=2))
        at.source.put(an_order("1", 1, units=3))
        found = await at.swept("order", full=False)
        assert (found.listed, found.differing) == (1, 0)


async def test_converged_is_as_of_the_least_recently_verified_list(database_url: str):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1")))
        await at.sweeper().plan()
        assert (await at.checked()).as_of is None
        first = await at.sweep()
        await at.sweep("order", full=False)
        checked = await at.checked()
        assert checked.as_of == min(each.began_at for each in first if each.kind != "order")


# ---- lists that are not whole


async def _is_incomplete(at: Swept, kind: str, flaw: str) -> None:
    found = await at.swept(kind)
    assert found.verdict == "incomplete"
    assert flaw in (found.flaw or "")
    assert f"sweep:shop:{kind}:whole" in at.cases()
    again = await at.swept(kind)
    assert again.verdict == "incomplete"
    assert len(at.cases()) == 1, "one case, however often"
    assert at.count("select count(*) from document where gone") == 0


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_list_cut_at_a_full_page_is_not_whole_and_what_it_hid_is_found_all_the_same(
    database_url: str, pages: int
):
    async with swept(database_url) as at:
        for n in range(PAGE * pages + 7):
            at.source.put(a_refund(f"r{n}"))
        at.source.cut_at = PAGE * pages
        await _is_incomplete(at, "refund", f"it ended after a page of {PAGE}, and had more")
        assert at.count("select count(*) from document where kind = 'refund'") == PAGE * pages + 7


@pytest.mark.parametrize(("ago_seconds", "verdict"), [(-1, "complete"), (60, "incomplete")])
async def test_what_came_about_behind_the_end_of_a_full_page_was_not_hidden(
    database_url: str, ago_seconds: int, verdict: str
):
    async with swept(database_url) as at:
        many(at, PAGE)
        now = int((time.time() - ago_seconds) * 1e6)
        at.source.meanwhile = [an_order(str(n), token=now) for n in range(100, 103)]
        found = await at.swept("order")
        assert (found.verdict, found.listed) == (verdict, PAGE + 3)


async def test_a_list_of_exactly_one_page_is_whole(database_url: str):
    async with swept(database_url) as at:
        for n in range(PAGE):
            at.source.put(a_refund(f"r{n}"))
        found = await at.swept("refund")
        assert (found.verdict, found.flaw, found.listed) == (*COMPLETE, PAGE)


async def test_a_page_that_was_skipped_shows_in_the_count(database_url: str):
    async with swept(database_url) as at:
        many(at, PAGE * 3)
        at.source.skips = 2
        await _is_incomplete(at, "order", f"it counts {PAGE * 3} and lists {PAGE * 2}")


async def test_where_nothing_is_counted_a_skipped_page_shows_by_what_was_listed_before(database_url: str):
    async with swept(database_url, sweep={"gone_max": 60}) as at:
        for n in range(PAGE * 3):
            at.source.put(a_refund(f"r{n}"))
        assert (await at.swept("refund")).verdict == "complete"
        at.source.skips = 2
        await _is_incomplete(at, "refund", f"it leaves out {PAGE} that are there")


async def test_a_source_that_counts_wrongly_is_not_believed(database_url: str):
    async with swept(database_url) as at:
        many(at, 5)
        at.source.miscounts = 2
        await _is_incomplete(at, "order", "it counts 7 and lists 5")


async def test_pages_that_do_not_go_on_end_the_pass(database_url: str):
    async with swept(database_url) as at:
        many(at, 5)
        at.source.stuck = True
        found = await at.swept("order")
        assert found.verdict == "incomplete"
        assert found.pages <= 2


async def test_the_case_is_over_with_the_first_complete_list(database_url: str):
    async with swept(database_url) as at:
        many(at, 5)
        at.source.miscounts = 2
        await at.swept("order")
        at.source.miscounts = 0
        assert (await at.swept("order")).verdict == "complete"
        assert at.cases() == []


@pytest.mark.parametrize("status", [403, 404])
async def test_a_list_that_is_refused_says_nothing_of_what_is_there(database_url: str, status: int):
    async with swept(database_url) as at:
        await at.hear(at.source.put(an_order("1")))
        await at.swept("order")
        at.source.refuses = status
        sweeper = at.sweeper()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        while await sweeper.round():
            pass
        assert at.held("order", "1")
        assert at.count("select count(*) from sweep_pass where kind = 'order' and whole") == 1


# ---- gone


async def test_what_a_complete_list_lacks_and_a_read_does_not_find_is_gone_and_causes_no_act(database_url: str):
    async with swept(database_url, erp=True) as at:
        for id_ in ("1", "2"):
            await at.hear(at.source.put(an_order(id_)))
        await at.run()
        before = at.promises_made()
        await at.swept("order")
        at.source.remove("order", "2")
        found = await at.swept("order")
        assert (found.verdict, found.differing) == ("complete", 1)
        assert at.held("order", "2") is None
        assert [(each.cause, each.minor) for each in await at.drift()] == [("gone", 3000)]
        await at.run()
        assert at.promises_made() == before
        await at.checked()


async def test_what_is_only_hidden_from_the_list_is_not_gone(database_url: str):
    async with swept(database_url) as at:
        for n in range(3):
            await at.hear(at.source.put(a_refund(f"r{n}")))
        await at.swept("refund")
        at.source.hides = frozenset({"r1"})
        await _is_incomplete(at, "refund", "it leaves out 1 that are there, such as r1")
        assert at.held("refund", "r1")


async def test_what_came_while_the_list_was_read_is_not_missing_from_it(database_url: str):
    async with swept(database_url) as at:
        many(at, PAGE + 1)
        await at.swept("order")
        sweeper = at.sweeper()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        assert await sweeper.round() == 1  # the first page
        late = an_order("999")
        at.source.things["order", "999"], at.source.moved["order", "999"] = late, 0  # before where the cursor is
        await at.hear(late)
        while at.count("select count(*) from sweep where run is not null"):
            await sweeper.round()
        assert at.held("order", "999")
        assert at.rows("select verdict from sweep_pass order by run desc limit 1") == [("complete",)]


async def test_more_missing_than_the_limit_brakes_with_one_case_and_nothing_is_gone(database_url: str):
    async with swept(database_url, sweep={"gone_max": 3}) as at:
        many(at, 10)
        await at.swept("order")
        for n in range(1, 6):
            at.source.remove("order", str(n))
        found = await at.swept("order")
        assert found.verdict == "braked"
        assert at.cases() == ["brake:shop"]
        assert at.count("select count(*) from document where gone") == 0
        async with at.person() as person:
            await person.release("shop")
        from crossdock.cli.sweeping import Limits

        assert (await at.swept("order", limits=Limits(gone_max=5))).verdict == "complete"
        assert at.count("select count(*) from document where gone") == 5
        assert at.cases() == []


async def test_a_source_that_hides_what_is_old_can_be_taken_at_its_word_only_for_what_it_shows(database_url: str):
    async with swept(database_url, sweep={"believe_absence": False}) as at:
        many(at, 2)
        await at.swept("order")
        at.source.remove("order", "1")
        assert (await at.swept("order")).verdict == "complete"
        assert at.held("order", "1")


async def test_what_was_gone_and_is_listed_again_is_back(database_url: str):
    async with swept(database_url) as at:
        told = at.source.put(a_refund("r1"))
        await at.swept("refund")
        at.source.remove("refund", "r1")
        await at.swept("refund")
        assert at.held("refund", "r1") is None
        at.source.put(told)
        await at.swept("refund")
        assert at.held("refund", "r1")
        assert [cause for _, _, cause in await at.causes()] == ["unheard", "gone", "restored"]


async def test_replaying_the_inbox_makes_what_is_gone_gone_again(database_url: str):
    async with swept(database_url) as at:
        many(at, 2)
        await at.swept("order")
        at.source.remove("order", "1")
        await at.swept("order")
        before = at.rows("select kind, id, gone, token, observed, digest from document order by 1, 2")
        await at.replay()
        await at.settle()
        assert at.rows("select kind, id, gone, token, observed, digest from document order by 1, 2") == before


# ---- repair


async def _accounts(at: Swept, count: int) -> None:
    for n in range(count):
        await at.hear(a_customer(f"c{n}"))
    await at.run()
    await at.sweep("party_account", connection="erp")
    assert await at.drift() == [], "what we wrote ourselves is no drift"


def _edit(at: Swept, n: int, name: str) -> None:
    told = at.source.things["party_account", f"customer:shop:c{n}"]
    at.source.put(
        type(told)(
            kind=told.kind, id=told.id, entity=told.entity, token=told.token + 1, body={**told.body, "name": name}
        )
    )


async def test_an_account_edited_by_a_clerk_is_put_right_once_with_a_receipt(database_url: str):
    async with swept(database_url, erp=True) as at:
        await _accounts(at, 3)
        written = len(at.source.ledger.entries)
        _edit(at, 1, "Somebody Else")
        found = await at.swept("party_account", connection="erp")
        assert found.differing == 1
        await at.run()
        assert at.source.body("party_account", "customer:shop:c1")["name"] == "Ada Example"
        assert [entry.key for entry in at.source.ledger.entries[written:]] == ["customer:shop:c1"]
        [drift] = await at.drift()
        assert (drift.cause, drift.detail, [f.repair for f in drift.followed]) == ("edited", "name", [True])
        assert drift.followed[0].at is not None
        await at.sweep("party_account", connection="erp")
        assert len(await at.drift()) == 1, "the repair itself is no drift"


@pytest.mark.parametrize(("choice", "name"), [("adopt", "Somebody Else"), ("case", "Somebody Else")])
async def test_the_drift_policy_decides_what_becomes_of_an_edit(database_url: str, choice: str, name: str):
    async with swept(database_url, erp=True, policy={"drift": {"party_account": choice}}) as at:
        await _accounts(at, 1)
        _edit(at, 0, "Somebody Else")
        await at.sweep("party_account", connection="erp")
        await at.run()
        assert at.source.body("party_account", "customer:shop:c0")["name"] == name
        assert at.cases() == (["drift:erp:party_account"] if choice == "case" else [])


async def test_more_edits_than_a_pass_may_repair_brake_the_connection_with_one_case(database_url: str):
    async with swept(database_url, erp=True, sweep={"repairs_max": 2}) as at:
        await _accounts(at, 6)
        written = len(at.source.ledger.entries)
        for n in range(6):
            _edit(at, n, "Somebody Else")
        found = await at.swept("party_account", connection="erp")
        assert found.verdict == "braked"
        assert at.cases() == ["brake:erp"]
        await at.deliver("erp")
        assert len(at.source.ledger.entries) == written, "nothing is repaired while it is braked"
        async with at.person() as person:
            await person.release("erp")
        await at.run()
        assert len(at.source.ledger.entries) == written + 2
        from crossdock.cli.sweeping import Limits

        await at.sweep("party_account", connection="erp", limits=Limits(repairs_max=10))
        await at.run()
        names = {at.source.body("party_account", f"customer:shop:c{n}")["name"] for n in range(6)}
        assert names == {"Ada Example"}


# ---- cost and priority


async def test_comparing_costs_the_differences_and_not_the_data(database_url: str):
    async with swept(database_url) as at:
        many(at, 3_000)
        await at.tell(*(message("shop", each) for each in at.source.things.values()))
        await at.swept("order")
        await at.swept("order")
        at.source.put(an_order("77", units=1), silently=True)
        found = await at.swept("order")
        assert (found.differing, found.listed) == (1, 3_000)
        [(touched,)] = at.rows("select touched from sweep_pass order by run desc limit 1")
        assert touched <= 1 + 4 * 16 + 20
        at.sql("select 1")
        same = await at.swept("order")
        assert (same.differing, same.touched) == (0, 1), "equal sides are told by their roots"


async def test_a_sweep_stands_back_while_anything_else_waits(database_url: str):
    async with swept(database_url) as at:
        many(at, 2)
        sweeper = at.sweeper()
        await sweeper.plan()
        at.sql("update sweep set next_at = now()")
        await at.receive(an_order("5"))
        at.sql("update inbox_pending set received_at = now() - interval '1 minute'")
        assert await sweeper.round() == 0
        assert sweeper.shed == 1
        assert at.source.calls == []


async def test_a_page_that_was_not_asked_for_in_time_is_asked_for_again(database_url: str):
    async with swept(database_url) as at:
        at.source.put(an_order("1"))
        sweeper = at.sweeper()
        in_time = sweeper.source
        sweeper.source = replace(in_time, open_link=lambda _: in_time.open_link(0.0))
        await sweeper.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        assert await sweeper.round() == 1
        assert at.source.calls == []
        sweeper.source = in_time
        assert await sweeper.round() == 0
        at.sql("update sweep set until = now()")
        assert (await at.swept("order")).listed == 1


async def test_a_call_that_must_wait_for_longer_than_anybody_waits_is_put_off_for_that_long(database_url: str):
    async with swept(database_url) as at:
        line = at.hub.lines["shop"]
        line.hush(60.0)
        with pytest.raises(Throttled) as refused:
            await Spare(line.budget).spend(1)
        assert refused.value.retry_after_seconds == pytest.approx(60.0, abs=5.0)


async def test_a_sweep_spends_only_what_others_leave_of_the_budget(database_url: str):
    async with swept(database_url, each={"calls_per_second": 10.0, "burst": 10.0}) as at:
        budget = at.hub.lines["shop"].budget
        spare = Spare(budget)
        for _ in range(5):
            await asyncio.wait_for(spare.spend(1), 0.5)
        at.sql("update budget set points = 4, updated_at = clock_timestamp() where connection = 'shop'")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(spare.spend(2), 0.1)
        await asyncio.wait_for(budget.spend(3), 0.5)
        await asyncio.wait_for(spare.spend(1), 2)


async def test_a_pass_goes_on_after_its_process_ended(database_url: str):
    async with swept(database_url) as at:
        many(at, PAGE * 3)
        first = at.sweeper()
        await first.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        assert await first.round() == 1
        async with at.database.transaction() as tx:  # claimed by a process that ended before it turned the page
            assert await sweeps.claim(tx, "shop", [("order", True)], [], 60)
        assert await first.round() == 0
        at.sql("update sweep set until = now()")
        found = await at.swept("order")
        assert (found.listed, found.pages, found.verdict) == (PAGE * 3, 3, "complete")


async def test_a_page_that_takes_long_stays_with_whoever_works_on_it(database_url: str):
    async with swept(database_url) as at:
        many(at, 3)
        first = at.sweeper()
        other = Sweeper(first.database, first.source, lease_seconds=0.3)
        first.lease_seconds, at.source.slow_seconds = 0.3, 1.5
        await first.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        working = asyncio.create_task(first.round())
        for _ in range(10):
            await asyncio.sleep(0.1)
            assert await other.round() == 0
        assert await working == 1
        assert at.source.calls.count("/list/order") == 1
        assert at.count("select pages from sweep where kind = 'order' and whole") == 1


async def test_a_claim_that_ran_out_writes_nothing(database_url: str):
    async with swept(database_url) as at:
        many(at, 3)
        sweeper = at.sweeper()
        await sweeper.plan()
        at.sql("update sweep set next_at = now() where kind = 'order' and whole")
        async with at.database.transaction() as tx:
            stale = await sweeps.claim(tx, "shop", [("order", True)], [], 60)
        assert stale is not None
        at.sql("update sweep set until = now()")
        assert await sweeper.round() == 1
        stored = at.count("select count(*) from inbox")
        await sweeper._go_on(stale)
        assert at.count("select count(*) from inbox") == stored
