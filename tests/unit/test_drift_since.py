"""Since when a source has what the hub holds otherwise: what is younger than a while may still be on its way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crossdock.canonical.payment import Dispute
from crossdock.connect.documents import Document, Reading
from crossdock.kernel.money import usd
from crossdock.sweep.comparing import Apart
from crossdock.sweep.readings import Item, Stated

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPENED = NOW - timedelta(days=3)
COUNTED = 7


def _apart(cause: str, token: int) -> Apart:
    body = Dispute(id="d1", payment="p1", amount=usd(700), status="open", opened_at=OPENED, reason="fraudulent")
    document = Document(kind="dispute", id="d1", entity="order:shop:1", body=body, token=token)
    stated = Stated(document, b"", is_own=True)
    return Apart(Item(Reading(topic="dispute", id="d1", body=b"{}"), (stated,)), stated, None, cause)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("cause", "token", "since"),
    [
        ("unheard", _micros(NOW), OPENED),  # its version is when it was read
        ("unheard", COUNTED, OPENED),
        ("changed", _micros(NOW), NOW),
        ("changed", COUNTED, None),
    ],
)
def test_what_is_new_is_so_since_it_came_about(cause: str, token: int, since: datetime | None) -> None:
    assert _apart(cause, token).since == since
