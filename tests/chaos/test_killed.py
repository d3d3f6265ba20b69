"""A hub process dies or sleeps at any moment: what it promised happens once all the same, counted at the targets."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from crossdock.canonical.order import Order
from crossdock.observe.checkpoints import POINTS
from tests.chaos.hubs import Hubs, hubs
from tests.stage import customer, message, order, shipment, told
from tests.standin.target import Target, until

pytestmark = pytest.mark.chaos

# The sale's call is the first one; later ones meet the searchable and the blind acts.
LATER = [("call:before", 3), ("call:after", 3), ("call:after", 5), ("receipt:before_commit", 4)]
STOPS = ["translate:before_commit", "settle:before_commit", "seal:before_commit", "call:before", "call:after"]


async def play(hub: Hubs, target: Target) -> Order:
    """An order is placed, sold and shipped in two parcels."""
    placed = order(customer="customer:shop:c1")
    await hub.tell(message("shop", told(placed)))
    await hub.tell(message("shop", told(customer())))
    await until(lambda: target.effects("sales_order") and target.effects("shipment_order"), 20)
    await hub.tell(message("warehouse", told(shipment("s1", placed))))
    await hub.tell(message("warehouse", told(shipment("s2", placed, units=2))))
    await until(lambda: hub.at_rest, 30)
    return placed


def assert_once(target: Target, doubtful: set[str]) -> None:
    """Exactly one effect each; of mails at most one, and one that nobody knows of is a person's."""
    sale = "order:shop:1"
    expected = {
        "sales_order": [f"{sale}/sale"],
        "shipment_order": [f"{sale}/shipment_order"],
        "goods_issue": [f"{sale}/goods_issue:s1", f"{sale}/goods_issue:s2"],
        "invoice_posting": [f"{sale}/invoice:s1", f"{sale}/invoice:s2"],
        "fulfilment": [f"{sale}/fulfilment:s1", f"{sale}/fulfilment:s2"],
    }
    for noun, slots in expected.items():
        assert Counter(target.slots(noun)) == Counter(slots), noun
    mails = Counter(target.slots("parcel_notice"))
    assert set(mails.values()) <= {1}
    missing = {f"{sale}/parcel_notice:s1", f"{sale}/parcel_notice:s2"} - set(mails)
    assert missing <= doubtful


def in_doubt(hub: Hubs) -> set[str]:
    found = hub.rows("select p.entity || '/' || p.name from due d join promise p on p.id = d.promise where d.stage = 3")
    return {str(row[0]) for row in found}


@pytest.mark.parametrize(("point", "count"), [*((point, 1) for point in POINTS), *LATER])
async def test_a_process_killed_at_any_point_leaves_one_effect_each(
    database_url: str, tmp_path: Path, point: str, count: int
) -> None:
    async with (
        Target().serve() as target,
        hubs(database_url, target.url, tmp_path, kill_at=point, count=count) as hub,
    ):
        await play(hub, target)
        assert hub.struck
        assert sum(each.died for each in hub.processes) == 1
        doubtful = in_doubt(hub)
        assert all("parcel_notice" in slot for slot in doubtful)
        assert_once(target, doubtful)
        await hub.assert_sound()


@pytest.mark.parametrize("point", STOPS)
async def test_a_process_that_sleeps_past_its_lease_does_nothing_twice_when_it_wakes(
    database_url: str, tmp_path: Path, point: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        # What a sleeper holds locked in the middle of a transaction the database takes from it; here sooner than usual.
        connection.execute(f'alter database "{name}" set transaction_timeout = 1500')  # pyright: ignore
    async with Target().serve() as target, hubs(database_url, target.url, tmp_path, stop_at=point) as hub:
        await play(hub, target)
        assert hub.struck
        [sleeper] = [each for each in hub.processes if each.stopped]
        before = list(target.ledger.entries)
        receipts = hub.rows("select * from receipt order by slot")
        sleeper.go_on()
        await asyncio.sleep(1.5)
        assert not sleeper.died
        assert list(target.ledger.entries) == before
        assert [row[0] for row in hub.rows("select * from receipt order by slot")] == [row[0] for row in receipts]
        assert_once(target, in_doubt(hub))
        await hub.assert_sound()
