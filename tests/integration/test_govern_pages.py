"""The pages of Govern over real HTTP: who may do what, that two people are needed, and that nothing of it runs away."""

from __future__ import annotations

import html
import re

import msgspec

from crossdock.console.app import ROUTES
from crossdock.govern.inviting import VIEWING
from crossdock.govern.settings import Settings
from crossdock.store import traffic
from tests.integration.consoles import House, house
from tests.stage import order, settings_for, staged
from tests.standin.target import Target

SCHEMA = '{"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}'
PAGES = ("", "/contracts", "/consumers", "/policies", "/mappings", "/connectors", "/owners", "/audit", "/contract/api",
         "/contract/facts%2Forder", "/traffic/shop")  # fmt: skip


def governed(**more: object) -> Settings:
    people = {"finance": ["mara"], "changes": ["otto"], "campaigns": ["mara"]}
    return settings_for("http://127.0.0.1:1", more={"people": people, **more})


def mapped(desk: House, connection: str = "erp", **told: str) -> dict[str, str]:
    return {"connection": connection, "kind": "product", "key": "MUG", "value": "M-1", **told}


async def value_of(desk: House) -> list[str]:
    async with desk.desk.looking() as tx:
        return [row[0] for row in await (await tx.execute("select value from mapping")).fetchall()]


async def test_every_page_is_there_for_whoever_may_look(database_url: str) -> None:
    async with house(database_url, governed()) as desk:
        vera = await desk.person("vera", VIEWING)
        for page in PAGES:
            answer = await vera.get(f"govern{page}")
            assert answer.status == 200, page
            assert 'aria-label="Govern"' in answer.text
            # but for taking back what one asked for oneself, a viewer is offered nothing
            assert answer.text.count('method="post"') == 1, page
        assert (await vera.get("govern/contract/nobody")).status == 404
        assert (await vera.get("govern/campaign/1")).status == 404
        posts = [route for route in ROUTES if route.method == "POST" and route.pattern[0] == "govern"]
        for route in posts:
            path = "/".join("1" if part == "*" else part for part in route.pattern)
            answer = await vera.post(path, verdict="approve")
            assert answer.status in (403, 409), (path, answer.status)


async def test_the_api_and_its_events_are_browsed_part_by_part(database_url: str) -> None:
    async with house(database_url, governed()) as desk:
        vera = await desk.person("vera", VIEWING)
        for name, whole, part, shown in (
            ("api", "/v1/openapi.json", "openReturn", "POST /v1/orders/{order}/returns"),
            ("events", "/v1/asyncapi.json", "crossdock.order.gone", "crossdock.order.gone"),
        ):
            page = (await vera.get(f"govern/contract/{name}")).text
            assert f'href="{whole}"' in page
            links = re.findall(r'href="/console/([^"#]*part=[^"#]*)#schema"', page)
            assert len(links) > 20
            [link] = [each for each in links if each.endswith(f"part={part}")]
            one = (await vera.get(html.unescape(link))).text
            told = html.unescape(one[one.index('id="schema"') :])
            assert shown in told
            assert len(one) < len(page) + 60_000
            shapes = msgspec.json.decode(told[told.index("{\n") : told.index("</pre>")])["shapes"]
            assert {"openReturn": "ReplacementAsked", "crossdock.order.gone": "FactTold"}[part] in shapes
            assert (await vera.get(f"govern/contract/{name}?part=nothing")).status == 404


async def test_another_name_is_asked_for_by_one_and_allowed_by_another(database_url: str) -> None:
    async with house(database_url, governed()) as desk:
        mara, otto = await desk.person("mara"), await desk.person("otto")
        assert (await mara.post("govern/mappings", **mapped(desk))).status == 303
        again = await mara.post("govern/mappings", **mapped(desk, value="M-2", why="renamed there"))
        assert again.headers["location"].endswith("?done=asked")
        assert await value_of(desk) == ["M-1"]
        page = (await mara.get("govern")).text
        assert "from M-1 to M-2" in page
        assert "renamed there" in page
        assert "takes somebody else" in page
        assert (await mara.post("govern/change/1", verdict="approve")).status == 409
        assert (await otto.post("govern/change/1", verdict="approve", note="seen")).status == 303
        assert await value_of(desk) == ["M-2"]
        assert (await otto.post("govern/change/1", verdict="approve")).status == 409
        told = (await otto.get("govern/audit", text="")).text
        assert "approve change" in told
        assert "M-2" in (await otto.get("govern/mappings?text=m-2")).text
        assert "No such mapping" in (await otto.get("govern/mappings?connection=shop")).text
        assert (await mara.post("govern/mappings", **mapped(desk, "nowhere"))).status == 422


async def test_a_contract_is_registered_shown_and_held_to_its_compatibility(database_url: str) -> None:
    async with house(database_url, governed(governance={"two_people": []})) as desk:
        mara = await desk.person("mara")
        told = {"name": "market/order", "owner": "Partners", "level": "full", "connection": "shop", "topic": "order",
                "schema": SCHEMA, "example": '{"id": "<script>"}'}  # fmt: skip
        assert (await mara.post("govern/contracts", **told)).headers["location"].endswith("done=registered")
        page = (await mara.get("govern/contract/market%2Forder")).text
        assert "Partners" in page
        assert "&lt;script&gt;" in page
        refused = await mara.post("govern/contracts", **told | {"schema": SCHEMA.replace('"id"]', '"id", "units"]')})
        assert refused.status == 409
        assert "units is required" in refused.text
        assert (await mara.post("govern/contracts", **told | {"schema": "{"})).status == 422
        async with desk.desk.looking() as tx:
            strange = {traffic.Strange("shop", "order", "colour", "unknown"): 2}
            await traffic.note(tx, {("shop", "order"): 3}, strange)
        assert "colour" in (await mara.get("govern/contract/market%2Forder")).text
        assert "colour" in (await mara.get("govern/traffic/shop")).text
        assert "1 field" in (await mara.get("govern/contracts")).text
        assert "market/order" in (await mara.get("govern/owners")).text


async def test_a_day_in_the_calendar_is_planned_and_called_off(database_url: str) -> None:
    async with house(database_url, governed()) as desk:
        mara = await desk.person("mara")
        told = {"day": "2026-02-31", "what": "change", "contract": "market/order", "says": "halves"}
        assert (await mara.post("govern/plan", **told)).status == 422
        assert (await mara.post("govern/plan", **told | {"day": "2001-01-01"})).status == 409
        from datetime import UTC, datetime, timedelta

        soon = (datetime.now(UTC) + timedelta(days=40)).date()
        assert (await mara.post("govern/plan", **told | {"day": str(soon)})).status == 303
        assert "halves" in (await mara.get("govern")).text
        assert (await mara.post("govern/plan/1/off")).status == 303
        assert "halves" not in (await mara.get("govern")).text.partition("Decided lately")[0]
        assert (await mara.post("govern/plan/1/off")).status == 409


async def test_another_policy_is_tried_without_a_trace_and_asked_for(database_url: str) -> None:
    async with Target().serve() as target, staged(database_url, target) as stage:
        await stage.tell(order("1"))
    async with house(database_url, governed()) as desk:
        mara = await desk.person("mara")
        text = '[policy]\nsell_when = "paid"\n'
        page = (await mara.post("govern/policies", policy=text)).text
        assert "sell_when" in page
        assert "1 entity of 1 looked at" in page
        assert "would not be done" in page
        assert (await mara.post("govern/policies", policy="[policy]\nsell_when = 'never'")).status == 422
        assert (await mara.post("govern/policies", policy="[policy")).status == 422
        assert (await mara.post("govern/policies/ask", policy="[policy]", why="x")).status == 409
        assert (await mara.post("govern/policies/ask", policy=text, why="cash first")).status == 303
        page = (await mara.get("govern/policies")).text
        assert "cash first" in page
        assert "live here" in page
        assert (await mara.post("govern/campaigns", kind="refund")).status == 409


async def test_what_a_page_shows_of_decisions_hides_buyers_from_those_who_need_not_see_them(database_url: str) -> None:
    from crossdock.store.decisions import Decider

    async with house(database_url, governed()) as desk:
        async with desk.desk.looking() as tx:
            await Decider(tx, "mara").record("note", to="ada@example.com", about={"street": "1 Sage Street"}, n=1)
        seen = (await (await desk.person("mara")).get("govern/audit")).text
        masked = (await (await desk.person("vera", VIEWING)).get("govern/audit")).text
        assert "1 Sage Street" in seen
        assert "1 Sage Street" not in masked
        assert "ada@example.com" not in masked


async def test_a_campaign_is_proposed_shown_and_let_through_within_caps_by_somebody_of_its_role(
    database_url: str,
) -> None:
    async with (
        Target().serve() as target,
        staged(database_url, target, policy={"sell_when": "paid"}) as stage,
        house(database_url, governed()) as desk,
    ):
        await stage.tell(order("1"))
        otto, mara = await desk.person("otto"), await desk.person("mara")
        made = await otto.post("govern/campaigns", kind="")
        assert made.headers["location"] == "/console/govern/campaign/1"
        page = (await otto.get("govern/campaign/1")).text
        assert "It takes somebody of the role campaigns" in page
        assert "order 1" in page
        within = {"count": 1, "hours": 24, "money-USD": "30.00"}
        assert (await otto.post("govern/campaign/1", **within)).status == 403
        assert (await mara.post("govern/campaign/1", **within | {"money-USD": "much"})).status == 422
        assert (await mara.post("govern/campaign/1", **within | {"hours": 0})).status == 422
        assert (await mara.post("govern/campaign/1", **within)).status == 303
        assert "up to 1 act and 30.00 USD" in (await mara.get("govern/campaign/1")).text
        assert "running" in (await mara.get("govern/policies")).text
