"""What people decide by the API: in the name of whoever signed in, once, and only what is theirs to decide."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.desk import Desk, desk
from tests.integration.test_approvals import sale_with_leave
from tests.stage import Message, order, shipment


async def decide(at: Desk, request: int, verdict: str, who: str, key: str = "") -> tuple[int, Any]:
    asked = {"verdict": verdict, "note": "seen the photos"}
    return await at.ask("POST", f"/v1/approvals/{request}/decision", asked, who=who, key=key)


async def test_an_approval_is_given_in_the_name_of_whoever_signed_in(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.hub.rules = replace(at.stage.hub.rules, owed=sale_with_leave)
        await at.stage.tell(order("2", units=9))
        for name, role in (("Mara", "finance"), ("Otto", "finance"), ("Ada", "admin"), ("Vera", "viewer")):
            await at.employ(name, role)
        [asked] = (await at.ask("GET", "/v1/approvals", who="Vera"))[1]["approvals"]
        assert (asked["order"], asked["amount"]["minor"], asked["people"]) == ("order:shop:2", 9000, 2)
        assert (await decide(at, asked["id"], "approved", "Vera"))[0] == 403
        status, told = await decide(at, asked["id"], "approved", "Ada")
        assert (status, "may not decide for finance" in told["detail"]) == (409, True)
        status, told = await decide(at, asked["id"], "approved", "Mara", key="yes")
        assert (status, told["by"], told["missing"]) == (200, "Mara", 1)
        assert (await decide(at, asked["id"], "approved", "Mara", key="yes"))[1] == told
        assert (await decide(at, asked["id"], "approved", "Mara"))[0] == 409  # two different people
        assert (await decide(at, asked["id"], "approved", "Otto"))[1]["missing"] == 0
        await at.stage.settle()
        assert (await at.ask("GET", "/v1/approvals", who="Vera"))[1]["approvals"] == []
        assert (await decide(at, asked["id"], "rejected", "Otto"))[0] == 404
        assert at.stage.rows("select by, what, detail->>'note' from decision where what = 'approve' order by id") == [
            ("Mara", "approve", "seen the photos"),
            ("Otto", "approve", "seen the photos"),
        ]
        await at.stage.checked()


async def test_one_word_is_one_word_however_often_it_is_sent_at_once(database_url: str) -> None:
    async with desk(database_url) as at:
        at.stage.hub.rules = replace(at.stage.hub.rules, owed=sale_with_leave)
        await at.stage.tell(order("2", units=9))
        await at.employ("Mara", "finance")
        [asked] = (await at.ask("GET", "/v1/approvals", who="Mara"))[1]["approvals"]
        answers = await asyncio.gather(*(decide(at, asked["id"], "approved", "Mara") for _ in range(6)))
        assert sorted(status for status, _ in answers) == [200, *[409] * 5]


async def test_a_mapping_releases_what_it_blocked_and_a_case_is_tried_again(database_url: str) -> None:
    async with desk(database_url, order(skus=["NONE-1"])) as at:
        await at.employ("Olga", "operator")
        await at.stage.deliver("erp")
        [case] = (await at.ask("GET", "/v1/cases", who="Olga"))[1]
        assert (case["kind"], case["items"]) == ("mapping", 1)
        asked = {"connection": "erp", "kind": "product", "key": "NONE-1", "value": "MUG-1"}
        assert (await at.ask("POST", "/v1/mappings", asked | {"connection": "none"}, who="Olga"))[0] == 422
        assert (await at.ask("POST", "/v1/mappings", asked, who="Olga"))[1] == {"released": 1, "waits": None}
        assert (await at.ask("GET", "/v1/cases", who="Olga"))[1] == []
        status, told = await at.ask("POST", f"/v1/cases/{case['id']}/retry", {}, who="Olga")
        assert (status, "no open case" in told["detail"]) == (409, True)
        for name in ("none", "-1", "٣", str(2**63)):
            assert (await at.ask("POST", f"/v1/cases/{name}/retry", {}, who="Olga"))[0] == 404
        told = "select by, detail ->> 'before', detail ->> 'value' from decision where what = 'map' order by id"
        assert at.stage.rows(told) == [("Olga", None, "MUG-1")]
        async with at.stage.person() as decider:
            await decider.map("erp", "product", "NONE-1", "MUG-2")
        assert at.stage.rows(told)[1][1:] == ("MUG-1", "MUG-2")


async def test_messages_that_were_set_aside_are_read_once_more_by_a_persons_word(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Olga", "operator")
        await at.stage.tell(Message("shop", "document", b'{"kind": "order", "id": 7}', "m-bad"))
        [case] = (await at.ask("GET", "/v1/cases", who="Olga"))[1]
        assert "crossdock retry <case>" in case["remedy"]
        again = f"/v1/cases/{case['id']}/retry"
        assert await at.ask("POST", again, {}, who="Olga") == (200, {"tried_again": 1})
        assert (await at.ask("GET", "/v1/cases", who="Olga"))[1] == []
        assert (await at.ask("POST", again, {}, who="Olga"))[0] == 409
        assert at.stage.rows("select by, what from decision where what = 'read again'") == [("Olga", "read again")]


async def test_a_stopped_connection_goes_on_by_a_persons_word(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Enno", "engineer")
        at.stage.sql("insert into brake values ('erp', 'refused', 'HTTP 401', now(), now() + interval '1 hour')")
        assert (await at.ask("POST", "/v1/connections/erp/release", {}, who="Enno"))[1] == {"was_stopped": True}
        assert (await at.ask("POST", "/v1/connections/erp/release", {}, who="Enno"))[1] == {"was_stopped": False}
        assert (await at.ask("POST", "/v1/connections/none/release", {}, who="Enno"))[0] == 404


async def test_a_doubt_is_settled_by_a_persons_word(database_url: str) -> None:
    async with desk(database_url) as at:
        await at.employ("Olga", "operator")
        assert at.stage.target is not None
        at.stage.target.fault("parcel_notice", "commit_then_drop")
        placed = order("1", skus=["MUG", "TEA"])
        await at.stage.tell(shipment("S1", placed))
        await at.stage.run()
        [case] = [e for e in (await at.ask("GET", "/v1/cases", who="Olga"))[1] if e["kind"] == "doubt"]
        where = f"/v1/cases/{case['id']}/resolution"
        assert (await at.ask("POST", where, {"happened": True}, who="Olga"))[1]["field"] == "id"
        status, told = await at.ask("POST", where, {"happened": True, "id": "mail-1"}, who="Olga", key="did")
        assert status == 200, told
        assert told["act"].startswith("order:shop:1/parcel_notice")
        assert (await at.ask("POST", where, {"happened": True, "id": "mail-1"}, who="Olga", key="did"))[1] == told
        assert (await at.ask("POST", where, {"happened": False}, who="Olga"))[0] == 409
        await at.stage.checked()
