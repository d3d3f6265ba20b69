"""What looks like somebody's personal data, blotted out of names and texts before anybody sees them.

The second line of defence: what is logged, traced and measured is ids, kinds and counts to begin with, never a document's text.
"""

from __future__ import annotations

import re

BLOT = "····"
_CHARACTERS_MAX = 200
# E-mail addresses; telephone numbers as people write them, with a plus or in groups; and 13 to 19 digits, as on cards.
_PERSONAL = re.compile(
    r"[^\s@:/,;<>\"'()]+(?:@|%40)[^\s@:/,;<>\"'()]+"
    r"|\+\d[\d\s()./-]{6,18}\d"
    r"|\(?\b\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}\b"
    r"|\b\d(?:[ -]?\d){12,18}\b"
)


def blotted(text: str) -> str:
    """The text on one line, at most 200 characters of it, without what looks personal."""
    return _PERSONAL.sub(BLOT, " ".join(text[: 4 * _CHARACTERS_MAX].split()))[:_CHARACTERS_MAX]
