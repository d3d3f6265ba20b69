"""Which version of a thing somebody saw, and replaces: ETags and If-Match."""

from __future__ import annotations

from crossdock.gateway.problems import Problem


def tag_of(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def check_matches(if_match: str, version: int) -> None:
    """`Problem` when what is replaced is not what was seen."""
    if {each.strip() for each in if_match.split(",")}.isdisjoint((tag_of(version), "*")):
        raise Problem("changed-meanwhile", f"it is {tag_of(version)} now, not {if_match}", "If-Match")
