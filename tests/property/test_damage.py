"""Damage to a message: always sixty kinds, never the message itself, and the same every time."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from crossdock.connect.damage import COUNT, damaged, fields_of, without

LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12) | st.just("12.50")
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(JSON.map(msgspec.json.encode) | st.binary(max_size=40))
def test_any_message_can_be_damaged_in_sixty_different_ways(body: bytes) -> None:
    bodies = [harm.body for harm in damaged(body)]
    assert len(set(bodies)) == COUNT == 60
    assert body not in bodies


@given(JSON.map(msgspec.json.encode))
def test_the_same_message_is_always_damaged_in_the_same_ways(body: bytes) -> None:
    assert damaged(body) == damaged(body)


@given(st.dictionaries(st.text(min_size=1, max_size=6), LEAVES, min_size=1, max_size=5))
def test_without_a_field_the_rest_is_as_it_was(message: dict[str, Any]) -> None:
    body = msgspec.json.encode(message)
    for path in fields_of(body):
        assert json.loads(without(body, path)) == {name: value for name, value in message.items() if (name,) != path}


def test_the_fields_named_are_the_ones_that_are_damaged() -> None:
    body = b'{"id":7,"lines":[{"sku":"MUG","units":2},{"sku":"TEA","units":1}],"note":"hello","by":"ann"}'
    names = [harm.name for harm in damaged(body, [("lines", 0, "units"), ("id",)])]
    assert "lines.0.units negative" in names
    assert "id of another type" in names
    whole = [harm for harm in damaged(body) if harm.hopeless]
    assert len(whole) > 15
    assert all(b'"units":2' not in harm.body or len(harm.body) != len(body) for harm in whole)
