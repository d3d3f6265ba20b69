"""Digests of many documents in a tree of buckets, so that two sides that differ in little compare little. Pure.

A document's place is the MD5 of its id: the first 16 bits name its leaf, and each 4 bits fewer a node above. A node's sum is the
exclusive or of its documents' digests, so that it doesn't matter in which order they come. PostgreSQL reckons the same
(`sweep_leaf`, `sweep_item`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

LEVELS = 4
_BITS = 4
_FAN = 1 << _BITS
LEAVES = _FAN**LEVELS


class Node(NamedTuple):
    """How many documents are below, and the exclusive or of their digests."""

    items: int = 0
    sum: int = 0

    def plus(self, item: int) -> Node:
        return Node(self.items + 1, self.sum ^ item)

    def and_(self, other: Node) -> Node:
        return Node(self.items + other.items, self.sum ^ other.sum)


EMPTY = Node()
Level = Mapping[int, Node]


def key_of(id_: str) -> int:
    """64 bits that stand for an id."""
    return int.from_bytes(hashlib.md5(id_.encode(), usedforsecurity=False).digest()[:8])


def leaf_of(id_: str) -> int:
    return leaf_of_key(key_of(id_))


def leaf_of_key(key: int) -> int:
    return key >> 48


def item_of(id_: str, digest: bytes) -> int:
    """64 bits, signed as PostgreSQL has them, that stand for a document and its content."""
    told = hashlib.md5(id_.encode() + b"\0" + digest, usedforsecurity=False).digest()
    return int.from_bytes(told[:8], signed=True)


def levels_of(items: Mapping[int, int]) -> list[Level]:
    """The tree over {key of an id: item}, the root's level first; nodes with nothing below are left out."""
    leaves: dict[int, Node] = {}
    for key, item in items.items():
        leaf = leaf_of_key(key)
        leaves[leaf] = leaves.get(leaf, EMPTY).plus(item)
    levels: list[Level] = [leaves]
    for _ in range(LEVELS):
        levels.insert(0, _above(levels[0]))
    return levels


def _above(level: Level) -> Level:
    above: dict[int, Node] = {}
    for node, held in level.items():
        above[node >> _BITS] = above.get(node >> _BITS, EMPTY).and_(held)
    return above


def children(nodes: Iterable[int]) -> list[int]:
    """The nodes of the next level below these."""
    return [node * _FAN + child for node in nodes for child in range(_FAN)]


def parents(nodes: Iterable[int]) -> list[int]:
    return sorted({node >> _BITS for node in nodes})


def differing(asked: Iterable[int], one: Level, other: Level) -> list[int]:
    """Those of the nodes that are not the same on both sides."""
    return [node for node in asked if one.get(node, EMPTY) != other.get(node, EMPTY)]
