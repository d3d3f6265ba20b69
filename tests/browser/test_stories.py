"""The two stories worked by hand through the pages: the stuck order found, mapped and seen to go; the refund approved."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from playwright.async_api import expect

from crossdock.console.bulk import work_on_jobs
from tests.browser.desks import counter, serious_findings, shoot
from tests.integration.crowd import crowd
from tests.integration.test_books import PLACED, paid, returned
from tests.stage import SAGE, order, shipment


async def test_the_stuck_order_is_found_its_product_mapped_and_it_goes(database_url: str, tmp_path: Path) -> None:
    async with counter(database_url, tmp_path) as desk:
        await desk.stage.tell(order("7", skus=("NONE-HAT",)), order("8", skus=("NONE-HAT",)), order("9"))
        await desk.stage.run()
        await desk.count()
        page = await desk.enter("otto")
        await shoot(page, "home-stuck")
        tile = page.locator("#tile-invoicing")
        await expect(tile).to_contain_text("2 orders")
        await expect(tile).to_contain_text("60.00 USD")
        await tile.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Orders stuck before invoicing")
        await shoot(page, "work-stuck")
        await page.get_by_role("link", name="#7").click()
        await shoot(page, "order-stuck")
        await page.get_by_role("link", name="erp does not know product NONE-HAT").click()
        await expect(page.get_by_text("Releases 2 promises of 2 orders worth 60.00 USD")).to_be_visible()
        await expect(page.locator(".tree mark").first).to_have_text("NONE-HAT")
        await shoot(page, "case-mapping")
        await page.get_by_label("erp calls product “NONE-HAT”").fill("HAT-1")
        await page.get_by_role("button", name="Map and release").click()
        await expect(page.get_by_role("status")).to_have_text("2 promises released. They are on their way.")
        await desk.stage.run()
        await page.get_by_role("searchbox", name="Find an order").fill("#7")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Order #7")
        await expect(page.locator("#live")).to_contain_text("confirmed as No-S")
        await shoot(page, "order-gone")
        assert desk.stage.target
        assert sorted(desk.stage.target.slots("sales_order")) == [
            "order:shop:7/sale",
            "order:shop:8/sale",
            "order:shop:9/sale",
        ]
        assert desk.stage.rows("select distinct by from decision") == [("otto",)]


async def test_a_refund_is_approved_by_finance_and_paid_once(database_url: str, tmp_path: Path) -> None:
    async with counter(database_url, tmp_path) as desk:
        await desk.stage.tell(PLACED, *paid(3000))
        await desk.stage.run()
        await desk.stage.tell(shipment("s1", PLACED, units=2))
        await desk.stage.run()
        await desk.stage.tell(returned(2))
        await desk.stage.run()
        await desk.count()
        page = await desk.enter("mara")
        await shoot(page, "home-refund")
        await page.locator("#tile-approvals").click()
        await shoot(page, "approvals")
        await page.get_by_role("link", name="#1").click()
        await shoot(page, "order-refund")
        await page.get_by_role("button", name="Approve 20.00 USD").click()
        await expect(page.get_by_role("status")).to_contain_text("Approved")
        await desk.stage.run()
        await expect(page.locator("#live")).to_contain_text("asked for; approval over 10.00 by finance ✓ mara")
        await shoot(page, "order-refunded")
        assert desk.stage.target
        assert len(desk.stage.target.effects("payment_refund")) == 1
        await page.locator(".act", has_text="Refund").first.click()
        await shoot(page, "act-why")
        await page.get_by_role("link", name="Books").click()
        await shoot(page, "books")
        await page.get_by_role("link", name="Connections").click()
        await shoot(page, "connections")
        await page.get_by_role("link", name="Cases").click()
        await shoot(page, "cases-empty")


async def test_all_that_fits_a_filter_is_tried_again_once_it_was_seen_and_the_page_follows(
    database_url: str, tmp_path: Path
) -> None:
    async with counter(database_url, tmp_path) as desk:
        await desk.stage.tell(
            *(order(str(nth), skus=("BAD",)) for nth in range(20, 45)), order("9", skus=("NONE-HAT",))
        )
        await desk.stage.run()
        page = await desk.enter("otto")
        await page.goto(f"{desk.address}/console/cases?kind=rejected")
        await shoot(page, "cases-filtered")
        await page.get_by_role("button", name="Try again…").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Try again: 25 items")
        assert await serious_findings(page) == []
        await shoot(page, "bulk-frozen")
        assert desk.stage.count("select count(*) from due where stage = 5") == 25
        await page.get_by_role("button", name="Try again: all 25").click()
        await expect(page.locator("#live")).to_contain_text("0 of 25")
        await desk.finish_jobs()
        await expect(page.locator("#live")).to_contain_text("25 tried again", timeout=10_000)
        await shoot(page, "bulk-done")
        assert desk.stage.count("select count(*) from due where stage = 5") == 0
        await desk.stage.run()  # refused again, so it is a case again
        assert desk.stage.cases() == ["map/erp/product/NONE-HAT", "rejected:erp:sales_order:lines"]


async def test_ten_thousand_are_chosen_by_what_fits_seen_frozen_and_done_while_the_page_follows(
    database_url: str, tmp_path: Path
) -> None:
    count = 10_000
    async with counter(database_url, tmp_path) as desk:
        crowd(database_url, count)
        desk.stage.sql("""insert into case_item select (select max(id) from cases), entity, id, now(), 'refused', null
                          from promise on conflict do nothing""")
        desk.stage.sql("""insert into due select id, entity, target, 1, 'infinity', 5, 2, 0, 0, 2, now(), 'sale'
                          from promise on conflict do nothing""")
        page = await desk.enter("otto")
        await page.goto(f"{desk.address}/console/cases")
        await page.get_by_role("link", name="Refused by its target").first.click()
        await page.get_by_role("button", name="Try again…").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Try again: 10,000 items")
        desk.stage.sql("delete from case_item where promise = 7")  # put right by somebody meanwhile
        desk.stage.sql("insert into case_item select max(id), 'order:shop:late', 0, now(), 'late' from cases")
        await page.get_by_role("button", name="Try again: all 10,000").click()
        await expect(page.locator("#live")).to_contain_text("0 of 10,000")
        await work_on_jobs(desk.desk.database)
        await expect(page.locator("#live")).to_contain_text("200 of 10,000", timeout=10_000)
        await shoot(page, "bulk-10000")
        await desk.finish_jobs()
        await expect(page.locator("#live")).to_contain_text("9,999 tried again, 1 gone already", timeout=10_000)
        assert await serious_findings(page) == []
        assert desk.stage.rows("select entity from case_item") == [("order:shop:late",)]


async def test_an_address_is_put_right_seen_as_a_difference_first_and_the_order_goes(
    database_url: str, tmp_path: Path
) -> None:
    async with counter(database_url, tmp_path) as desk:
        assert desk.stage.target
        desk.stage.target.fault("shipment_order", "refuse", times=1, status=422)
        await desk.stage.tell(order("1", ship_to=replace(SAGE, postal_code="6270")))
        await desk.stage.run()
        page = await desk.enter("otto")
        await page.goto(f"{desk.address}/console/cases")
        await page.get_by_role("link", name="warehouse refuses shipment order").click()
        await page.get_by_role("link", name="Correct what shop said…").click()
        await page.get_by_label("Goes to: postal code").fill("62701")
        await page.get_by_label("Why").fill("the buyer said so by telephone")
        await page.get_by_role("button", name="Show the difference").click()
        await expect(page.get_by_role("row")).to_have_count(2)
        await expect(page.get_by_role("row").nth(1)).to_contain_text("Goes to: postal code")
        assert await serious_findings(page) == []
        await shoot(page, "correct-difference")
        assert desk.stage.rows("select what from decision") == []
        await page.get_by_role("button", name="Correct it").click()
        await expect(page.get_by_role("status")).to_contain_text("on record with your reason")
        await desk.stage.run()
        await expect(page.locator("#live")).to_contain_text("closed", timeout=10_000)
        assert desk.stage.target
        [asked] = desk.stage.target.ledger.select("shipment_order")
        assert asked.details["body"]["ship_to"]["postal_code"] == "62701"


async def test_an_executive_sees_what_was_done_and_finance_says_what_that_is_worth(
    database_url: str, tmp_path: Path
) -> None:
    async with counter(database_url, tmp_path) as desk:
        await desk.stage.tell(*(order(str(nth)) for nth in range(6)))
        await desk.stage.run()
        await desk.count()
        page = await desk.enter("mara", roles=("viewer",))  # finance by the settings
        await page.get_by_role("link", name="Value").click()
        await expect(page.get_by_role("row", name="Orders entered in the ERP")).to_contain_text("6")
        await expect(page.locator(".tile.unknown")).to_have_count(2)
        await expect(page.locator(".tile.clear")).to_have_count(0)
        await page.get_by_label("Minutes by hand: Orders entered in the ERP").fill("10")
        await page.get_by_label("An hour costs").fill("45")
        await page.get_by_label("Currency of the cost of an hour").fill("EUR")
        await page.get_by_role("button", name="Assume this").click()
        await expect(page.locator(".tile").nth(1)).to_contain_text("45.00 EUR")  # six, ten minutes each: an hour
        await shoot(page, "value")
        assert await serious_findings(page) == []


async def test_what_only_tells_is_skipped_with_a_reason(database_url: str, tmp_path: Path) -> None:
    async with counter(database_url, tmp_path) as desk:
        assert desk.stage.target
        desk.stage.target.fault("fulfilment", "refuse", times=None, status=422)
        await desk.stage.tell(order("1"))
        await desk.stage.run()
        await desk.stage.tell(shipment("s1", order("1"), units=3))
        await desk.stage.run()
        page = await desk.enter("otto")
        await page.goto(f"{desk.address}/console/cases")
        await page.get_by_role("link", name="shop refuses fulfilment").click()
        await page.get_by_label("Why").fill("the shop has closed")
        await shoot(page, "case-skip")
        assert await serious_findings(page) == []
        await page.get_by_role("button", name="Skip it").click()
        await expect(page.get_by_role("status")).to_contain_text("on record with your reason")
        await desk.stage.run()
        await expect(page.locator("#live")).to_contain_text("closed", timeout=10_000)
        assert desk.stage.stages() == {}
