"""How a plant alters a statement: by a part of its text that must be there, so that no plant is lost unnoticed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def alter(statements: MutableMapping[str, Any], title: str, part: str, instead: str) -> None:
    """Replace one part of a statement, which has it exactly once."""
    assert statements[title].count(part) == 1, f"{title} does not say {part!r} once"
    statements[title] = statements[title].replace(part, instead)
