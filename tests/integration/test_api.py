"""The REST API over real HTTP: what is asked once is done once, what doesn't fit is refused by name, and nothing is half done."""

from __future__ import annotations

import asyncio
import hmac
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import psycopg
import pytest

from crossdock.canonical.returns import Return, ReturnLine
from crossdock.kernel.money import usd
from crossdock.observe import metrics
from crossdock.store import operations
from crossdock.store.operations import Claim
from tests.desk import desk
from tests.stage import PLACED_AT, order, told
from tests.standin import Told

ROOT = Path(__file__).parents[2]
WEBHOOKS = "webhook-secret-0123456789"


def mugs(units: int, **rest: Any) -> dict[str, Any]:
    return {"lines": [{"line": "1-0", "units": units, **rest}]}


async def test_a_return_is_opened_received_in_parts_and_closed(database_url: str) -> None:
    async with desk(database_url) as at:
        asked = {"lines": [{"line": "1-0", "units": 3}, {"sku": "TEA", "units": 1}], "id": "RMA-7", "channel": "post"}
        done = await at.done(quote("#1", safe="") + "/returns", asked)
        assert (done["state"], done["thing"], done["order"]) == ("pending", "RMA-7", "order:shop:1")
        assert [line.units for line in (await at.returned("RMA-7")).lines] == [3, 1]
        assert (await at.ask("GET", done["href"]))[1]["state"] == "translated"
        await at.done("1/returns/RMA-7/receipts", mugs(1, disposition="sellable", location="EAST"))
        await at.done("1/returns/RMA-7/receipts", mugs(2, disposition="damaged"))  # before the first is translated
        held = await at.returned("RMA-7")
        assert [(line.id, line.units, line.received, line.disposition) for line in held.lines] == [
            ("1", 2, 2, "damaged"),
            ("2", 1, 0, None),
            ("1.1", 1, 1, "sellable"),
        ]
        assert held.status == "authorised"
        await at.done("1/returns/RMA-7/receipts", {"lines": [{"sku": "TEA", "units": 1}]})
        assert (await at.returned("RMA-7")).status == "authorised"
        await at.done("1/returns/RMA-7/inspections", {"lines": [{"sku": "TEA", "units": 1, "disposition": "vendor"}]})
        assert (await at.returned("RMA-7")).status == "closed"
        assert sum(line.units for line in (await at.returned("RMA-7")).lines) == 4
        tokens = at.stage.rows("select token from document where kind = 'return'")
        assert tokens == [(5,)]
        assert await at.stage.replay() > 0
        await at.stage.settle()
        assert at.stage.rows("select token from document where kind = 'return'") == [(5,)]
        await at.stage.checked()


async def test_units_can_only_come_back_once_whoever_asks_at_once(database_url: str) -> None:
    async with desk(database_url) as at:
        answers = await asyncio.gather(*(at.post("1/returns", mugs(2), key=f"k{n}") for n in range(8)))
        assert sorted(status for status, _ in answers) == [202, *[422] * 7]
        [(_, done)] = [each for each in answers if each[0] == 202]
        where = f"1/returns/{done['thing']}/receipts"
        answers = await asyncio.gather(
            *(at.post(where, mugs(1, disposition="sellable"), key=f"r{n}") for n in range(6))
        )
        assert sorted(status for status, _ in answers) == [202, 202, 409, 409, 409, 409]
        assert sum(line.received for line in (await at.returned(done["thing"])).lines) == 2
        await at.stage.checked()


async def test_the_same_key_does_it_once_and_asks_for_nothing_else(database_url: str) -> None:
    async with desk(database_url) as at:
        answers = await asyncio.gather(*(at.post("1/returns", mugs(1), key="same") for _ in range(8)))
        done = [told for status, told in answers if status == 202]
        assert len({each["id"] for each in done}) == 1
        assert {told["type"] for status, told in answers if status != 202} <= {"urn:crossdock:problem:in-flight"}
        await at.stage.settle()
        again = await at.done("1/returns", b'{"lines": [ {"units":1, "line":"1-0"} ]}', key="same")
        assert again == done[0]  # the stored answer, word for word
        assert at.headers["Idempotent-Replayed"] == "true"
        assert (await at.ask("GET", again["href"]))[1]["state"] == "translated"
        assert "something else" in await at.refused(422, "Idempotency-Key", "1/returns", mugs(2), key="same")
        allowance = {"amount": "1", "currency": "USD", "reason": "x", "by": "mara"}
        await at.done("1/allowances", allowance, key="same")  # keys are each operation's own
        assert len((await at.standing()).of("return")) == 1
        other = await at.done("1/returns", mugs(1), key="same", who="other")  # and each client's
        assert other["id"] != again["id"]
        assert (await at.ask("GET", again["href"], who="other"))[0] == 404
        where = f"1/returns/{again['thing']}/receipts"
        for _ in range(3):
            await at.done(where, mugs(1, disposition="sellable"), key="receipt")
        assert sum(line.received for line in (await at.returned(again["thing"])).lines) == 1


async def test_a_key_whose_request_is_being_done_is_told_so(database_url: str) -> None:
    async with desk(database_url) as at:
        claim = Claim("x", "desk", "openReturn", "busy", b"", "")
        async with at.stage.database.transaction() as tx:
            assert await operations.hold_key(tx, claim)
            assert "being done" in await at.refused(409, None, "1/returns", mugs(1), key="busy")
            assert at.headers["Retry-After"] == "1"
        await at.done("1/returns", mugs(1), key="busy")


MISFITS: list[tuple[int, str | None, str, Any]] = [
    (404, None, "999/returns", mugs(1)),
    (404, None, "%00/returns", mugs(1)),
    (404, None, "1/refunds", mugs(1)),
    (404, None, "1/returns/R9/receipts", mugs(1)),
    (404, None, "1/returns/R9/cancellation", {}),
    (404, None, "1/returns/R9/nothing", {}),
    (422, "lines[0].line", "1/returns", {"lines": [{"line": "1-9", "units": 1}]}),
    (422, "lines[1].sku", "1/returns", {"lines": [{"sku": "TEA", "units": 1}, {"sku": "POT", "units": 1}]}),
    (422, "lines[0].sku", "1/returns", mugs(1, sku="TEA")),
    (422, "lines[0].line", "1/returns", {"lines": [{"units": 1}]}),
    (422, "lines[0].units", "1/returns", mugs(4)),
    (422, "lines[1].units", "1/returns", {"lines": [{"line": "1-0", "units": 2}, {"sku": "MUG", "units": 2}]}),
    (422, "lines[0].units", "1/returns", mugs(0)),
    (422, "lines[0].units", "1/returns", mugs(-1)),
    (422, "lines[0].units", "1/returns", mugs(10**30)),
    (422, "lines[0].units", "1/returns", {"lines": [{"line": "1-0", "units": 1.5}]}),
    (422, "lines[0].units", "1/returns", {"lines": [{"line": "1-0", "units": "1"}]}),
    (422, "lines", "1/returns", {"lines": []}),
    (422, "body", "1/returns", {}),
    (422, "body", "1/returns", {**mugs(1), "unkown": 1}),
    (422, "settle_by", "1/returns", {**mugs(1), "settle_by": "cash"}),
    (422, "id", "1/returns", {**mugs(1), "id": "a/b"}),
    (422, "number", "1/returns", {**mugs(1), "number": "a\0b"}),
    (422, "lines[0].reason", "1/returns", mugs(1, reason="\n")),
    (422, "body", "1/returns", b"{"),
    (422, "body", "1/returns", b"\xff\xfe"),
    (422, "body", "1/returns", b"[" * 100_000),
    (413, None, "1/returns", b" " * (4 * 1024 * 1024 + 1)),
]


async def test_what_does_not_fit_is_refused_by_name(database_url: str) -> None:
    async with desk(database_url) as at:
        for status, field, path, body in MISFITS:
            assert await at.refused(status, field, path, body)


NO_ALLOWANCES: list[tuple[str, dict[str, Any], str]] = [
    ("amount", {"amount": "0"}, "more than zero"),
    ("amount", {"amount": "-5.00"}, "more than zero"),
    ("amount", {"amount": "60.01"}, "60.00 USD allows"),
    ("amount", {"amount": "1e400"}, "no amount"),
    ("amount", {"amount": "1e1"}, "no amount"),
    ("amount", {"amount": "1_0"}, "no amount"),
    ("amount", {"amount": "١٠"}, "no amount"),
    ("amount", {"amount": "NaN"}, "no amount"),
    ("amount", {"amount": "5,00"}, "12.50"),
    ("amount", {"amount": "5.001"}, "no amount"),
    ("amount", {"amount": 5.0}, "Expected `str`"),
    ("currency", {"currency": "EUR"}, "is in USD, not in EUR"),
    ("currency", {"currency": "usd"}, "matching"),
    ("line", {"line": "1-9"}, "no line 1-9"),
    ("reason", {"reason": ""}, "length"),
    ("by", {"by": ""}, "who granted it"),
]


async def test_an_allowance_that_does_not_fit_is_refused_by_name(database_url: str) -> None:
    async with desk(database_url) as at:
        for field, change, said in NO_ALLOWANCES:
            asked = {"amount": "5.00", "currency": "USD", "reason": "scratched", "by": "mara"} | change
            assert said in await at.refused(422, field, "1/allowances", asked)


async def test_allowances_add_up_to_no_more_than_the_order(database_url: str) -> None:
    async with desk(database_url) as at:
        asked = {"amount": "25.00", "currency": "USD", "reason": "scratched", "by": "mara", "line": "1-0"}
        answers = await asyncio.gather(*(at.post("1/allowances", asked, key=f"k{n}") for n in range(5)))
        assert sorted(status for status, _ in answers) == [202, 202, 422, 422, 422]
        await at.stage.settle()
        [one, other] = (await at.standing()).of("allowance")
        assert one.body.amount == other.body.amount == usd(2500)
        assert one.id.startswith("allowance:api:A")
        assert "50.00 USD given already" in await at.refused(422, "amount", "1/allowances", asked)
        await at.stage.checked()


async def test_a_return_is_cancelled_before_its_goods_are_there_and_not_after(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.done("1/returns", {**mugs(3), "id": "one"})
        assert "already" in await at.refused(409, None, "1/returns", {**mugs(1), "id": "one"})
        await at.done("1/returns/one/cancellation", {"reason": "it fits"})
        assert (await at.returned("one")).status == "cancelled"
        (kept,) = at.stage.rows("select detail from decision where what = 'cancel return'")
        assert kept[0] == {"entity": "order:shop:1", "id": "one", "reason": "it fits"}
        for what in ("receipts", "inspections"):
            await at.refused(409, None, f"1/returns/one/{what}", mugs(1, disposition="sellable"))
        await at.refused(409, None, "1/returns/one/cancellation")
        await at.done("1/returns", {**mugs(3), "id": "two"})  # the units are free again
        await at.done("1/returns/two/receipts", mugs(1))
        assert "handed in" in await at.refused(409, None, "1/returns/two/cancellation")
        assert "2 of return two" in await at.refused(422, "lines[0].units", "1/returns/two/receipts", mugs(3))
        assert "1 of return two" in await at.refused(
            422, "lines[0].units", "1/returns/two/inspections", mugs(2, disposition="vendor")
        )
        await at.refused(422, "lines[0].disposition", "1/returns/two/inspections", mugs(1))
        await at.refused(422, "lines[0].line", "1/returns/two/receipts", {"lines": [{"line": "1-1", "units": 1}]})


async def test_units_that_come_back_elsewhere_are_counted_and_told_there(database_url: str) -> None:
    async with desk(database_url) as at:
        lines = (ReturnLine(id="1", line="1-0", sku="MUG", units=2, received=2),)
        theirs = Return(id="T1", returned_at=PLACED_AT, lines=lines)
        told = Told(kind="return", id="T1", entity="order:shop:1", token=1, body=msgspec.to_builtins(theirs))
        await at.stage.tell(told)
        assert "1 of 3 ordered" in await at.refused(422, "lines[0].units", "1/returns", mugs(2))
        assert "another system" in await at.refused(404, None, "1/returns/T1/receipts", mugs(1))
        await at.done("1/returns", mugs(1, keeps_goods=True))


async def test_a_sku_in_several_lines_has_to_be_named_by_line(database_url: str) -> None:
    async with desk(database_url, order(skus=["MUG", "MUG"])) as at:
        assert "1-0, 1-1" in await at.refused(
            422, "lines[0].line", "1/returns", {"lines": [{"sku": "MUG", "units": 1}]}
        )
        await at.done("1/returns", mugs(3))
        await at.done("1/returns", {"lines": [{"sku": "MUG", "units": 3}]})


async def test_nobody_does_anything_without_a_key_or_beyond_its_scopes(database_url: str) -> None:
    async with desk(database_url) as at:
        own = at.keys["desk"]
        for headers in (
            {},
            {"Authorization": f"Basic {own}"},
            {"Authorization": "Bearer "},
            {"Authorization": f"Bearer {own[:-1]}"},
            {"Authorization": f"Bearer {own}x"},
            {"Authorization": f"Bearer {own[:15]}{at.keys['other'][15:]}"},
            {"Authorization": "Bearer cdk_"},
            {"Authorization": "Bearer a.b.c"},
        ):
            assert "Bearer" in await at.refused(401, "Authorization", "1/returns", mugs(1), who=None, **headers)
            assert at.headers["WWW-Authenticate"].startswith("Bearer")
            assert (await at.ask("GET", "/v1/orders/1", who=None, **headers))[0] == 401
        assert "returns:write" in await at.refused(403, None, "1/returns", mugs(1), who="reader")
        assert "allowances:write" in await at.refused(403, None, "1/allowances", {}, who="reader")
        await at.refused(400, "Idempotency-Key", "1/returns", mugs(1), key=None)
        await at.refused(400, "Idempotency-Key", "1/returns", mugs(1), key="k" * 201)
        for method, path, allowed in (
            ("PUT", "/v1/orders/1", "GET"),
            ("GET", "/v1/orders/1/allowances", "POST"),
            ("DELETE", "/v1/operations/1", "GET"),
        ):
            assert (await at.ask(method, path))[0] == 405
            assert at.headers["Allow"] == allowed
        for path in ("/v1/", "/v1/orders//", "/v1/operations/none", "/v1/orders/1/2/3/4/5", "/v1/orders/1/refunds"):
            assert (await at.ask("GET", path))[0] == 404


async def test_an_order_is_told_as_it_stands_by_any_of_its_names(database_url: str) -> None:
    async with desk(database_url, order("1"), order("2")) as at:
        for name in ("1", "%231", "order:shop:1", "order%3Ashop%3A1", "gid%3A%2F%2Fshop%2FOrder%2F1"):
            status, told = await at.ask("GET", f"/v1/orders/{name}", who="reader")
            assert (status, told["order"], told["state"]) == (200, "order:shop:1", "in flight")
            assert at.headers["Correlation-Id"] == "order:shop:1"
        assert told["total"] == {"minor": 3000, "currency": "USD"}
        assert {each["system"] for each in told["milestones"]} == {"erp", "shop", "warehouse"}
        assert "ada@example.com" not in repr(told)
        assert "Sage" not in repr(told)
        _, events = await at.ask("GET", "/v1/orders/1/timeline", who="reader")
        assert events["events"][0]["happened"] == "received"
        assert (await at.ask("GET", "/v1/orders/404", who="reader"))[0] == 404
        at.stage.sql("insert into alias values ('both', 'order:shop:1'), ('both', 'order:shop:2')")
        status, told = await at.ask("GET", "/v1/orders/both")
        assert (status, "order:shop:1, order:shop:2" in told["detail"]) == (409, True)
        await at.refused(409, None, "both/returns", mugs(1))


async def test_the_whole_record_is_for_people(database_url: str) -> None:
    async with desk(database_url) as at:
        assert (await at.ask("GET", "/v1/orders/1/record"))[0] == 403
        await at.employ("Vera", "viewer")
        status, told = await at.ask("GET", "/v1/orders/1/record", who="Vera")
        assert (status, told["facts"][0]["body"]["email"]) == (200, "ada@example.com")


async def test_an_order_that_is_only_spoken_of_is_not_returned_yet(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql("insert into entity (key, bucket, revision) values ('order:shop:7', 1, 1)")
        assert "not read yet" in await at.refused(409, None, "order:shop:7/returns", mugs(1))


async def test_a_whole_hub_takes_a_return_by_its_api(database_url: str, tmp_path: Path) -> None:
    """`crossdock run`, with webhooks and API at one address."""
    file = tmp_path / "crossdock.toml"
    file.write_text(f"""
        [hub]
        listen = "127.0.0.1:0"
        database_url = "{database_url}"
        data = "{tmp_path}/data"
        [connections.shop]
        connector = "tests.standin"
        url = "http://127.0.0.1:1"
        webhook_secrets = ["env:TEST_WEBHOOKS"]
    """)
    environment = {**os.environ, "TEST_WEBHOOKS": WEBHOOKS, "PYTHONPATH": str(ROOT)}
    hub = [sys.executable, "-m", "crossdock.main", "--config", str(file)]
    adding = "consumer add desk --owner Mara --scope orders:read --scope returns:write --json".split()
    added = await asyncio.create_subprocess_exec(*hub, *adding, env=environment, stdout=asyncio.subprocess.PIPE)
    key = msgspec.json.decode((await added.communicate())[0])["key"]
    process = await asyncio.create_subprocess_exec(*hub, "run", env=environment, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        address = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 60))["address"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
            body = msgspec.json.encode(told(order()))
            signature = hmac.digest(WEBHOOKS.encode(), body, "sha256").hex()
            signed = {"X-Topic": "document", "X-Id": "m1", "X-Signature": signature}
            async with session.post(f"{address}/in/shop", data=body, headers=signed) as answer:
                assert answer.status == 200
            await _until(session, f"{address}/v1/orders/1", lambda found: found.get("order") == "order:shop:1")
            asked = {"data": msgspec.json.encode(mugs(2)), "headers": {"Idempotency-Key": "k1"}}
            async with session.post(f"{address}/v1/orders/1/returns", **asked) as answer:
                assert answer.status == 202
                where = answer.headers["Location"]
            await _until(session, address + where, lambda found: found["state"] == "translated")
            told_now = await _until(session, f"{address}/v1/orders/1/timeline", lambda found: len(found["events"]) > 1)
            assert "return from api" in [event["what"] for event in told_now["events"]]
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def _until(session: aiohttp.ClientSession, url: str, so: Callable[[Any], bool]) -> Any:
    for _ in range(200):
        async with session.get(url) as answer:
            found = msgspec.json.decode(await answer.read())
        if so(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(found)


async def test_a_fault_of_the_hub_is_told_as_one_and_says_nothing_of_anybody(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(database_url) as at:
        at.stage.sql("alter table own_fact rename to own_fact_of_ada")
        counted = metrics.turn_on("0", {})
        try:
            status, told = await at.post("1/returns", {"lines": [{"line": "1-0", "units": 1}]})
        finally:
            metrics.turn_off()
        assert (status, told["type"]) == (500, "urn:crossdock:problem:broken")
        assert b'crossdock_api_requests_total{operation="openReturn",status="500"} 1.0' in counted.exposed()
        assert "ada" not in str(told).lower()
        said = capsys.readouterr().out
        assert "api: failed" in said
        assert "UndefinedTable at " in said
        assert "relation" not in said


async def test_a_database_that_takes_too_long_is_a_reason_to_ask_again_and_no_fault(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as holder:
        holder.execute(f"alter database {holder.info.dbname} set transaction_timeout = 500")  # pyright: ignore
        async with desk(database_url) as at:
            with holder.transaction():
                holder.execute("lock table document in access exclusive mode")
                status, said = await at.ask("GET", "/v1/orders/1")
            assert (status, said["type"]) == (503, "urn:crossdock:problem:no-database")
            assert (await at.ask("GET", "/v1/orders/1"))[0] == 200
