"""Sixty ways to damage a good message, the same sixty every time: what a connector's translation must survive."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any, cast

import msgspec

COUNT = 60
DEPTH = 100_000
"""Nesting that no parser's stack survives unless it counts."""
LENGTH = 200_000
"""Characters in a field that should hold a name or a number."""

Step = str | int
Path = tuple[Step, ...]
"""How to get to a field: ("line_items", 0, "sku")."""


class Damaged(msgspec.Struct, frozen=True):
    """One damaged message. `hopeless`: nothing of it can be trusted, so that no fact may come of it."""

    name: str
    body: bytes
    hopeless: bool


def damaged(body: bytes, fields: Sequence[Path] = ()) -> list[Damaged]:
    """Sixty different damaged messages from a good one, none equal to it.

    `fields` are the fields most worth damaging, best first; without them all fields are dealt with in turn. A body that is
    no JSON is only damaged as a whole.
    """
    made: dict[bytes, Damaged] = {}
    for item in _every_way(body, fields):
        if item.body != body and item.body not in made:
            made[item.body] = item
        if len(made) == COUNT:
            break
    return list(made.values())


def fields_of(body: bytes) -> list[Path]:
    """Every field of a JSON message, of lists the first and the last element; none when it is no JSON."""
    try:
        return list(_paths(msgspec.json.decode(body), ()))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def without(body: bytes, path: Path) -> bytes:
    """The JSON message without one field."""
    return _changed(body, path, _REMOVED)


def _every_way(body: bytes, fields: Sequence[Path]) -> Iterator[Damaged]:
    yield from _as_a_whole(body)
    known = fields_of(body)
    yield from _in_a_field(body, [*fields, *(path for path in _dealt(known) if path not in set(fields))])
    yield from _cut_and_bent(body)


def _as_a_whole(body: bytes) -> Iterator[Damaged]:
    for name, replaced in _REPLACED.items():
        yield Damaged(name, replaced, hopeless=True)
    for name, kept in (("1 byte", 1), ("a quarter", len(body) // 4), ("half", len(body) // 2), ("most", len(body) - 2)):
        yield Damaged(f"cut after {name}", body[:kept], hopeless=True)
    # Harmless inside a field that nobody reads: msgspec doesn't decode those.
    yield Damaged("a byte that is no UTF-8", body[: len(body) // 2] + b"\xff" + body[len(body) // 2 :], hopeless=False)
    yield Damaged("UTF-16", body.decode(errors="replace").encode("utf-16"), hopeless=True)
    yield Damaged("compressed", gzip.compress(body, mtime=0), hopeless=True)
    yield Damaged("twice in a row", body + body, hopeless=True)
    yield Damaged("followed by rubbish", body + b"}{", hopeless=True)
    yield Damaged("apostrophes for quotes", body.replace(b'"', b"'"), hopeless=True)
    yield Damaged("a byte order mark", b"\xef\xbb\xbf" + body, hopeless=False)
    yield Damaged("in a list", b"[" + body + b"]", hopeless=False)


_REPLACED = {
    "empty": b"",
    "blanks": b" \r\n\t ",
    "prose": b"Service temporarily unavailable",
    "a web page": b"<!doctype html><html><body>Sign in</body></html>",
    "null": b"null",
    "true": b"true",
    "a number": b"0",
    "a string": b'"order"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "NaN": b"NaN",
    "lists 100,000 deep": b"[" * DEPTH + b"]" * DEPTH,
    "objects 100,000 deep": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
}

_REMOVED = "a3f1-removed"
_MARK = "a3f1-marked"


def _raw(text: bytes) -> Callable[[Any], bytes]:
    return lambda _value: text


def _negative(value: Any) -> bytes:
    return msgspec.json.encode(f"-{value}" if isinstance(value, str) else -abs(value or 1))


_BENT: dict[str, Callable[[Any], bytes]] = {
    "of another type": lambda value: b'"text"' if isinstance(value, (int, float, list, dict)) else b'{"text":1}',
    "null": _raw(b"null"),
    "negative": _negative,
    "a number of 40 digits": lambda value: b'"' + b"9" * 40 + b'"' if isinstance(value, str) else b"9" * 40,
    "200,000 characters long": _raw(b'"' + b"x" * LENGTH + b'"'),
    "an empty string": _raw(b'""'),
    "a list": lambda value: b"[]" if not isinstance(value, list) else b"{}",
    "NaN": _raw(b"NaN"),
    "beyond a float": lambda value: b'"1E+999999"' if isinstance(value, str) else b"1e999",
    "100,000 deep": _raw(b"[" * DEPTH + b"]" * DEPTH),
    "a control character": _raw(rb'"\u0000"'),
    "half a character": _raw(rb'"\ud800"'),
    "true": _raw(b"true"),
    "a fraction": lambda value: b'"0.0000001"' if isinstance(value, str) else b"0.5",
}
"""The raw JSON put in a field's place. Only what can be negative is made negative (see `_fits`)."""
_GONE = "missing"
_TWICE = "given twice"


def _in_a_field(body: bytes, paths: Sequence[Path]) -> Iterator[Damaged]:
    """Damage kinds in turn, each starting at another field, so that sixty spread over kinds and fields."""
    if not paths:
        return
    kinds, whole = [_GONE, *_BENT, _TWICE], msgspec.json.decode(body)
    turns = {
        kind: iter(_rotated([path for path in paths if _fits(kind, path, _at(whole, path))], by=start))
        for start, kind in enumerate(kinds)
    }
    for kind in islice(cycle(kinds), len(kinds) * len(paths)):
        path = next(turns[kind], None)
        if path is not None:
            yield Damaged(f"{_spelt(path)} {kind}", _bent(body, path, kind, _at(whole, path)), hopeless=False)


def _rotated(paths: list[Path], by: int) -> list[Path]:
    by = by % len(paths) if paths else 0
    return paths[by:] + paths[:by]


def _bent(body: bytes, path: Path, kind: str, value: Any) -> bytes:
    if kind == _GONE:
        return without(body, path)
    if kind == _TWICE:
        again = msgspec.json.encode(value) + b"," + msgspec.json.encode(str(path[-1])) + b":null"
        return _changed(body, path, _MARK).replace(msgspec.json.encode(_MARK), again)
    return _changed(body, path, _MARK).replace(msgspec.json.encode(_MARK), _BENT[kind](value))


def _fits(kind: str, path: Path, value: Any) -> bool:
    if kind in ("negative", "beyond a float", "a fraction"):
        return _is_number(value)
    return kind != _TWICE or isinstance(path[-1], str)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.replace(".", "", 1).isdigit()
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cut_and_bent(body: bytes) -> Iterator[Damaged]:
    """As many more as are needed: cut anywhere, and single bytes that are not text."""
    for part in range(1, 2 * COUNT):
        at = len(body) * part // (2 * COUNT)
        yield Damaged(f"cut after {at} bytes", body[:at], hopeless=True)
        yield Damaged(f"byte {at} zero", body[:at] + b"\0" + body[at + 1 :], hopeless=False)
    for more in range(1, COUNT):
        yield Damaged(f"followed by {more} zero bytes", body + bytes(more), hopeless=True)


def _paths(value: Any, above: Path) -> Iterator[Path]:
    if above:
        yield above
    inside: list[tuple[Step, Any]] = []
    if isinstance(value, dict):
        inside = list(cast("dict[Step, Any]", value).items())
    elif isinstance(value, list):
        numbered = list(enumerate(cast("list[Any]", value)))
        inside = [*numbered[:1], *numbered[1:][-1:]]
    for step, below in inside:
        yield from _paths(below, (*above, step))


def _dealt(paths: list[Path]) -> list[Path]:
    """In an order that has nothing to do with the message's, yet is always the same."""
    return sorted(paths, key=lambda path: zlib.crc32(_spelt(path).encode()))


def _spelt(path: Path) -> str:
    return ".".join(map(str, path))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _changed(body: bytes, path: Path, new: str) -> bytes:
    whole = msgspec.json.decode(body)
    parent = _at(whole, path[:-1])
    if new == _REMOVED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return msgspec.json.encode(whole)
