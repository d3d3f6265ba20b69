"""What the API answers to whom it refuses."""

from __future__ import annotations

import msgspec

from crossdock.gateway.problems import unfit


def test_what_was_asked_is_told_back_without_what_no_text_may_hold() -> None:
    told = msgspec.json.decode(unfit("query", "Object contains unknown field `a\0b`").body())
    assert told["detail"] == "query: Object contains unknown field `a␀b`"
