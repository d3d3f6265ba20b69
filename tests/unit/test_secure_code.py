"""What the code itself has to promise: secrets compared in constant time, and nothing parsed that can explode."""

from __future__ import annotations

import ast
import re
import tracemalloc
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from aiohttp import web

from crossdock.connect.secrets import Secret
from crossdock.govern import persons
from crossdock.kernel.faults import Fault
from tests.unit.test_link import line_to

SOURCES = sorted((Path(__file__).parents[2] / "src/crossdock").rglob("*.py"))
# Simulators are doors for tests alone, and compare in constant time as well; they are not held to it.
PRODUCT = [file for file in SOURCES if "simulators" not in file.parts]
_SECRET = re.compile(
    r"(secret|signature|password|csrf|api_key|hmac|\bmac\b|digest_of|session$|hash_?$|_key$)", re.IGNORECASE
)
_EXPLODES = {
    "xml", "lxml", "defusedxml", "xmltodict", "html.parser", "zipfile", "tarfile", "pickle", "marshal", "shelve", "yaml", "bz2",
    "lzma",
}  # fmt: skip
# Written, never read; and what is read here is what the hub shipped or compressed itself.
_READS_NOTHING_FROM_OUTSIDE = {"cli/bundling.py": {"zipfile"}}


@cache
def _nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text())))


def _room(file: Path) -> str:
    return file.as_posix().rpartition("/crossdock/")[2]


def _words(node: ast.expr) -> Iterator[str]:
    """The names that a side of a comparison is made of."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def _compared(file: Path) -> Iterator[str]:
    for node in _nodes(file):
        if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):  # a kind, a number, emptiness
            continue
        if any(isinstance(side, ast.Call) and ast.unparse(side.func) == "len" for side in sides):
            continue
        if any(_SECRET.search(word) for side in sides for word in _words(side)):
            yield f"{_room(file)}:{node.lineno}: {ast.unparse(node)}"


def test_secrets_are_compared_in_constant_time() -> None:
    found = [line for file in PRODUCT for line in _compared(file)]
    assert found == []


def test_the_search_for_such_comparisons_finds_them(tmp_path: Path) -> None:
    file = tmp_path / "crossdock" / "door.py"
    file.parent.mkdir()
    file.write_text("def genuine(given, secret):\n    return given == _signature(secret)\n")
    assert list(_compared(file)) == ["door.py:2: given == _signature(secret)"]


def test_every_door_of_a_connector_proves_its_messages_in_constant_time() -> None:
    doors = [file for file in PRODUCT if file.name == "door.py" and "connectors" in file.parts]
    assert len(doors) >= 4
    for file in doors:
        assert "hmac.compare_digest(" in file.read_text(), _room(file)


def test_two_secrets_are_equal_or_not_without_showing_how_far() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("é") == Secret("é")
    assert Secret("a") != "a"


def test_nothing_is_parsed_that_can_explode() -> None:
    """The first import of such a parser has to come with its limits, and with a test here that sends it a bomb."""
    found = {
        (_room(file), module)
        for file in PRODUCT
        for module in _imported(file)
        if any(module == bad or module.startswith(f"{bad}.") for bad in _EXPLODES)
    }
    allowed = {(room, module) for room, modules in _READS_NOTHING_FROM_OUTSIDE.items() for module in modules}
    assert found == allowed


def _imported(file: Path) -> Iterator[str]:
    for node in _nodes(file):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_no_command_goes_through_a_shell_and_nothing_is_evaluated() -> None:
    for file in PRODUCT:
        for node in _nodes(file):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("eval", "exec", "os.system", "os.popen"), f"{_room(file)}:{node.lineno}"
                shell = [each for each in node.keywords if each.arg == "shell"]
                assert not shell, f"{_room(file)}:{node.lineno}"


def test_passwords_are_hashed_as_rfc_9106_recommends() -> None:
    hashed = persons._hasher.hash("correct horse battery staple")
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert hashed != persons._hasher.hash("correct horse battery staple")
    # The hash of nobody's password costs as much, so that a name that nobody has is as slow as any.
    assert persons._NOBODY.split("$")[1:4] == hashed.split("$")[1:4]


@pytest.mark.parametrize("safe", [True, False])
async def test_an_answer_that_inflates_without_end_is_given_up_in_bounded_memory(safe: bool) -> None:
    """A gigabyte of zeros in a megabyte; the part that is read before it is refused is at most 64 MiB, and some copies of it."""
    packing = zlib.compressobj(9)
    head = packing.compress(b"") + packing.flush(zlib.Z_FULL_FLUSH)
    block = packing.compress(bytes(16 * 1024 * 1024)) + packing.flush(zlib.Z_FULL_FLUSH)
    bomb = head + block * 64

    async def explode(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "deflate"})

    async with line_to(explode) as line:
        tracemalloc.start()
        try:
            with pytest.raises(Fault):
                await line.http.post("/orders", {}, safe=safe)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 256 * 1024 * 1024
