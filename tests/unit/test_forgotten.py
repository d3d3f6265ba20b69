"""Acts of a time that the database has forgotten: which are looked for, under which keys, and what is made of what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossdock.canonical.order import OrderReference, Tax
from crossdock.canonical.returns import BillingLine, CreditMemo
from crossdock.canonical.shipment import Invoice
from crossdock.connect.connector import Command
from crossdock.connect.effects import Blind, Effect, Keyed, Searchable
from crossdock.connect.receipts import Confirmed, Partial
from crossdock.deliver.following import ATTEMPTS_MAX, Situation, after, forgotten
from crossdock.deliver.remembering import recognised, under_every_key
from crossdock.deliver.sealing import Ready
from crossdock.kernel.faults import Missing, Rejected
from crossdock.kernel.money import usd
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
    body = memo(1000) if noun == "credit_memo" else OrderReference(order="1")
    command = Command(key=each.new_key, entity=ENTITY, body=body, refs={}, sealed_at=NOW)
    return Ready(each, command)


def memo(net: int) -> CreditMemo:
    """Of so many cents, and a tenth of tax."""
    line = BillingLine(component="goods", net=usd(net), taxes=(Tax(title="Tax", rate="0.1", amount=usd(net // 10)),))
    return CreditMemo(number="#1", sold_by="shop", currency="USD", memo_date=NOW, reason="a return", lines=(line,))


def posted(total: int) -> Invoice:
    return Invoice(number="I1", net=usd(total), tax=usd(0), total=usd(total))


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
    ready, there = doubtful("goods_issue"), Confirmed(id="M1")
    assert recognised(ready, {f"{ENTITY}/goods_issue:1/{CAUSE}/2": there}, FACTS) == there
    assert recognised(ready, {f"{ENTITY}/goods_issue:1/return:till:r1/1": there}, FACTS) is None
    other = recognised(doubtful(), {f"{ENTITY}/credit_memo:1/return:till:r1/1": there}, FACTS)
    assert isinstance(other, Partial)
    assert other.id == "M1"
    assert recognised(doubtful(), {}, FACTS) is None


@pytest.mark.parametrize("key", [f"{ENTITY}/credit_memo:1/{CAUSE}/1", f"{ENTITY}/credit_memo:1/return:till:r1/1"])
def test_a_level_was_brought_to_where_it_is_as_far_as_its_target_tells_and_else_a_person_looks(key: str) -> None:
    """The same cause may have been heard of in a time when less was owed for it."""
    told = [
        (memo(300), Confirmed),
        (posted(-1100), Confirmed),
        (posted(1100), Confirmed),
        (posted(-1099), Partial),
        (None, Partial),
    ]
    for body, outcome in told:
        found = recognised(doubtful(), {key: Confirmed(id="M1", body=body)}, FACTS)
        assert isinstance(found, outcome), body
        assert not isinstance(found, Confirmed) or found.body == body


def test_its_own_key_goes_before_all_others() -> None:
    ready, mine = doubtful(), Confirmed(id="M2", body=memo(1100))
    found = {ready.command.key: mine, f"{ENTITY}/credit_memo:1/return:till:r1/1": Confirmed(id="M1")}
    assert recognised(ready, found, FACTS) == mine


def test_that_its_target_refuses_it_is_no_word_on_whether_it_was_done_then() -> None:
    """The warehouse keeps our reference with what it was asked at first, and another address is another content."""
    sent = Situation(claimed("shipment_order"), "wms", [Keyed()], NOW, 0.5)
    refused = after(sent, Rejected("reference_taken", field="reference"))
    assert (Stage(refused.follow.stage), refused.outcome) == (Stage.DOUBTFUL, "in doubt")
    assert not refused.frees_accounts


def test_what_states_keep_in_step_is_looked_for_when_it_is_refused_and_is_a_persons_when_that_never_ends() -> None:
    asked = Situation(claimed("shipment_order"), "wms", [Keyed()], NOW, 0.5, kept_in_step=True)
    refused = after(asked, Rejected("reference_taken", field="reference"))
    assert (Stage(refused.follow.stage), refused.follow.wait_seconds, refused.case) == (Stage.DOUBTFUL, 0.0, None)
    often = replace(asked, claimed=asked.claimed._replace(attempts=ATTEMPTS_MAX - 1))
    assert after(often, Rejected("reference_taken", field="reference")).outcome == "in doubt"
    since = replace(asked, claimed=asked.claimed._replace(forgotten_since=None))
    assert after(since, Rejected("reference_taken", field="reference")).outcome == "rejected"


def test_what_a_person_must_map_first_or_was_looked_for_is_refused_as_ever() -> None:
    unmapped = Rejected("no product", missing=Missing("product", "X"))
    assert after(Situation(claimed("shipment_order"), "wms", [Keyed()], NOW, 0.5), unmapped).outcome == "rejected"
    searched = Situation(claimed("goods_issue", key="looked for"), "erp", [SEARCH], NOW, 0.5)
    assert after(searched, Rejected("no stock")).outcome == "rejected"
