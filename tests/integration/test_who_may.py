"""Who may: keys, tokens, quotas, tenants and people over real HTTP; and every change of them on record."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from click.testing import CliRunner, Result

from crossdock.cli.admission import app
from crossdock.cli.app import EXIT_FOUND, EXIT_OK
from tests.desk import PASSWORD, Desk, desk
from tests.stage import order

SETTINGS = """
[hub]
database_url = "{database_url}"
[tenants.main]
brand = "Main"
[tenants.north]
brand = "North"
[connections.shop]
connector = "tests.standin"
url = "http://127.0.0.1:1"
tenant = "north"
"""


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Callable[..., Result]:
    file = tmp_path / "crossdock.toml"
    file.write_text(SETTINGS.format(database_url=database_url))
    return lambda *words, **environment: CliRunner().invoke(
        app, ["--config", str(file), *map(str, words)], env=environment
    )


def answer(result: Result) -> Any:
    assert result.exit_code == EXIT_OK, result.output
    return json.loads(result.output)


def refusal(result: Result) -> str:
    assert result.exit_code == EXIT_FOUND, result.output
    assert len(result.output.strip().splitlines()) == 1
    return result.output


def test_a_consumer_has_two_live_keys_at_most_and_its_key_is_shown_once(run: Callable[..., Result]) -> None:
    adding = ("consumer", "add", "market", "--owner", "Mara", "--scope", "orders:read", "--tenant", "north")
    first = answer(run(*adding, "--by", "ines", "--json"))["key"]
    assert answer(run(*adding, "--per-minute", "30", "--json"))["key"] is None  # changed, not added again
    second = answer(run("consumer", "key", "market", "--json"))["key"]
    assert first != second
    assert "revoke one first" in refusal(run("consumer", "key", "market"))
    text = run("consumer", "list").output
    assert first not in text
    assert first[:14] in text
    assert "30 requests a minute" in text
    assert "never used" in text
    run("consumer", "revoke", "market", first[:14])
    assert "no live key" in refusal(run("consumer", "revoke", "market", first[:14]))
    answer(run("consumer", "key", "market", "--json"))
    [told] = answer(run("consumer", "list", "--json"))
    assert [key["ended_at"] is None for key in told["keys"]] == [False, True, True]
    run("consumer", "revoke", "market", "--all")
    assert "no consumer market" in refusal(run("consumer", "key", "market"))


def test_what_no_consumer_can_be_is_refused(run: Callable[..., Result]) -> None:
    def add(name: str = "market", **options: str) -> str:
        given = {"owner": "Mara", "scope": "orders:read"} | options
        return refusal(run("consumer", "add", name, *(w for n, v in given.items() for w in (f"--{n}", v))))

    assert "lower-case" in add("Market!")
    assert "owner" in add(owner=" ")
    assert "scopes are orders:read" in add(scope="approvals:write")  # only people answer for that
    assert "no tenant south" in add(tenant="south")
    assert "main has no connection shop" in add(connection="shop")
    assert run("consumer", "add", "market", "--owner", "Mara", "--scope", "orders:read").exit_code == EXIT_OK
    assert "stays with its tenant" in add(tenant="north")


def test_every_change_is_on_record_with_who_when_before_and_after(
    run: Callable[..., Result], database_url: str
) -> None:
    import psycopg

    run("consumer", "add", "market", "--owner", "Mara", "--scope", "orders:read", "--by", "ines")
    run("consumer", "add", "market", "--owner", "Otto", "--scope", "orders:read", "--by", "ines")
    run("person", "add", "Vera", "--role", "viewer", "--by", "ines", CROSSDOCK_NEW_PASSWORD=PASSWORD)
    with psycopg.connect(database_url) as connection:
        told = connection.execute("select by, what, detail from decision order by id").fetchall()
        kept = str(connection.execute("select * from decision, api_key, person").fetchall())
    assert [row[:2] for row in told] == [
        ("ines", w) for w in ("add consumer", "add key", "change consumer", "add person")
    ]
    assert told[0][2]["before"] is None
    assert (told[2][2]["before"]["owner"], told[2][2]["after"]["owner"]) == ("Mara", "Otto")
    assert PASSWORD not in kept
    assert "cdk_" not in kept


def test_nobody_decides_in_the_name_of_somebody_with_a_password(run: Callable[..., Result]) -> None:
    run("person", "add", "Vera", "--role", "admin", CROSSDOCK_NEW_PASSWORD=PASSWORD)
    assert "12 to 200" in refusal(run("person", "add", "Ida", "--role", "viewer", CROSSDOCK_NEW_PASSWORD="short"))
    assert "no role chief" in refusal(run("person", "add", "Ida", "--role", "chief", CROSSDOCK_NEW_PASSWORD=PASSWORD))
    assert "vera's password" in refusal(run("release", "shop", "--by", "vera", CROSSDOCK_PASSWORD="a guess"))
    assert run("release", "shop", "--by", "vera", CROSSDOCK_PASSWORD=PASSWORD).exit_code == EXIT_OK
    assert run("release", "shop", "--by", "somebody else").exit_code == EXIT_OK
    assert [each["name"] for each in answer(run("person", "list", "--json"))] == ["Vera"]
    assert "Vera  admin  all tenants" in run("person", "list").output


async def traded(at: Desk, name: str, key: str, *, basic: bool = True, **form: str) -> tuple[int, Any]:
    given = {"grant_type": "client_credentials", **form} | ({} if basic else {"client_id": name, "client_secret": key})
    headers = {"Authorization": "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()} if basic else {}
    return await at.ask("POST", "/v1/oauth/token", urlencode(given).encode(), who=None, key=None, **headers)


async def test_a_key_is_traded_for_a_short_token_that_ends_with_it(database_url: str) -> None:
    async with desk(database_url) as at:
        status, told = await traded(at, "desk", at.keys["desk"])
        assert (status, told["token_type"], told["expires_in"]) == (200, "Bearer", 900)
        assert at.headers["Cache-Control"] == "no-store"
        at.keys["token"] = told["access_token"]
        assert (await at.ask("GET", "/v1/orders/1", who="token"))[0] == 200
        _, narrow = await traded(at, "desk", at.keys["desk"], basic=False, scope="orders:read")
        at.keys["narrow"] = narrow["access_token"]
        assert (await at.ask("GET", "/v1/orders/1", who="narrow"))[0] == 200
        assert (await at.post("1/returns", {}, who="narrow"))[0] == 403
        await at.end("desk")
        assert (await at.ask("GET", "/v1/orders/1", who="token"))[0] == 401


async def test_trading_a_key_for_tokens_takes_from_the_quota(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql("update consumer set per_minute = 1 where name = 'desk'")
        answers = {(await traded(at, "desk", at.keys["desk"]))[0] for _ in range(4)}
        assert answers == {200, 429}
        assert 0 < int(at.headers["Retry-After"]) <= 60
        assert (await traded(at, "desk", at.keys["other"]))[0] == 401  # and nobody else's guesses do


async def test_no_token_for_the_wrong_credentials_and_none_that_was_forged(database_url: str) -> None:
    async with desk(database_url) as at:
        for name, key, form, status, error in (
            ("desk", at.keys["other"], {}, 401, "invalid_client"),
            ("desk", "", {}, 401, "invalid_client"),
            ("nobody", at.keys["desk"], {}, 401, "invalid_client"),
            ("desk", at.keys["desk"], {"scope": "orders:read approvals:write"}, 400, "invalid_scope"),
            ("desk", at.keys["desk"], {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ):
            answered, told = await traded(at, name, key, **form)
            assert (answered, told["error"]) == (status, error)
        broken = {"Authorization": "Basic %%%"}
        assert (await at.ask("POST", "/v1/oauth/token", b"x=\xff", who=None, key=None, **broken))[0] == 400
        _, told = await traded(at, "desk", at.keys["desk"])
        claims = jwt.decode(told["access_token"], options={"verify_signature": False})
        at.keys |= {
            "another secret": jwt.encode(claims, "x" * 40, algorithm="HS256"),
            "no signature": jwt.encode(claims, "", algorithm="none"),
            "altered": told["access_token"].replace(".", ".e", 1),
        }
        for forged in ("another secret", "no signature", "altered"):
            assert (await at.ask("GET", "/v1/orders/1", who=forged))[0] == 401


async def test_a_person_signs_in_and_is_asked_to_wait_after_wrong_passwords(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Vera", "viewer")
        assert (await at.ask("GET", "/v1/orders/1", who="Vera"))[0] == 200
        assert (await at.post("1/returns", {}, who="Vera"))[0] == 403

        async def sign_in(name: str, password: str) -> int:
            told = {"name": name, "password": password}
            return (await at.ask("POST", "/v1/sign-in", told, who=None, key=None))[0]

        assert await sign_in("nobody", PASSWORD) == 401
        assert [await sign_in("vera", "a guess") for _ in range(5)] == [401] * 5
        assert await sign_in("Vera", PASSWORD) == 429  # the right one, too: nobody learns which it is
        assert 0 < int(at.headers["Retry-After"]) <= 61
        at.stage.sql("update person set failed_at = failed_at - interval '61 seconds'")
        assert await sign_in("Vera", PASSWORD) == 200
        assert at.stage.rows("select failures from person") == [(0,)]
        at.stage.sql("update person set generation = generation + 1")
        assert (await at.ask("GET", "/v1/orders/1", who="Vera"))[0] == 401


async def test_a_quota_is_told_with_every_answer_and_kept(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.sql("update consumer set per_minute = 3 where name = 'desk'")
        await at.ask("GET", "/v1/orders/1", who="other")
        if (left := int(at.headers["RateLimit"].rpartition("t=")[2])) < 10:  # all of it within one minute
            await asyncio.sleep(left)
        answers = [(await at.ask("GET", f"/v1/orders/{name}"))[0] for name in ("1", "404", "1", "1", "1")]
        assert answers == [200, 404, 200, 429, 429]
        assert at.headers["RateLimit"].startswith('"minute";r=0;t=')
        assert 0 < int(at.headers["Retry-After"]) <= 60
        assert at.headers["RateLimit-Policy"] == '"minute";q=3;w=60'
        assert (await at.ask("GET", "/v1/orders/1", who="other"))[0] == 200


NORTH = {
    "tenants": {"main": {}, "north": {"brand": "North"}},
}


async def test_nothing_of_another_tenant_is_seen_or_changed(database_url: str) -> None:
    async with desk(database_url, order("1"), more=NORTH) as at:
        await at.admit("north", ["orders:read", "returns:write", "allowances:write"], "north")
        await at.admit("market", ["orders:read"], "main", "mail")
        await at.employ("Nora", "admin", tenants=["north"])
        await at.employ("Mia", "admin", tenants=["main"])
        for who, status in (("desk", 200), ("Mia", 200), ("north", 404), ("market", 404), ("Nora", 404)):
            for name in ("1", "%231", "order:shop:1"):
                told = await at.ask("GET", f"/v1/orders/{name}", who=who)
                assert told[0] == status
        unseen = await at.refused(404, None, "1/returns", {"lines": [{"line": "1-0", "units": 1}]}, who="north")
        assert unseen == (await at.ask("GET", "/v1/orders/1", who="north"))[1]["detail"]
        assert unseen.replace("1;", "9;") == (await at.ask("GET", "/v1/orders/9", who="desk"))[1]["detail"]


async def test_a_trace_goes_on_and_long_heads_are_refused(database_url: str) -> None:
    async with desk(database_url) as at:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await at.ask("GET", "/v1/orders/1", traceparent=parent)
        assert at.headers["traceparent"] == parent
        await at.done("1/returns", {"lines": [{"line": "1-0", "units": 1}]}, traceparent=parent)
        assert at.stage.rows("select trace from operation") == [(parent,)]
        for broken in ("00-0-0-01", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"):
            await at.ask("GET", "/v1/orders/1", traceparent=broken)
            assert at.headers["traceparent"] not in (parent, broken)
        assert (await at.ask("GET", "/v1/orders/1", **{"X-Long": "x" * 17_000}))[0] in (400, 431)
        assert (await at.ask("GET", "/v1/orders/1", **{f"X-{n}": "x" for n in range(101)}))[0] == 431
