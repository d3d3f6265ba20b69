"""What was sent or received, as a tree for people to read, with the field marked that the trouble is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from crossdock.console.wording import amount

_AT = re.compile(r"`\$((?:\.[A-Za-z_]\w*|\[\d+\]|\[\.\.\.\])*)`")
_TEXT_CHARACTERS_MAX = 400
# Nobody reads further, and a page of an order with 10,000 lines has to stay a page.
_CHILDREN_MAX = 60
_NODES_MAX = 1_500


@dataclass(frozen=True)
class Node:
    """One key with its value as text, or with what is in it."""

    key: str
    text: str | None
    children: tuple[Node, ...]
    marked: bool


@dataclass(frozen=True)
class Marks:
    """What to mark: a path of keys, values that equal one, or the fields of a name in whatever spelling."""

    path: tuple[str, ...] = ()
    value: str = ""
    field: str = ""

    def fits(self, path: tuple[str, ...], value: Any) -> bool:
        if self.path and len(path) == len(self.path):
            return all(wanted in ("[...]", key) for wanted, key in zip(self.path, path, strict=True))
        if self.value and value == self.value:
            return True
        return bool(self.field) and bool(path) and plain(path[-1]) == self.field


def marks_of(cause: str, detail: str, field: str | None) -> Marks:
    """From a case's cause and an item's words: the missing key of a mapping, the path of a misfit, the refused field."""
    if cause.startswith("map/"):
        return Marks(value=cause.split("/", 3)[3])
    if (found := _AT.search(detail)) is not None:
        return Marks(path=tuple(_steps(found[1])))
    return Marks(field=plain(re.split(r"[./\[\]]", field.rstrip("]"))[-1]) if field else "")


def _steps(path: str) -> Iterator[str]:
    for name, at in re.findall(r"\.([A-Za-z_]\w*)|(\[[^\]]*\])", path):
        yield name or (at if at == "[...]" else at[1:-1])


def plain(name: str) -> str:
    """A field's name in whatever spelling: `postalCode` and `postal_code` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def tree(body: Any, marks: Marks) -> tuple[Node, ...]:
    """The nodes of a body that was JSON."""
    left = [_NODES_MAX]
    return _node("", body, (), marks, left).children


def _node(key: str, value: Any, path: tuple[str, ...], marks: Marks, left: list[int]) -> Node:
    left[0] -= 1
    marked = bool(path) and marks.fits(path, value)
    inside = _inside(value)
    if inside is None:
        return Node(key, _text(value), (), marked)
    shown = inside[: min(_CHILDREN_MAX, max(left[0], 0))]
    children = [_node(name, each, (*path, name), marks, left) for name, each in shown]
    if len(shown) < len(inside):
        children.append(Node("…", f"{len(inside) - len(shown)} more", (), marked=False))
    return Node(key, None, tuple(children), marked)


def _inside(value: Any) -> list[tuple[str, Any]] | None:
    match value:
        case {"minor": int(), "currency": str()}:
            return None
        case Mapping():
            return list(cast("Mapping[str, Any]", value).items())
        case list() | tuple():
            return [(str(at), each) for at, each in enumerate(cast("Sequence[Any]", value))]
        case _:
            return None


def _text(value: Any) -> str:
    match value:
        case str():
            text = value
        case {"minor": int(), "currency": str()}:
            text = amount(value["minor"], value["currency"])
        case _:
            text = msgspec.json.encode(value).decode()
    return text if len(text) <= _TEXT_CHARACTERS_MAX else text[:_TEXT_CHARACTERS_MAX] + "…"


def decoded(body: bytes | None) -> Any:
    """A body as JSON has it; None when it is none."""
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
