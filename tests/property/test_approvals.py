"""People's words: in any order they say the same, each person is counted once, and none after it has run out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.canonical.returns import Approval
from crossdock.kernel.money import Money, usd
from crossdock.promises.approvals import approved, digest_of, rejected
from crossdock.promises.standing import Fact, Standing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
THIS = digest_of(usd(3000), "Visa 4242", "return:shop:R7")

words = st.builds(
    Approval,
    digest=st.sampled_from([THIS, digest_of(usd(3001), "Visa 4242", "return:shop:R7")]),
    verdict=st.sampled_from(["approved", "approved", "approved", "rejected"]),
    by=st.sampled_from(["mara", "Mara", "otto", "ines", "OTTO"]),
    role=st.sampled_from(["finance", "finance", "warehouse"]),
    decided_at=st.integers(-50, 0).map(lambda hours: NOW + timedelta(hours=hours)),
    expires_at=st.integers(-3, 30).map(lambda hours: NOW + timedelta(hours=hours)),
)


def standing(said: Sequence[Approval], as_of: datetime = NOW) -> Standing:
    facts = tuple(
        Fact(f"approval:people:{at}", "approval", "people", word.decided_at, word.decided_at, word)
        for at, word in enumerate(said)
    )
    return Standing("order:shop:1", facts, as_of)


@given(
    st.lists(words, max_size=6).flatmap(lambda said: st.tuples(st.just(said), st.permutations(said))), st.integers(1, 3)
)
def test_the_order_of_approvals_makes_no_difference(said: tuple[list[Approval], list[Approval]], people: int) -> None:
    one, other = standing(said[0]), standing(said[1])
    assert approved(one, THIS, people, "finance") == approved(other, THIS, people, "finance")
    assert rejected(one, THIS) == rejected(other, THIS)


@pytest.mark.parametrize("other", [{"role": "warehouse"}, {"by": "Mara"}, {"note": "as agreed"}])
@pytest.mark.parametrize("verdict", ["approved", "rejected"])
def test_two_words_of_one_person_at_one_moment_say_the_same_in_either_order(
    other: dict[str, str], verdict: Any
) -> None:
    until = NOW + timedelta(hours=1)
    word = Approval(digest=THIS, verdict=verdict, by="mara", role="finance", decided_at=NOW, expires_at=until)
    both = [word, msgspec.structs.replace(word, **other)]
    one, turned = standing(both), standing(both[::-1])
    assert approved(one, THIS, 1, "finance") == approved(turned, THIS, 1, "finance")
    assert rejected(one, THIS) == rejected(turned, THIS)


@given(st.lists(words, max_size=6), st.integers(1, 3))
def test_as_many_different_people_as_needed_hold_it_up_and_not_longer_than_they_said(
    said: list[Approval], people: int
) -> None:
    until = approved(standing(said), THIS, people, "finance")
    if until is None:
        return
    assert until > NOW
    holding = {w.by.casefold() for w in said if w.digest == THIS and w.role == "finance" and w.expires_at >= until}
    assert len(holding) >= people
    assert approved(standing(said, until), THIS, people, "finance") is None


@given(st.lists(words, max_size=6), st.sampled_from(["mara", "Mara", "MARA"]), st.integers(1, 3))
def test_the_same_person_counts_once(said: list[Approval], by: str, people: int) -> None:
    alone = [Approval(digest=THIS, verdict="approved", by=by, role="finance", decided_at=NOW + timedelta(hours=h),
                      expires_at=NOW + timedelta(hours=24 + h)) for h in (-3, -2, -1)]  # fmt: skip
    assert approved(standing(alone), THIS, 1, "finance") == NOW + timedelta(hours=23)
    assert approved(standing(alone), THIS, 2, "finance") is None


@given(st.lists(words, max_size=6))
def test_what_has_run_out_does_not_count(said: list[Approval]) -> None:
    over = [w for w in said if w.expires_at <= NOW or w.verdict == "rejected"]
    assert approved(standing(over), THIS, 1, "finance") is None


@given(st.lists(words, max_size=6), st.integers(1, 3))
def test_a_no_stands_until_the_same_person_says_yes(said: list[Approval], people: int) -> None:
    no = rejected(standing(said), THIS)
    if no is None:
        return
    assert approved(standing(said), THIS, people, "finance") is None
    changed = [
        Approval(digest=THIS, verdict="approved", by=by, role="finance", decided_at=NOW + timedelta(hours=1),
                 expires_at=NOW + timedelta(hours=9))
        for by in {w.by.casefold() for w in said if w.verdict == "rejected"}
    ]  # fmt: skip
    assert rejected(standing([*said, *changed]), THIS) is None


@given(st.integers(), st.sampled_from(["USD", "EUR"]), st.text(max_size=9), st.text(max_size=9))
def test_a_digest_tells_amount_payee_and_cause_apart(minor: int, currency: str, payee: str, cause: str) -> None:
    first = digest_of(Money(minor, currency), payee, cause)
    assert first == digest_of(Money(minor, currency), payee, cause)
    assert len(first) == 32
    assert first != digest_of(Money(minor + 1, currency), payee, cause)
    assert first != digest_of(Money(minor, "GBP"), payee, cause)
    assert first != digest_of(Money(minor, currency), payee + "x", cause)
    assert first != digest_of(Money(minor, currency), payee, cause + "x")
    assert payee == cause or first != digest_of(Money(minor, currency), cause, payee)
