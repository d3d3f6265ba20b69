"""The algebra of money and of splitting it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossdock.kernel.money import AnyMoney, Money, allocate, from_decimal, to_decimal, total

CURRENCIES = st.sampled_from(["JPY", "KRW", "EUR", "USD", "KWD", "BHD", "CLF", "UYW"])
MINORS = st.integers(-(2**63), 2**63 - 1)
AMOUNTS = st.builds(Money, MINORS, CURRENCIES)
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any)


@given(AMOUNTS)
def test_an_amount_survives_the_way_out_and_back(amount: AnyMoney) -> None:
    assert from_decimal(to_decimal(amount), amount.currency) == amount
    assert from_decimal(str(to_decimal(amount)), amount.currency) == amount


@given(MINORS, MINORS, MINORS, CURRENCIES)
def test_sums_do_not_depend_on_their_order(a: int, b: int, c: int, currency: str) -> None:
    x, y, z = (Money(minor, currency) for minor in (a, b, c))
    assert (x + y) + z == x + (y + z)
    assert x + y == y + x == total([y, x], currency)
    assert x - y == x + -y
    assert x + -x == Money(0, currency)


@given(MINORS, st.integers(0, 50), CURRENCIES)
def test_so_many_times_an_amount_is_the_amount_added_so_often(minor: int, count: int, currency: str) -> None:
    assert Money(minor, currency) * count == total([Money(minor, currency)] * count, currency)


@given(AMOUNTS, WEIGHTS)
def test_parts_sum_to_the_whole_to_the_cent(amount: AnyMoney, weights: list[int]) -> None:
    assert total(allocate(amount, weights), amount.currency) == amount


@given(AMOUNTS, WEIGHTS)
def test_the_first_parts_together_are_never_off_by_more_than_half_a_minor_unit(
    amount: AnyMoney, weights: list[int]
) -> None:
    parts, whole, given_out = allocate(amount, weights), sum(weights), 0
    for count, part in enumerate(parts, start=1):
        given_out += part.minor
        assert abs(2 * (given_out * whole - amount.minor * sum(weights[:count]))) <= whole


@given(AMOUNTS, st.lists(st.integers(1, 1000), min_size=2, max_size=12), st.data())
def test_a_part_given_out_does_not_change_when_later_parts_are_split_further(
    amount: AnyMoney, weights: list[int], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(weights) - 1))
    rest = sum(weights[kept:])
    assert allocate(amount, [*weights[:kept], rest])[:kept] == allocate(amount, weights)[:kept]


@given(AMOUNTS, WEIGHTS)
def test_a_refund_splits_as_its_charge_did(amount: AnyMoney, weights: list[int]) -> None:
    assert [-part for part in allocate(amount, weights)] == allocate(-amount, weights)


@given(AMOUNTS, WEIGHTS)
def test_no_part_has_the_opposite_sign(amount: AnyMoney, weights: list[int]) -> None:
    assert all(part.minor * amount.minor >= 0 for part in allocate(amount, weights))
    assert all(part.minor == 0 for part, weight in zip(allocate(amount, weights), weights, strict=True) if weight == 0)
