"""The REST API over real HTTP: what is asked once is done once, what doesn't fit is refused by name, and nothing is half done."""

from __future__ import annotations

import asyncio
import hmac
import io
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import aiohttp
import msgspec
import uvicorn

from crossdock.canonical.returns import Return, ReturnLine
from crossdock.cli.tracing import builtins_of
from crossdock.gateway.api import Api, with_api
from crossdock.kernel.money import usd
from crossdock.promises.standing import Standing
from crossdock.settle.reading import Targets, read
from crossdock.store import settling
from tests.stage import PLACED_AT, Stage, order, staged, told
from tests.standin import Told
from tests.standin.target import Target

ROOT = Path(__file__).parents[2]
ALL = ["returns:write", "allowances:write", "orders:read"]
KEYS = {"desk": ALL, "reader": ["orders:read"], "other": ALL, "auditor": ["audit:read"]}
SECRETS = {f"TEST_KEY_{name.upper()}": f"{name}-key-0123456789" for name in KEYS}


class Desk:
    """Somebody at the API; every POST has a key of its own unless it is given one."""

    def __init__(self, url: str, session: aiohttp.ClientSession, stage: Stage) -> None:
        self.url, self.session, self.stage, self._count = url, session, stage, 0

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        who: str | None = "desk",
        key: str | None = "",
        **headers: str,
    ) -> tuple[int, Any]:
        self._count += 1
        sent = dict(headers)
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {who}-key-0123456789")
        if key is not None and method == "POST":
            sent["Idempotency-Key"] = key or f"key-{self._count}"
        encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
        given = None if body is None else io.BytesIO(encoded)
        async with self.session.request(method, f"{self.url}{path}", data=given, headers=sent) as answer:
            text = await answer.read()
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
            return answer.status, msgspec.json.decode(text)

    async def post(self, path: str, body: Any = None, **rest: Any) -> tuple[int, Any]:
        return await self.ask("POST", f"/v1/orders/{path}", body or {}, **rest)

    async def done(self, path: str, body: Any = None, **rest: Any) -> Any:
        status, told = await self.post(path, body, **rest)
        assert status == 202, told
        return told

    async def refused(self, status: int, field: str | None, path: str, body: Any = None, **rest: Any) -> str:
        """The problem's text; and nothing has come of it."""
        before = self.written()
        answered, told = await self.post(path, body, **rest)
        assert (answered, told.get("field")) == (status, field), told
        assert told["status"] == status
        assert told["type"].startswith("urn:crossdock:problem:")
        assert self.written() == before
        return told["detail"]

    def written(self) -> list[Any]:
        tables = ("inbox", "operation", "own_fact", "document", "dirty")
        return [self.stage.count(f"select count(*) from {table}") for table in tables]

    async def standing(self) -> Standing:
        async with self.stage.database.transaction() as tx:
            unsettled = await settling.entities_by_key(tx, ["order:shop:1"])
            record = await settling.on_record(tx, unsettled, b"")
        return read(unsettled, record, Targets(), record.as_of)[0].standing

    async def returned(self, id_: str) -> Return:
        await self.stage.settle()
        return next(fact.body for fact in (await self.standing()).of("return") if fact.body.id == id_)


@asynccontextmanager
async def desk(database_url: str, *placed: Any) -> AsyncGenerator[Desk]:
    """A hub that knows one order of 3 MUG and 3 TEA (60.00 USD), and its API on a port of its own."""
    keys = {name: {"key": f"env:TEST_KEY_{name.upper()}", "scopes": scopes} for name, scopes in KEYS.items()}
    async with Target().serve() as target:
        with mock.patch.dict(os.environ, SECRETS):
            opened = staged(database_url, target, more={"api": {"keys": keys}})
            stage = await opened.__aenter__()
        await stage.tell(*(placed or [order(skus=["MUG", "TEA"])]))
        api = Api(
            stage.hub.settings, stage.database, partial(builtins_of, settings=stage.hub.settings), stage.hub.received
        )
        app = with_api(api, _nothing)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with aiohttp.ClientSession() as session:
            yield Desk(f"http://127.0.0.1:{port}", session, stage)
        server.should_exit = True
        await serving
        await opened.__aexit__(None, None, None)


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def mugs(units: int, **rest: Any) -> dict[str, Any]:
    return {"lines": [{"line": "1-0", "units": units, **rest}]}


async def test_a_return_is_opened_received_in_parts_and_closed(database_url: str) -> None:
    async with desk(database_url) as at:
        asked = {"lines": [{"line": "1-0", "units": 3}, {"sku": "TEA", "units": 1}], "id": "RMA-7", "channel": "post"}
        done = await at.done(quote("#1", safe="") + "/returns", asked)
        assert (done["state"], done["return"], done["order"]) == ("pending", "RMA-7", "order:shop:1")
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
        where = f"1/returns/{done['return']}/receipts"
        answers = await asyncio.gather(
            *(at.post(where, mugs(1, disposition="sellable"), key=f"r{n}") for n in range(6))
        )
        assert sorted(status for status, _ in answers) == [202, 202, 409, 409, 409, 409]
        assert sum(line.received for line in (await at.returned(done["return"])).lines) == 2
        await at.stage.checked()


async def test_the_same_key_does_it_once_and_asks_for_nothing_else(database_url: str) -> None:
    async with desk(database_url) as at:
        answers = await asyncio.gather(*(at.done("1/returns", mugs(1), key="same") for _ in range(8)))
        assert len({each["id"] for each in answers}) == 1
        await at.stage.settle()
        again = await at.done("1/returns", b'{"lines": [ {"units":1, "line":"1-0"} ]}', key="same")
        assert (again["id"], again["state"]) == (answers[0]["id"], "translated")
        assert "something else" in await at.refused(422, "Idempotency-Key", "1/returns", mugs(2), key="same")
        assert "something else" in await at.refused(422, "Idempotency-Key", "1/allowances", {
            "amount": "1", "currency": "USD", "reason": "x", "by": "mara"}, key="same")  # fmt: skip
        assert len((await at.standing()).of("return")) == 1
        other = await at.done("1/returns", mugs(1), key="same", who="other")  # keys are each client's own
        assert other["id"] != again["id"]
        assert (await at.ask("GET", again["href"], who="other"))[0] == 404
        where = f"1/returns/{again['return']}/receipts"
        for _ in range(3):
            await at.done(where, mugs(1, disposition="sellable"), key="receipt")
        assert sum(line.received for line in (await at.returned(again["return"])).lines) == 1


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
    (413, None, "1/returns", b" " * (1024 * 1024 + 1)),
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
    ("amount", {"amount": "NaN"}, "no amount"),
    ("amount", {"amount": "5,00"}, "12.50"),
    ("amount", {"amount": "5.001"}, "no amount"),
    ("amount", {"amount": 5.0}, "Expected `str`"),
    ("currency", {"currency": "EUR"}, "is in USD, not in EUR"),
    ("currency", {"currency": "usd"}, "matching"),
    ("line", {"line": "1-9"}, "no line 1-9"),
    ("reason", {"reason": ""}, "length"),
    ("by", {"by": ""}, "length"),
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
        await at.done("1/returns/one/cancellation")
        assert (await at.returned("one")).status == "cancelled"
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
        for who, headers in (
            (None, {}),
            ("stranger", {}),
            (None, {"Authorization": "Basic desk-key-0123456789"}),
            (None, {"Authorization": "Bearer "}),
            (None, {"Authorization": "Bearer desk-key-012345678"}),
        ):
            assert "Bearer" in await at.refused(401, "Authorization", "1/returns", mugs(1), who=who, **headers)
            assert (await at.ask("GET", "/v1/orders/1", who=who, **headers))[0] == 401
        assert "api.keys.reader.scopes" in await at.refused(403, None, "1/returns", mugs(1), who="reader")
        assert "allowances:write" in await at.refused(403, None, "1/allowances", {}, who="reader")
        await at.refused(422, "Idempotency-Key", "1/returns", mugs(1), key=None)
        await at.refused(422, "Idempotency-Key", "1/returns", mugs(1), key="k" * 201)
        for method, path in (("PUT", "/v1/orders/1"), ("GET", "/v1/orders/1/returns"), ("DELETE", "/v1/operations/1")):
            assert (await at.ask(method, path))[0] == 405
        for path in ("/v1/", "/v1/orders", "/v1/orders//", "/v1/operations/none", "/v1/orders/1/2/3/4/5"):
            assert (await at.ask("GET", path))[0] == 404


async def test_an_order_is_told_as_it_stands_by_any_of_its_names(database_url: str) -> None:
    async with desk(database_url, order("1"), order("2")) as at:
        for name in ("1", "%231", "order:shop:1", "order%3Ashop%3A1", "gid%3A%2F%2Fshop%2FOrder%2F1"):
            status, told = await at.ask("GET", f"/v1/orders/{name}", who="reader")
            assert (status, told["entity"], told["state"]) == (200, "order:shop:1", "in flight")
            assert {"promises", "expected", "cases", "facts"} <= told.keys()
        assert (await at.ask("GET", "/v1/orders/404", who="reader"))[0] == 404
        at.stage.sql("insert into alias values ('both', 'order:shop:1'), ('both', 'order:shop:2')")
        status, told = await at.ask("GET", "/v1/orders/both")
        assert (status, "order:shop:1, order:shop:2" in told["detail"]) == (409, True)
        await at.refused(409, None, "both/returns", mugs(1))


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
        [api.keys.desk]
        key = "env:TEST_KEY_DESK"
        scopes = {msgspec.json.encode(ALL).decode()}
        [connections.shop]
        connector = "tests.standin"
        url = "http://127.0.0.1:1"
        webhook_secrets = ["env:TEST_KEY_OTHER"]
    """)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crossdock.main", "--config", str(file), "run",
        env={**os.environ, **SECRETS, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        address = msgspec.json.decode(await asyncio.wait_for(process.stdout.readline(), 60))["address"]
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRETS['TEST_KEY_DESK']}"}) as session:
            body = msgspec.json.encode(told(order()))
            signature = hmac.digest(SECRETS["TEST_KEY_OTHER"].encode(), body, "sha256").hex()
            signed = {"X-Topic": "document", "X-Id": "m1", "X-Signature": signature}
            async with session.post(f"{address}/in/shop", data=body, headers=signed) as answer:
                assert answer.status == 200
            await _until(session, f"{address}/v1/orders/1", lambda found: found.get("entity") == "order:shop:1")
            asked = {"data": msgspec.json.encode(mugs(2)), "headers": {"Idempotency-Key": "k1"}}
            async with session.post(f"{address}/v1/orders/1/returns", **asked) as answer:
                assert answer.status == 202
                where = answer.headers["Location"]
            await _until(session, address + where, lambda found: found["state"] == "translated")
            told_now = await _until(session, f"{address}/v1/orders/1", lambda found: len(found["facts"]) == 2)
            assert {fact["kind"] for fact in told_now["facts"]} == {"order", "return"}
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
