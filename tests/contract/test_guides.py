"""The guides leave nothing out that a partner needs, and lead nowhere that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossdock.gateway.api import DESCRIBED
from crossdock.gateway.catalogue import ROUTES
from crossdock.gateway.problems import KINDS
from crossdock.govern.rights import ROLES, SCOPES

ROOT = Path(__file__).parents[2]
API, SUBSCRIBE = (ROOT / "docs/howto" / name for name in ("use-the-api.md", "subscribe.md"))
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEAD = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_SUBSCRIPTION = "/v1/subscriptions/{subscription}"


def test_each_request_is_in_the_guide_with_its_scope() -> None:
    told = API.read_text() + SUBSCRIBE.read_text().replace("…/{id}", _SUBSCRIPTION).replace("…/", f"{_SUBSCRIPTION}/")
    lines = told.splitlines()
    for route in ROUTES:
        path = re.compile(rf"{re.escape(route.path)}(?![/\w])")
        named = [line for line in lines if route.method in line and path.search(line)]
        assert named, f"{route.method} {route.path}"
        if route.right in SCOPES and not route.path.startswith("/v1/subscriptions"):
            assert any(f"`{route.right}`" in line for line in named), (route.name, route.right)


def test_each_problem_scope_and_role_is_in_the_guide_with_its_status() -> None:
    told = API.read_text()
    rows = {
        line.split("|")[2]: line.split("|")[1] for line in told.splitlines() if line.startswith("| ") and "`" in line
    }
    for kind, meant in KINDS.items():
        [statuses] = [statuses for kinds, statuses in rows.items() if f"`{kind}`" in kinds]
        assert str(meant.status) in statuses, kind
    assert [each for each in (*SCOPES, *ROLES) if each not in told + SUBSCRIBE.read_text()] == []
    for path in DESCRIBED:
        assert "/".join(path) in told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if re.match("[a-z]+:", link):
            continue
        file, _, section = link.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), link
        if section and there.suffix == ".md":
            assert section in {_anchor(head) for head in _HEAD.findall(there.read_text())}, link


def _anchor(head: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
