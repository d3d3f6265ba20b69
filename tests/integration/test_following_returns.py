"""A return is followed from its request to its money, whichever system opened it, by whoever may read the order."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.canonical.returns import Return, ReturnLine
from tests.desk import Desk, desk
from tests.integration.test_exchanges import counter
from tests.stage import PLACED_AT, order
from tests.standin import Told

ELSEWHERE = ReturnLine(
    id="1", line="1-0", sku="MUG", units=1, received=1, disposition="sellable", reason="for Ada’s aunt"
)


def theirs(id_: str, **line: Any) -> Told:
    lines = (msgspec.structs.replace(ELSEWHERE, **line),)
    told = Return(id=id_, returned_at=PLACED_AT, lines=lines, number="RMA 12")
    return Told(kind="return", id=id_, entity="order:shop:1", token=1, body=msgspec.to_builtins(told))


async def followed(at: Desk, path: str) -> Any:
    status, said = await at.ask("GET", f"/v1/orders/1/returns{path}", who="reader")
    assert status == 200, said
    return said


async def test_a_return_is_followed_from_its_request_to_its_money(database_url: str) -> None:
    async with counter(database_url) as of:
        asked = {"id": "R-1", "lines": [{"sku": "MUG", "units": 2}], "channel": "post", "number": "RMA 7"}
        await of.desk.done("1/returns", asked)
        at_once = await followed(of.desk, "/R-1")  # before the hub has read it
        assert (at_once["status"], at_once["fact"], at_once["told_by"]) == ("authorised", "return:api:R-1", "api")
        await of.at_rest()
        told = await followed(of.desk, "/R-1")
        assert (told["number"], told["channel"], told["lines"][0]["received"]) == ("RMA 7", "post", 0)
        assert [each["what"] for each in told["expected"]] == ["2 of return RMA 7 to be handed in"]
        assert told["milestones"] == []
        back = {"lines": [{"sku": "MUG", "units": 2, "disposition": "sellable", "location": "EAST"}]}
        await of.asks("returns/R-1/receipts", back)
        told = await followed(of.desk, "/R-1")
        assert told["status"] == "closed"
        assert told["lines"] == [
            {
                "line": "1-0",
                "sku": "MUG",
                "units": 2,
                "received": 2,
                "disposition": "sellable",
                "location": "EAST",
                "keeps_goods": False,
            }
        ]
        assert {name: each["minor"] for name, each in told["money"].items()} == {
            "entitled": 2000,
            "exchanged": 0,
            "paid": 2000,
            "in_flight": 0,
            "open": 0,
        }
        kept = {each["name"].partition(":")[0] for each in told["milestones"] if each["confirmed_at"]}
        assert {"refund", "goods_return"} <= kept
        assert told["expected"] == []
        assert (await followed(of.desk, "")) == {"order": "order:shop:1", "returns": [told]}


async def test_new_goods_are_followed_with_what_they_are_had_for(database_url: str) -> None:
    async with counter(database_url) as of:
        wants = {"id": "R-1", "lines": [{"sku": "MUG", "units": 1}], "settle_by": "exchange"}
        await of.asks("returns", wants | {"replacements": [{"sku": "CAP", "title": "Cap", "price": "12.00"}]})
        await of.asks("returns/R-1/receipts", {"lines": [{"sku": "MUG", "units": 1, "disposition": "sellable"}]})
        told = await followed(of.desk, "/R-1")
        assert told["new_goods"] == [
            {
                "line": "R-1+1",
                "sku": "CAP",
                "title": "Cap",
                "units": 1,
                "given_up": 0,
                "unit_price": {"minor": 1200, "currency": "USD"},
            }
        ]
        assert "to collect 2.00 USD for the new goods of return R-1" in [each["what"] for each in told["expected"]]
        assert told["money"]["exchanged"]["minor"] + told["money"]["entitled"]["minor"] == 1000
        await of.asks("returns/R-1/shortages", {"lines": [{"sku": "CAP", "units": 1}], "reason": "out of stock"})
        assert (await followed(of.desk, "/R-1"))["new_goods"][0]["given_up"] == 1


async def test_returns_of_other_systems_are_followed_too_and_named_apart(database_url: str) -> None:
    async with desk(database_url, order(units=5)) as at:
        await at.stage.tell(theirs("R-1"), theirs("T-2"))
        await at.done("1/returns", {"id": "R-1", "lines": [{"sku": "MUG", "units": 1}]})
        assert [each["fact"] for each in (await followed(at, ""))["returns"]] == [
            "return:shop:R-1",
            "return:shop:T-2",
            "return:api:R-1",
        ]
        told = await followed(at, "/T-2")
        assert (told["told_by"], told["number"], told["lines"][0]["received"]) == ("shop", "RMA 12", 1)
        assert "Ada" not in repr(told)
        status, said = await at.ask("GET", "/v1/orders/1/returns/R-1", who="reader")
        assert (status, "return:shop:R-1, return:api:R-1" in said["detail"]) == (409, True)
        assert (await followed(at, "/return:api:R-1"))["told_by"] == "api"
        assert (await at.ask("GET", "/v1/orders/1/returns/R-9", who="reader"))[0] == 404
        assert (await at.ask("GET", "/v1/orders/9/returns", who="reader"))[0] == 404


async def test_returns_of_one_id_wait_apart_and_each_is_found_where_it_says(database_url: str) -> None:
    announced = {"received": 0, "disposition": None}
    async with desk(database_url, order(units=5)) as at:
        await at.stage.tell(theirs("1", **announced), theirs("in the shop 1", **announced))
        await at.done("1/returns", {"id": "1", "lines": [{"sku": "MUG", "units": 2}], "number": "RMA 7"})
        await at.stage.settle()
        found = (await followed(at, ""))["returns"]
        assert {each["fact"]: [wait["what"] for wait in each["expected"]] for each in found} == {
            "return:shop:1": ["1 of return RMA 12 to be handed in"],
            "return:shop:in the shop 1": ["1 of return RMA 12 to be handed in"],
            "return:api:1": ["2 of return RMA 7 to be handed in"],
        }
        for each in found:
            assert await at.ask("GET", each["href"], who="reader") == (200, each)
        assert at.stage.cases() == ["return_of_one_number:order:shop:1:1"]
        [mine] = (each["href"] for each in found if each["told_by"] == "api")
        assert (await at.ask("POST", f"{mine}/receipts", {"lines": [{"sku": "MUG", "units": 2}]}))[0] == 202
        assert (await followed(at, "/return:api:1"))["lines"][0]["received"] == 2
