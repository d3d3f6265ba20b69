"""What waits for people's word: asked for, given and withdrawn with the facts; counted once, and never after it ran out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from crossdock.canonical.order import SalesOrder
from crossdock.govern.approving import Approver, Decided, Verdict, what_waits
from crossdock.promises.approvals import approved, digest_of, rejected
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation, Priority, Trouble
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Standing
from crossdock.store.brakes import Brake, apply_brake, lift_brake
from crossdock.store.decisions import NotDecidable
from tests.stage import Stage, order, staged, told
from tests.standin.target import Target

PEOPLE = {"finance": ("Mara", "Otto", "Ines"), "warehouse": ("Wim",)}


def sale_with_leave(standing: Standing, _: Policy) -> Iterable[Obligation]:
    """Rules under which a sale needs leave: of one person, and of two above 50."""
    fact = standing.one("order")
    if fact is None:
        return
    placed = fact.body
    people = 2 if placed.total.minor > 5000 else 1
    digest = digest_of(placed.total, "erp", fact.id)
    until = approved(standing, digest, people, "finance")
    if no := rejected(standing, digest):
        yield Trouble(cause="forbidden", title="Forbidden", remedy="Ask them.", detail=f"{no.by} said no: {no.note}")
    if until is None:
        yield ApprovalNeeded(
            name="sale",
            role="finance",
            people=people,
            digest=digest,
            what=f"sell {placed.total} for {placed.number}",
            amount=placed.total,
            payee="erp",
            cause=fact.id,
            until=standing.as_of.replace(microsecond=0) + timedelta(hours=8),
        )
        return
    yield Act(
        name="sale",
        to="erp",
        body=SalesOrder(order=placed, sold_by="shop"),
        cause=fact,
        by=fact.recorded_at + timedelta(minutes=15),
        priority=Priority.ORDERS,
        valid_until=until,
    )


@contextlib.asynccontextmanager
async def leave_needed(database_url: str) -> AsyncGenerator[tuple[Stage, Target]]:
    async with Target().serve() as target, staged(database_url, target) as stage:
        stage.hub.rules = replace(stage.hub.rules, owed=sale_with_leave)
        yield stage, target


async def say(
    stage: Stage, wanted: str, verdict: Verdict = "approved", by: str = "mara", role: str | None = None
) -> Decided:
    async with stage.database.transaction() as tx:
        return await Approver(tx, PEOPLE, by, role).decide(wanted, verdict, "because")


async def asked(stage: Stage) -> list[tuple[int, str, int]]:
    async with stage.database.transaction() as tx:
        return [(a.request.id, a.request.digest, len(a.approved_by)) for a in await what_waits(tx)]


async def test_an_act_waits_for_its_approval_and_happens_once_with_it(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(order())
        await stage.run()
        assert target.effects("sales_order") == []
        [(id_, digest, _)] = await asked(stage)
        assert (await say(stage, str(id_), by="MARA")).by == "Mara"
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        assert await asked(stage) == []
        [(connection, kind, name)] = stage.rows("select connection, kind, id from document where connection = 'people'")
        assert (connection, kind, name) == ("people", "approval", f"order:shop:1/{digest[:16]}/mara")
        assert stage.rows("select by, what from decision") == [("Mara", "approve")]
        await stage.checked()
        made = stage.promises_made()
        await stage.replay()  # S5: what people said comes in again, too
        await stage.run()
        assert stage.promises_made() == made
        assert len(target.effects("sales_order")) == 1
        await stage.checked()


async def test_a_request_is_named_by_its_id_or_digest_and_by_nothing_else(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, _):
        await stage.tell(order())
        [(id_, digest, _)] = await asked(stage)
        for wanted in ("999", digest[:7], "0" * 32, "", "%", "' or 1=1"):
            with pytest.raises(NotDecidable, match="not asked for"):
                await say(stage, wanted)
        assert (await say(stage, digest[:16])).request.id == id_


async def test_whoever_is_not_in_the_role_is_refused_with_the_remedy(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(order())
        [(id_, _, _)] = await asked(stage)
        with pytest.raises(NotDecidable, match=r"Mara, Otto, Ines; .* add wim to people.finance"):
            await say(stage, str(id_), by="wim")
        with pytest.raises(NotDecidable, match="not for warehouse"):
            await say(stage, str(id_), by="mara", role="warehouse")
        await stage.run()
        assert target.effects("sales_order") == []
        assert stage.count("select count(*) from inbox where connection = 'people'") == 0
        assert stage.count("select count(*) from decision") == 0


async def test_another_amount_is_another_request_and_the_old_word_does_not_count(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        placed = order()
        await stage.tell(told(placed, 1))
        [(id_, digest, _)] = await asked(stage)
        await stage.receive(told(msgspec.structs.replace(placed, total=placed.total * 2), 2))
        await say(stage, str(id_))  # given for what it was, while the change was under way
        await stage.run()
        assert target.effects("sales_order") == []
        [(other, changed, _)] = await asked(stage)
        assert other != id_
        assert changed != digest
        for old in (str(id_), digest):
            with pytest.raises(NotDecidable, match="any more"):
                await say(stage, old)
        await stage.checked()


async def test_two_approvers_are_two_people(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(order(units=9))
        [(id_, _, _)] = await asked(stage)
        assert (await say(stage, str(id_), by="mara")).missing == 1
        with pytest.raises(NotDecidable, match=r"Mara has approved .* 2 different people"):
            await say(stage, str(id_), by="MARA")  # before her first word is even translated
        await stage.run()
        with pytest.raises(NotDecidable, match="Mara has approved"):
            await say(stage, str(id_), by="mara")
        assert target.effects("sales_order") == []
        assert [count for _, _, count in await asked(stage)] == [1]
        assert (await say(stage, str(id_), by="otto")).missing == 0
        await stage.run()
        assert len(target.effects("sales_order")) == 1


async def test_a_no_is_a_case_until_whoever_said_it_says_yes(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(order())
        [(id_, _, _)] = await asked(stage)
        await say(stage, str(id_), "rejected", by="otto")
        await stage.run()
        assert stage.cases() == ["forbidden"]
        await say(stage, str(id_), "approved", by="mara")
        await stage.run()
        assert target.effects("sales_order") == []
        await say(stage, str(id_), "approved", by="otto")
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        assert stage.cases() == []


async def test_what_an_approval_allowed_is_not_sealed_after_it_ran_out(database_url: str) -> None:
    """A braked lane outlives the approval: the promise is taken back, and asked for anew."""
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(order())
        async with stage.database.transaction() as tx:
            await apply_brake(tx, Brake("erp", "refused", "credentials"))
        [(id_, _, _)] = await asked(stage)
        given = await say(stage, str(id_))
        await stage.settle()
        assert stage.stages() == {"order:shop:1/sale": 0}
        await stage.deliver()
        # An hour passes: the word ends now, in its fact and in what was promised on it.
        _an_hour_later(stage)
        async with stage.database.transaction() as tx:
            await lift_brake(tx, "erp", "a person")
        await stage.deliver()
        assert target.calls == []
        assert stage.rows("select outcome from attempt") == [("expired",)]
        await stage.run()
        assert target.effects("sales_order") == []
        assert stage.count("select count(*) from due") == 0
        [(again, _, held)] = await asked(stage)
        assert held == 0
        await say(stage, str(again))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        assert given.expires_at > datetime.now(UTC)
        await stage.checked()


def _an_hour_later(stage: Stage) -> None:
    stage.sql("alter table promise disable trigger promise_stays")
    stage.sql("update promise set valid_until = now() - interval '1 second' where valid_until is not null")
    stage.sql("alter table promise enable trigger promise_stays")
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    [(body,)] = stage.rows("select body from document where kind = 'approval'")
    said = msgspec.json.decode(body) | {"expires_at": past}
    stage.sql("update document set body = %s where kind = 'approval'", msgspec.json.encode(said))
    stage.sql("update decision set detail = detail || jsonb_build_object('expires_at', %s::text)", past)


async def test_a_later_end_of_the_approval_replaces_what_was_promised_on_the_earlier(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, _):
        await stage.tell(order())
        async with stage.database.transaction() as tx:
            await apply_brake(tx, Brake("erp", "refused", "credentials"))
        [(id_, _, _)] = await asked(stage)
        await say(stage, str(id_), by="mara")
        # A second person's word comes in while the request is still shown; it holds longer.
        stage.sql("update approval_request set hours = 48")
        await say(stage, str(id_), by="otto")
        await stage.settle()
        [(until,)] = stage.rows("select valid_until from promise")
        assert until - datetime.now(UTC) > timedelta(hours=47)
        await stage.checked()


async def test_requests_of_many_entities_are_kept_apart(database_url: str) -> None:
    async with leave_needed(database_url) as (stage, target):
        await stage.tell(*(order(str(at)) for at in range(1, 31)))
        waiting = await asked(stage)
        assert len({id_ for id_, _, _ in waiting}) == 30
        await say(stage, str(waiting[7][0]))
        await stage.run()
        assert len(target.effects("sales_order")) == 1
        assert len(await asked(stage)) == 29
        await stage.checked()
