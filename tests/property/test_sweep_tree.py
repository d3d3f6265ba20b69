"""The tree of digests: the same however it is built, different where its documents are, and what PostgreSQL reckons."""

from __future__ import annotations

import os

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from crossdock.sweep import tree

_NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=40)
_DIGESTS = st.binary(min_size=16, max_size=16)
_HELD = st.dictionaries(_NAMES, _DIGESTS, max_size=60)


def _items(held: dict[str, bytes]) -> dict[int, int]:
    return {tree.key_of(id_): tree.item_of(id_, digest) for id_, digest in held.items()}


def _descend(one: list[tree.Level], other: list[tree.Level]) -> tuple[list[int], int]:
    """The differing leaves, from the root down, and how many nodes were looked at."""
    asked, looked = [0], 0
    for here, there in zip(one, other, strict=True):
        looked += len(asked)
        found = tree.differing(asked, here, there)
        asked = tree.children(found)
    return [node // 16 for node in asked[::16]], looked


@given(_HELD, st.randoms())
def test_the_order_in_which_documents_come_makes_no_difference(held: dict[str, bytes], luck):
    shuffled = list(held.items())
    luck.shuffle(shuffled)
    assert tree.levels_of(_items(held)) == tree.levels_of(_items(dict(shuffled)))


@given(_HELD, _HELD)
def test_exactly_the_leaves_of_documents_that_differ_are_found(one: dict[str, bytes], other: dict[str, bytes]):
    expected = {tree.leaf_of(id_) for id_ in one.keys() | other.keys() if one.get(id_) != other.get(id_)}
    found, _ = _descend(tree.levels_of(_items(one)), tree.levels_of(_items(other)))
    assert set(found) == expected


@given(_HELD, _DIGESTS)
def test_equal_sides_are_told_by_their_roots_alone(held: dict[str, bytes], digest: bytes):
    _, looked = _descend(tree.levels_of(_items(held)), tree.levels_of(_items(dict(held))))
    assert looked == 1


@given(st.integers(1, 8))
@settings(max_examples=10, deadline=None)
def test_among_thousands_one_difference_costs_the_same_few_nodes(edits: int):
    held = {f"order-{n}": b"a" * 16 for n in range(5_000)}
    edited = held | {f"order-{n * 601}": b"b" * 16 for n in range(edits)}
    found, looked = _descend(tree.levels_of(_items(held)), tree.levels_of(_items(edited)))
    assert len(found) == edits
    assert looked <= 1 + edits * 16 * tree.LEVELS


@given(_HELD)
def test_every_level_counts_all_documents(held: dict[str, bytes]):
    assert {sum(node.items for node in level.values()) for level in tree.levels_of(_items(held))} <= {len(held)}


@settings(max_examples=5, deadline=None)
@given(st.dictionaries(_NAMES, _DIGESTS, min_size=1, max_size=40))
def test_postgresql_reckons_leaves_and_digests_alike(held: dict[str, bytes]):
    url = make_conninfo(os.environ["CROSSDOCK_TEST_SERVER_URL"], dbname="crossdock_template")
    with psycopg.connect(url) as connection:
        for id_, digest in held.items():
            [row] = connection.execute("select sweep_leaf(%s), sweep_item(%s, %s)", (id_, id_, digest)).fetchall()
            assert row == (tree.leaf_of(id_), tree.item_of(id_, digest))
