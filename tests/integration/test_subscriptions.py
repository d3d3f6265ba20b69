"""Subscribers are told what happens: signed, at least once, each entity's events in order, whatever their receiver does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from crossdock.gateway.catalogue import ORDER_EXAMPLE
from crossdock.gateway.notifying import Notifier
from crossdock.govern.strongbox import strongbox_of
from crossdock.observe import spans
from crossdock.observe.spans import Spans, place_in
from crossdock.store import notifying
from crossdock.store.database import run
from tests.desk import Desk, desk
from tests.integration.receivers import Manner, Receiver, receiving
from tests.integration.test_authorisation import TWO_TENANTS
from tests.stage import order, shipment, told
from tests.unit.test_hostile_urls import HOSTILE

SCOPES = ["events:read", "subscriptions:write"]
LOOPBACK = {"outside": {"allow": ["127.0.0.0/8"]}}
QUICK = {"retry_seconds": [0.01], "timeout_seconds": 0.3}


@dataclass
class Told:
    """A hub, a subscriber's receiver, and one who tells."""

    at: Desk
    receiver: Receiver
    notifier: Notifier
    id: str = ""

    async def subscribe(self, who: str = "feed", **more: Any) -> str:
        """To what happens from now on: whatever is open elsewhere on the server keeps what happened before from being read."""
        end = asyncio.get_running_loop().time() + 40
        while not self.at.stage.count(_ALL_CAN_BE_READ):
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.02)
        status, said = await self.at.ask("POST", "/v1/subscriptions", {"url": self.receiver.url} | more, who=who)
        assert status == 201, said
        self.id = said["id"]
        return said["id"]

    async def get(self, path: str = "", who: str = "feed") -> Any:
        status, said = await self.at.ask("GET", f"/v1/subscriptions/{self.id}{path}", who=who)
        assert status == 200, said
        return said

    async def turns(self, until: Callable[[], bool] | None = None, seconds: float = 40, at_least: int = 3) -> None:
        """Turn after turn, until something holds; without, until all there is can be read and was looked at."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            self.at.stage.sql("update subscription set next_at = now()")
            await self.notifier.round()
            at_least -= 1
            if at_least <= 0 and (until() if until else self.at.stage.count(_READABLE)):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"took {self.receiver.taken}, was sent {len(self.receiver.sent)}")

    def state(self) -> tuple[str, str]:
        return self.at.stage.rows("select state, reason from subscription where id = %s", self.id)[0]

    def outcomes(self) -> list[str]:
        return [row[0] for row in self.at.stage.rows("select outcome from notified order by at, id")]


_ALL_CAN_BE_READ = "select count(*) filter (where xid >= pg_snapshot_xmin(pg_current_snapshot())) = 0 from event"
_READABLE = (
    "select (bool_and(xid < pg_snapshot_xmin(pg_current_snapshot())) and not exists (select from notification))::int"
    " from event"
)


@asynccontextmanager
async def telling(
    database_url: str, manner: Manner = lambda _: 204, more: dict[str, Any] | None = None, **terms: Any
) -> AsyncGenerator[Told]:
    more = LOOPBACK | {"subscriptions": QUICK | terms} | (more or {})
    async with receiving(manner) as receiver, desk(database_url, more=more) as at:
        await at.admit("feed", SCOPES)
        settings = at.stage.hub.settings
        notifier = Notifier(at.stage.database, settings, strongbox_of(settings))
        try:
            yield Told(at, receiver, notifier)
        finally:
            await notifier.close()


async def test_what_happens_is_told_once_signed_and_as_the_feed_has_it(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        placed = order("2", skus=["MUG"])
        await it.at.stage.tell(placed, shipment("S1", placed))
        await it.at.stage.tell(told(order("2", skus=["MUG"], email="new@example.com"), 2))
        await it.turns(lambda: len(it.receiver.taken) >= 3)
        await it.turns()
        feed = (await it.at.ask("GET", "/v1/events", who="feed"))[1]["events"]
        assert it.receiver.taken == [each for each in feed if each["subject"] != "order:shop:1"]
        [secret] = (await it.get("/secrets"))["secrets"]
        for sent in it.receiver.sent:
            assert sent.is_signed_by(secret["secret"])
            assert sent.headers["webhook-id"] == sent.event["id"]
            assert sent.headers["Content-Type"] == "application/cloudevents+json"
        assert (await it.get())["waiting"] == 0
        [first, *_] = (await it.get("/deliveries?state=delivered"))["deliveries"]
        assert (first["attempts"], first["last"]["status"], first["state"]) == (1, 204, "delivered")
        assert secret["secret"] not in repr(it.at.stage.rows("select sealed from subscription_secret"))


async def test_a_delivery_is_part_of_its_order_s_trace(database_url: str) -> None:
    kept = InMemorySpanExporter()
    tracing = Spans(kept, 1.0, {})
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        spans.turn_on(tracing)
        try:
            await it.turns(lambda: bool(it.receiver.taken))
        finally:
            spans.turn_off()
    sent = place_in(it.receiver.sent[0].headers["traceparent"])
    assert sent is not None
    assert sent.trace == tracing.place_of("order:shop:2").trace
    [span] = [each for each in kept.get_finished_spans() if each.name == "notify"]
    assert (span.context.span_id, span.attributes["crossdock.outcome"]) == (sent.span, "delivered")


async def test_only_what_was_asked_for_is_told(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe(types=["crossdock.shipment.recorded"])
        placed = order("2")
        await it.at.stage.tell(placed, shipment("S1", placed))
        await it.turns(lambda: bool(it.receiver.taken))
        await it.turns()
        assert [each["type"] for each in it.receiver.taken] == ["crossdock.shipment.recorded"]


async def test_an_entity_s_events_wait_for_the_one_before_and_others_do_not(database_url: str) -> None:
    refused = 3

    def manner(event: dict[str, Any]) -> int:
        nonlocal refused
        if event["subject"] == "order:shop:2" and refused:
            refused -= 1
            return 500
        return 200

    async with telling(database_url, manner, retry_seconds=[0.4]) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"), order("3"))
        await it.at.stage.tell(told(order("2", email="b@example.com"), 2), told(order("3", email="b@example.com"), 2))
        await it.turns(lambda: len(it.receiver.taken) >= 2)
        assert it.receiver.subjects == ["order:shop:3", "order:shop:3"]
        [waiting, behind] = (await it.get("/deliveries"))["deliveries"]
        assert (waiting["last"]["status"], waiting["last"]["answer"], behind["last"]) == (500, "answered 500", None)
        await it.turns(lambda: len(it.receiver.taken) >= 4)
        assert [e["type"] for e in it.receiver.taken if e["subject"] == "order:shop:2"] == [
            "crossdock.order.recorded",
            "crossdock.order.changed",
        ]
        delivery = await it.get(f"/deliveries/{waiting['event']}")
        assert [each["status"] for each in delivery["attempts"]] == [500, 500, 500, 200]
        assert (delivery["delivery"]["state"], delivery["delivery"]["attempts"]) == ("delivered", 4)


@pytest.mark.parametrize("manner", [0.6, 503, 429], ids=["silent", "busy", "throttling"])
async def test_a_receiver_that_is_down_is_left_alone_for_a_while_and_then_told_all(
    database_url: str, manner: float
) -> None:
    async with telling(database_url, lambda _: manner, retry_seconds=[0.2]) as it:
        await it.subscribe()
        await it.at.stage.tell(*(order(str(nth)) for nth in range(2, 22)))
        await it.turns(lambda: bool(it.outcomes()), at_least=1)
        first = len(it.receiver.sent)
        assert first <= 8  # one round of what goes at once, not all twenty
        wait = it.at.stage.rows(
            "select extract(epoch from next_at - (select max(at) from notified)) from subscription"
        )[0][0]
        assert wait > 0.05
        assert (await it.get())["failing_since"]
        it.receiver.manner = lambda _: 200
        await it.turns(lambda: len(it.receiver.taken) >= 20)
        assert sorted(it.receiver.subjects) == sorted(f"order:shop:{nth}" for nth in range(2, 22))
        assert (await it.get())["failing_since"] is None
        assert set(it.outcomes()) == {"unreachable", "delivered"}


async def test_a_redirect_is_not_followed(database_url: str) -> None:
    async with telling(database_url) as it:
        it.receiver.manner = lambda _: it.receiver.url.replace("/hook", "/elsewhere")
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: len(it.receiver.sent) >= 2)
        assert it.receiver.strayed == 0
        [waiting] = (await it.get("/deliveries"))["deliveries"]
        assert (waiting["last"]["status"], waiting["last"]["outcome"]) == (307, "refused")
        assert "final address" in waiting["last"]["answer"]


async def test_gone_ends_it_until_its_consumer_says_otherwise(database_url: str) -> None:
    async with telling(database_url, lambda _: 410) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: bool(it.receiver.sent))
        await it.at.stage.tell(order("3"))
        for _ in range(5):
            it.at.stage.sql("update subscription set next_at = now()")
            assert await it.notifier.round() == 0
        assert it.state() == ("disabled", "its receiver answered 410 Gone")
        assert len(it.receiver.sent) == 1
        assert it.at.stage.cases() == []
        it.receiver.manner = lambda _: 200
        held = await it.get()
        status, said = await it.at.ask(
            "PUT", held["href"], {"url": it.receiver.url}, who="feed", **{"If-Match": it.at.headers["ETag"]}
        )
        assert (status, said["state"], said["reason"]) == (200, "active", "")
        await it.turns(lambda: len(it.receiver.taken) >= 2)
        assert sorted(it.receiver.subjects) == ["order:shop:2", "order:shop:3"]


async def test_what_fails_for_long_is_disabled_with_a_case_that_its_consumer_closes(database_url: str) -> None:
    async with telling(database_url, lambda _: 500, give_up_hours=0.5 / 3600) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"), order("3"))
        await it.turns(lambda: it.state()[0] == "disabled")
        assert "has taken nothing since" in it.state()[1]
        assert it.at.stage.cases() == [f"subscription:{it.id}"]
        assert not any(each == "given up" for each in it.outcomes())
        it.receiver.manner = lambda _: 200
        held = await it.get()
        status, _ = await it.at.ask("PUT", held["href"], {"url": it.receiver.url}, who="feed", **{"If-Match": "*"})
        assert status == 200
        assert it.at.stage.cases() == []
        await it.turns(lambda: len(it.receiver.taken) >= 2)


async def test_one_event_nobody_takes_is_given_up_with_a_case_and_the_next_go_on(database_url: str) -> None:
    def manner(event: dict[str, Any]) -> int:
        return 500 if event["type"].endswith("recorded") and event["subject"].endswith(":2") else 200

    async with telling(
        database_url, manner, give_up_hours=2 / 3600
    ) as it:  # on a busy machine others are told within it
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        await it.at.stage.tell(told(order("2", email="b@example.com"), 2))
        for nth in range(3, 1000):
            await it.at.stage.tell(order(str(nth)))
            await it.turns(lambda: True, at_least=1)
            if it.at.stage.cases():
                break
        assert it.at.stage.cases() == [f"subscription:{it.id}:given_up"]
        assert it.state() == ("active", "")
        await it.turns(lambda: "order:shop:2" in it.receiver.subjects)
        [lost] = (await it.get("/deliveries?state=given_up"))["deliveries"]
        assert (lost["subject"], lost["type"]) == ("order:shop:2", "crossdock.order.recorded")


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        [old] = (await it.get("/secrets"))["secrets"]
        status, said = await it.at.ask("POST", f"/v1/subscriptions/{it.id}/secrets", {"keep_hours": 1}, who="feed")
        assert status == 200
        assert "whsec_" not in repr(said)  # answers to a POST are kept
        new, still = (await it.get("/secrets"))["secrets"]
        assert (still["secret"], new["ends_at"]) == (old["secret"], None)
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: len(it.receiver.sent) >= 1)
        assert all(it.receiver.sent[-1].is_signed_by(each["secret"]) for each in (new, old))
        await it.at.ask("POST", f"/v1/subscriptions/{it.id}/secrets", {"keep_hours": 0}, who="feed")
        [newest] = (await it.get("/secrets"))["secrets"]
        await it.at.stage.tell(order("3"))
        await it.turns(lambda: len(it.receiver.sent) >= 2)
        assert it.receiver.sent[-1].is_signed_by(newest["secret"])
        assert not any(it.receiver.sent[-1].is_signed_by(each["secret"]) for each in (new, old))


async def test_what_happened_is_told_again_from_a_time_or_a_cursor(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.turns()
        assert it.receiver.taken == []  # told from its beginning on, not what was before
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        status, _ = await it.at.ask("POST", f"/v1/subscriptions/{it.id}/replay", {"since": since}, who="feed")
        assert status == 200
        await it.turns(lambda: it.receiver.subjects == ["order:shop:1"])
        cursor = (await it.at.ask("GET", "/v1/events", who="feed"))[1]["next"]
        await it.at.stage.tell(order("2"), order("3"))
        await it.turns(lambda: len(it.receiver.taken) >= 3)
        status, _ = await it.at.ask("POST", f"/v1/subscriptions/{it.id}/replay", {"after": cursor}, who="feed")
        assert status == 200
        await it.turns(lambda: len(it.receiver.taken) >= 5)
        assert it.receiver.subjects[1:3] == it.receiver.subjects[3:5]
        ids = [each["id"] for each in it.receiver.taken]
        assert ids[1:3] == ids[3:5]  # so that whoever keeps what they have seen is not told twice
        told_ = "select what, detail ->> 'subscription', detail ? 'before' from decision where what = 'replay'"
        assert it.at.stage.rows(told_) == [("replay", it.id, True)] * 2
        for body in ({}, {"after": cursor, "since": since}, {"since": "2020-01-01T00:00:00Z"}, {"after": "AAAA"}):
            status, _ = await it.at.ask("POST", f"/v1/subscriptions/{it.id}/replay", body, who="feed")
            assert status == 422, body


async def test_a_test_event_arrives_and_is_seen_to_arrive(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe(types=["crossdock.refund.recorded"])
        status, said = await it.at.ask("POST", f"/v1/subscriptions/{it.id}/test", {}, who="feed")
        assert (status, said["state"], said["attempts"]) == (201, "waiting", 0)
        await it.turns(lambda: bool(it.receiver.taken), at_least=1)
        assert it.receiver.taken[0]["type"] == "crossdock.test"
        delivery = await it.get(f"/deliveries/{said['event']}")
        assert [each["outcome"] for each in delivery["attempts"]] == ["delivered"]


async def test_a_paused_one_is_told_later_what_happened_meanwhile(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe(paused=True)
        await it.at.stage.tell(order("2"))
        assert await it.notifier.round() == 0
        body = {"url": it.receiver.url}
        path = f"/v1/subscriptions/{it.id}"
        for if_match, expected in (("", 428), ('"7"', 412), ('"1"', 200), ('"1"', 412)):
            headers = {"If-Match": if_match} if if_match else {}
            assert (await it.at.ask("PUT", path, body, who="feed", **headers))[0] == expected, if_match
        await it.turns(lambda: it.receiver.subjects == ["order:shop:2"])


async def test_an_ended_one_is_not_told_and_not_there(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        status, said = await it.at.ask("DELETE", f"/v1/subscriptions/{it.id}", who="feed")
        assert (status, said["id"]) == (200, it.id)
        assert (await it.at.ask("GET", f"/v1/subscriptions/{it.id}", who="feed"))[0] == 404
        assert (await it.at.ask("DELETE", f"/v1/subscriptions/{it.id}", who="feed"))[0] == 404
        assert await it.notifier.round() == 0
        assert it.at.stage.count("select count(*) from subscription_secret") == 0
        [(before,)] = it.at.stage.rows("select detail -> 'before' from decision where what = 'end subscription'")
        assert (before["url"], before["state"]) == (it.receiver.url, "active")


async def test_nobody_is_told_of_another_tenant_s_orders_nor_sees_another_s_subscription(database_url: str) -> None:
    async with telling(database_url, more=TWO_TENANTS) as it:
        await it.at.admit("north", SCOPES, "north")
        await it.at.admit("market", SCOPES, "main", "market")
        for who in ("north", "market"):
            await it.subscribe(who)
        await it.at.stage.tell(order("2"))
        mine = await it.subscribe()
        await it.at.stage.tell(order("3"))
        await it.turns(lambda: "order:shop:3" in it.receiver.subjects)
        await it.turns(at_least=6)
        assert it.receiver.subjects == ["order:shop:3"]
        for who in ("north", "market"):
            assert (await it.at.ask("GET", f"/v1/subscriptions/{mine}", who=who))[0] == 404
            [own] = (await it.at.ask("GET", "/v1/subscriptions", who=who))[1]
            assert own["consumer"] == who
        await it.at.employ("Nora", "viewer", tenants=["north"])
        assert [each["consumer"] for each in (await it.at.ask("GET", "/v1/subscriptions", who="Nora"))[1]] == ["north"]


async def test_who_may_not_subscribe_any_more_is_not_told_any_more(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        it.at.stage.sql("update consumer set scopes = '{events:read}' where name = 'feed'")
        assert await it.notifier.round() == 0
        it.at.stage.sql("update consumer set scopes = %s where name = 'feed'", SCOPES)
        await it.turns(lambda: bool(it.receiver.taken))
        await it.at.end("feed")
        it.at.stage.sql("update subscription set next_at = now()")
        assert await it.notifier.round() == 0


async def test_many_who_tell_share_the_work_and_nothing_is_told_twice_or_out_of_order(database_url: str) -> None:
    async with telling(database_url) as it:
        for _ in range(3):
            await it.subscribe()
        others = [Notifier(it.at.stage.database, it.notifier.settings, it.notifier.box) for _ in range(3)]
        for version in range(1, 6):
            await it.at.stage.tell(*(told(order(str(n), email=f"v{version}@example.com"), version) for n in (2, 3, 4)))

        async def tell(notifier: Notifier) -> None:
            while len(it.receiver.taken) < 45:
                # Not on a connection that stops this loop while it waits: whoever holds the row couldn't commit.
                async with it.at.stage.database.transaction() as tx:
                    await run(
                        tx, "select from subscription order by id for update"
                    )  # each as all do, or two wait in a ring
                    await run(tx, "update subscription set next_at = now()")
                await notifier.round()
                await asyncio.sleep(0.01)

        await asyncio.wait_for(asyncio.gather(*map(tell, [it.notifier, *others])), 60)
        await asyncio.gather(*(each.close() for each in others))
        feed = [each["id"] for each in (await it.at.ask("GET", "/v1/events", who="feed"))[1]["events"]][1:]
        assert sorted(each["id"] for each in it.receiver.taken) == sorted(feed * 3)
        assert len(it.receiver.sent) == 45


async def test_who_was_paused_past_their_lease_can_not_record(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        async with it.at.stage.database.transaction() as tx:
            paused = await notifying.claim(tx, 0.0)
        assert paused is not None
        await it.turns(lambda: bool(it.receiver.taken))
        before = it.at.stage.rows("select next_at, past, xid, event from subscription")
        async with it.at.stage.database.transaction() as tx:
            assert await notifying.heads(tx, paused, 8) == []
            queued = notifying.Queued("e", "crossdock.order.recorded", "order:shop:9", b"{}")
            await notifying.enqueue(tx, paused, [queued], paused.position)
            await notifying.leave(tx, paused, 3600)
        assert it.at.stage.rows("select next_at, past, xid, event from subscription") == before
        assert it.at.stage.count("select count(*) from notification") == 0


@pytest.mark.parametrize("what", ["edited", "replayed"])
async def test_a_turn_that_began_before_its_consumer_changed_something_changes_nothing_of_it(
    database_url: str, what: str
) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        async with it.at.stage.database.transaction() as tx:
            began = await notifying.claim(tx, 60.0)
        assert began is not None
        path = f"/v1/subscriptions/{it.id}"
        if what == "edited":
            await it.at.ask("GET", path, who="feed")
            tag = {"If-Match": it.at.headers["ETag"]}
            assert (await it.at.ask("PUT", path, {"url": it.receiver.url, "note": "new"}, who="feed", **tag))[0] == 200
        else:
            since = it.at.stage.rows("select now() - interval '1 hour'")[0][0].isoformat()
            assert (await it.at.ask("POST", f"{path}/replay", {"since": since}, who="feed"))[0] == 200
        before = it.at.stage.rows("select url, state, next_at, past, xid, event from subscription")
        async with it.at.stage.database.transaction() as tx:
            assert await notifying.heads(tx, began, 8) == []
            await notifying.enqueue(tx, began, [notifying.Queued("e", "t", "order:shop:9", b"{}")], began.position)
            assert not await notifying.disable(tx, began, "410 from where it used to be")
            await notifying.leave(tx, began, 3600)
        assert it.at.stage.rows("select url, state, next_at, past, xid, event from subscription") == before
        await it.turns(lambda: "order:shop:2" in it.receiver.subjects)


async def test_what_is_refused_holds_up_its_own_entity_and_not_what_comes_after(
    database_url: str,
) -> None:
    async with telling(database_url, lambda event: 422 if event["subject"].endswith(":2") else 204) as it:
        await it.subscribe()
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: bool(it.outcomes()))
        behind = "select id, 'e' || n, 't', 'order:shop:2', now(), '' from subscription, generate_series(1, 600) n"
        it.at.stage.sql(f"insert into notification (subscription, event, type, entity, due_at, body) {behind}")
        await it.at.stage.tell(order("3"))
        await it.turns(lambda: "order:shop:3" in it.receiver.subjects)


async def test_what_can_not_be_told_any_more_is_said_and_not_skipped(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        it.at.stage.sql("update subscription set at = now() - interval '31 days'")
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: it.state()[0] == "disabled")
        assert it.receiver.sent == []
        assert it.at.stage.cases() == [f"subscription:{it.id}"]


async def test_no_hostile_url_is_subscribed_to_and_no_more_than_so_many(database_url: str) -> None:
    async with telling(database_url, more={"outside": {}}, each_max=2) as it:
        for url in HOSTILE:
            status, said = await it.at.ask(
                "POST", "/v1/subscriptions", {"url": url.replace("{port}", "8443")}, who="feed"
            )
            assert (status, said["field"]) == (422, "url"), url
        for nth in range(3):
            body = {"url": f"https://hooks.example.com/{nth}"}
            status, _ = await it.at.ask("POST", "/v1/subscriptions", body, who="feed")
            assert status == (201 if nth < 2 else 409)


async def test_who_asks_for_many_at_once_gets_no_more_than_so_many(database_url: str) -> None:
    async with telling(database_url, more={"outside": {}}, each_max=1) as it:
        bodies = [{"url": f"https://hooks.example.com/{nth}"} for nth in range(6)]
        said = await asyncio.gather(*(it.at.ask("POST", "/v1/subscriptions", each, who="feed") for each in bodies))
        assert sorted(status for status, _ in said) == [201] + [409] * 5


async def test_a_repeat_is_answered_with_the_etag_and_correlation_id_of_the_first(database_url: str) -> None:
    async with telling(database_url, more={"connections": {"market": {"connector": "partner"}}}) as it:
        await it.at.admit("market", ["orders:write"], "main", "market")
        for who, path, body in (
            ("feed", "/v1/subscriptions", {"url": it.receiver.url}),
            ("market", "/v1/orders", ORDER_EXAMPLE),
        ):
            said = [(await it.at.ask("POST", path, body, who=who, key="once"), it.at.headers) for _ in range(2)]
            (first, headers), (second, again) = said
            assert (first, again["Idempotent-Replayed"]) == (second, "true")
            for name in ("ETag", "Correlation-Id", "Location"):
                assert headers.get(name) == again.get(name), name
            assert headers["ETag"] == '"1"'


async def test_a_type_that_only_looks_like_one_is_refused(database_url: str) -> None:
    async with telling(database_url) as it:
        for wrong in ("crossdock.order.recorded\n", "crossdock.order", "order.recorded"):
            body = {"url": it.receiver.url, "types": ["crossdock.order.gone", wrong]}
            status, said = await it.at.ask("POST", "/v1/subscriptions", body, who="feed")
            assert (status, said["field"]) == (422, "types[1]"), said


async def test_what_is_gone_is_told_after_a_replay_from_what_is_kept_and_a_word_to_go_on(database_url: str) -> None:
    """As docs/howto/subscribe.md has it: replay first, which moves its place, then let it go on."""
    async with telling(database_url) as it:
        await it.subscribe()
        it.at.stage.sql("update subscription set at = now() - interval '31 days'")
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: it.state()[0] == "disabled")
        path, since = f"/v1/subscriptions/{it.id}", (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        go_on = ("PUT", path, {"url": it.receiver.url})
        assert (await it.at.ask(*go_on, who="feed", **{"If-Match": "*"}))[0] == 200
        await it.turns(lambda: it.state()[0] == "disabled")  # it stands where nothing is kept, still
        status, said = await it.at.ask("POST", f"{path}/replay", {"since": since}, who="feed")
        assert (status, said["state"]) == (200, "disabled")
        assert (await it.at.ask(*go_on, who="feed", **{"If-Match": "*"}))[0] == 200
        await it.turns(lambda: "order:shop:2" in it.receiver.subjects)
        assert (it.state(), it.at.stage.cases()) == (("active", ""), [])


async def test_an_address_that_is_allowed_no_longer_is_not_called(database_url: str) -> None:
    async with telling(database_url) as it:
        await it.subscribe()
        it.at.stage.sql("update subscription set url = replace(url, '127.0.0.1', '[::1]')")
        await it.at.stage.tell(order("2"))
        await it.turns(lambda: bool(it.outcomes()))
        assert it.receiver.sent == []
        [waiting] = (await it.get("/deliveries"))["deliveries"]
        assert "not public" in waiting["last"]["answer"]
