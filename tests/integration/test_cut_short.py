"""An act of several requests that is cut short between two of them is not taken for one that was never sent."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from crossdock.canonical.shipment import ParcelNotice
from crossdock.connect.connector import Command, Connector
from crossdock.connect.effects import Blind
from crossdock.connect.link import Link
from crossdock.connect.outward import Reach
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.deliver import calling
from crossdock.deliver.lines import Line
from crossdock.deliver.sealing import Ready
from crossdock.kernel.faults import NotSent, Unknown
from crossdock.promises.obligations import Verb
from crossdock.store.delivery import Claimed
from tests import standin
from tests.standin.target import Target

AT = datetime(2026, 11, 1, tzinfo=UTC)
connector: Connector[standin.Settings] = Connector("two_steps", standin.Settings)


@connector.act(ParcelNotice, effect=[Blind()])
async def in_two_steps(command: Command[ParcelNotice], link: Link[standin.Settings]) -> Outcome:
    item = {"key": command.key, "entity": command.entity, "refs": {}, "body": {}}
    for _ in range(2):
        await link.http.post("/one/parcel_notice", item)
    return Confirmed(id="M1")


class Purse:
    """A call budget whose database goes away after so many requests."""

    rate = None

    def __init__(self, requests: int) -> None:
        self.left = requests

    async def spend(self, _points: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise psycopg.OperationalError("away")


def ready() -> Ready:
    claimed = Claimed(
        7, "order:shop:1", 0, 3, 0, 1, "notice", None, "notice", int(Verb.ACT), "parcel_notice", "order:shop:1", "[]", "{}",
        False, b"{}", None, None, None, None, None, None, AT,
    )  # fmt: skip
    body = ParcelNotice(to="ada@example.com", name="Ada", order_number="#1", lines=(), tracking=None)
    return Ready(claimed, Command(key=claimed.new_key, entity=claimed.entity, body=body, sealed_at=AT))


@pytest.mark.parametrize(("requests", "outcome"), [(0, NotSent), (1, Unknown), (2, Confirmed)])
async def test_only_what_was_cut_short_before_its_first_request_was_not_sent(requests: int, outcome: type[Any]) -> None:
    async with Target().serve() as target:
        line = Line(
            "mail", connector, standin.Settings(url=target.url), Purse(requests), reach=Reach().and_named(target.url)
        )  # pyright: ignore
        answers = await calling.call(line, [ready()], time.monotonic() + 60)
        await line.close()
    assert type(answers[7]) is outcome
    assert len(target.effects("parcel_notice")) == requests
