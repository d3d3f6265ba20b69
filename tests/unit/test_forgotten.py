"""Acts of a time that the database has forgotten: which are looked for, under which keys, and what is made of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.canonical.order import OrderReference
from crossdock.connect.connector import Command
from crossdock.connect.effects import Blind, Effect, Keyed, Searchable
from crossdock.connect.receipts import Confirmed, Partial
from crossdock.deliver.following import Situation, after, forgotten
from crossdock.deliver.remembering import recognised, under_every_key
from crossdock.deliver.sealing import Ready
from crossdock.kernel.faults import Missing, Rejected
from crossdock.promises.difference import Stage
from crossdock.promises.obligations import Verb
from crossdock.store.delivery import Claimed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SET_BACK_TO = NOW - timedelta(hours=1)
SEARCH = Searchable(by="reference", visible_after=timedelta(seconds=20), max_travel=timedelta(seconds=40))
ENTITY, CAUSE = "order:shop:1", "return:till:r2"
FACTS = {ENTITY: ["order:shop:1", "return:till:r1", CAUSE]}


def claimed(noun: str = "credit_memo", *, since: datetime | None = SET_BACK_TO, key: str | None = None) -> Claimed:
    return Claimed(
        7, ENTITY, int(Stage.READY), 3, 0, 1, noun, None, f"{noun}:1", int(Verb.ACT), noun, CAUSE,
        "[]", "{}", False, b"{}", key, None, b"{}", b"", None, None, NOW, forgotten_since=since,
    )  # fmt: skip


def next_of(claimed: Claimed, effects: Sequence[Effect], *, by_level: bool = False, can_be_found: bool = True) -> Any:
    found = forgotten(Situation(claimed, "erp", effects, NOW, 0.5), by_level=by_level, can_be_found=can_be_found)
    return None if found is None else (Stage(found.follow.stage), found.follow.wait_seconds)


def test_what_can_be_searched_for_is_when_nothing_of_it_can_still_travel_even_where_its_key_is_kept() -> None:
    for effects in ([SEARCH], [Keyed(), SEARCH], [Keyed(timedelta(hours=24)), SEARCH]):
        assert next_of(claimed("goods_issue"), effects) == (Stage.DOUBTFUL, 60.0)


def test_what_its_target_knows_by_its_key_is_sent() -> None:
    assert next_of(claimed("goods_issue"), [Keyed()]) is None
    assert next_of(claimed("goods_issue"), [Keyed(timedelta(hours=24))]) is None


def test_a_key_may_have_been_first_used_as_long_ago_as_the_backup() -> None:
    assert next_of(claimed("goods_issue"), [Keyed(timedelta(hours=1))]) == (Stage.DOUBTFUL, None)


def test_what_nobody_can_look_for_is_a_persons() -> None:
    assert next_of(claimed("parcel_notice"), [Blind()]) == (Stage.DOUBTFUL, None)


def test_what_brings_a_level_to_where_it_should_be_is_looked_for_although_its_target_keeps_keys() -> None:
    assert next_of(claimed(), [Keyed()], by_level=True) == (Stage.DOUBTFUL, 0.0)
    assert next_of(claimed(), [Keyed()], by_level=True, can_be_found=False) == (Stage.DOUBTFUL, None)


def test_what_was_caused_since_or_looked_for_before_is_sent() -> None:
    assert next_of(claimed(since=None), [SEARCH]) is None
    assert next_of(claimed(key="sealed before"), [SEARCH]) is None


def doubtful(noun: str = "credit_memo", since: datetime | None = SET_BACK_TO) -> Ready:
    each = claimed(noun, since=since)
    command = Command(key=each.new_key, entity=ENTITY, body=OrderReference(order="1"), refs={}, sealed_at=NOW)
    return Ready(each, command)


def keys(ready: Ready) -> list[str]:
    return [command.key for command in under_every_key([ready], FACTS)]


def test_it_is_looked_for_under_later_ordinals_and_a_level_under_every_cause() -> None:
    own = f"{ENTITY}/goods_issue:1/{CAUSE}"
    assert keys(doubtful("goods_issue")) == [f"{own}/1", f"{own}/2", f"{own}/3", f"{own}/4"]
    level = keys(doubtful())
    assert {f"{ENTITY}/credit_memo:1/return:till:r1/{n}" for n in (1, 2, 3)} <= set(level)
    assert len(set(level)) == len(level)


def test_an_act_whose_cause_is_young_is_looked_for_under_its_own_key_only() -> None:
    assert keys(doubtful(since=None)) == [f"{ENTITY}/credit_memo:1/{CAUSE}/1"]


def test_the_same_act_under_another_ordinal_is_it_and_one_for_another_cause_is_a_doubt() -> None:
    ready, there = doubtful(), Confirmed(id="M1")
    assert recognised(ready, {f"{ENTITY}/credit_memo:1/{CAUSE}/2": there}, FACTS) == there
    other = recognised(ready, {f"{ENTITY}/credit_memo:1/return:till:r1/1": there}, FACTS)
    assert isinstance(other, Partial)
    assert other.id == "M1"
    assert recognised(ready, {}, FACTS) is None


def test_its_own_key_goes_before_all_others() -> None:
    ready, mine = doubtful(), Confirmed(id="M2")
    found = {ready.command.key: mine, f"{ENTITY}/credit_memo:1/return:till:r1/1": Confirmed(id="M1")}
    assert recognised(ready, found, FACTS) == mine


def test_that_its_target_refuses_it_is_no_word_on_whether_it_was_done_then() -> None:
    """The warehouse keeps our reference with what it was asked at first, and another address is another content."""
    sent = Situation(claimed("shipment_order"), "wms", [Keyed()], NOW, 0.5)
    refused = after(sent, Rejected("reference_taken", field="reference"))
    assert (Stage(refused.follow.stage), refused.outcome) == (Stage.DOUBTFUL, "in doubt")
    assert not refused.frees_accounts


def test_what_a_person_must_map_first_or_was_looked_for_is_refused_as_ever() -> None:
    unmapped = Rejected("no product", missing=Missing("product", "X"))
    assert after(Situation(claimed("shipment_order"), "wms", [Keyed()], NOW, 0.5), unmapped).outcome == "rejected"
    searched = Situation(claimed("goods_issue", key="looked for"), "erp", [SEARCH], NOW, 0.5)
    assert after(searched, Rejected("no stock")).outcome == "rejected"
