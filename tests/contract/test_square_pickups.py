"""What buyers fetch in a shop: asked for once, picked short or whole, handed over or given up, each told as it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossdock.canonical.pickup import PickupLine, PickupOrder, PickupRelease, PickupUnits
from crossdock.connect.connector import Command
from crossdock.connect.link import Http, Link
from crossdock.connect.receipts import Confirmed
from crossdock.connect.secrets import Secret
from crossdock.connectors.square import Settings
from crossdock.connectors.square.acts import find, place, release
from crossdock.kernel.faults import Rejected, Transient
from crossdock.simulators.mischief import FaultRule
from crossdock.simulators.pos import ACCESS_TOKEN
from tests.contract.till_site import Site, site

ONLINE = "order:shop:1001"
NOW = datetime.now(UTC)
LINES = (
    PickupLine(line="11", sku="MUG", title="Mug", units=2),
    PickupLine(line="12", sku="TEA", title="Tea", units=1),
)


def wanted(**changed: Any) -> Command[PickupOrder]:
    body = PickupOrder(
        **{
            "reference": ONLINE,
            "number": "#1001",
            "location": "EAST",
            "name": "Ada Example",
            "currency": "USD",
            "lines": LINES,
            "pick_by": NOW + timedelta(hours=2),
            "hold_until": NOW + timedelta(days=7),
        }
        | changed
    )
    key = f"{body.reference}/pickup_order/placed/1"
    return Command(key=key, entity=ONLINE, body=body, refs={"location/EAST": "STORE-1"}, sealed_at=NOW)


def given_up(id_: str) -> Command[PickupRelease]:
    body = PickupRelease(reference=ONLINE, reason="nobody came")
    return Command(
        key=f"{ONLINE}/pickup_release/late/1", entity=ONLINE, body=body, refs={"pickup_order": id_}, sealed_at=NOW
    )


def link_to(at: Site, session: aiohttp.ClientSession) -> Link[Settings]:
    async def spend(_points: int) -> None: ...

    settings = at.hub.settings.connections["till"].settings
    assert isinstance(settings, Settings)
    assert settings.access_token == Secret(ACCESS_TOKEN)
    return Link(settings, Http(session, settings.url, spend=spend, guard=lambda: None), {}, lambda: None)


async def placed(at: Site, link: Link[Settings]) -> str:
    confirmed = await place(wanted(), link)
    assert isinstance(confirmed, Confirmed)
    return confirmed.id


async def test_every_step_of_a_pickup_is_a_fact_of_the_online_order(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        id_ = await placed(at, link_to(at, session))
        seen: list[tuple[str, list[int], list[int]]] = []
        for deed in (None, at.till.reserve, at.till.prepare, at.till.hand_over):
            if deed is not None:
                deed(id_)
            await at.heard()
            fact, entity, pickup = at.fact("pickup")
            assert (fact, entity, pickup.reference, pickup.location) == (id_, ONLINE, ONLINE, "STORE-1")
            lines = pickup.lines
            seen.append((pickup.state, [line.ready for line in lines], [line.handed_over for line in lines]))
        assert seen == [
            ("requested", [0, 0], [0, 0]),
            ("reserved", [0, 0], [0, 0]),
            ("prepared", [2, 1], [0, 0]),
            ("handed_over", [2, 1], [2, 1]),
        ]
        assert at.facts("order") == []


async def test_a_short_pick_tells_what_is_really_there(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        id_ = await placed(at, link_to(at, session))
        at.till.prepare(id_, {"11": 1})
        await at.heard()
        assert at.fact("pickup")[2].lines == (
            PickupUnits(line="11", sku="MUG", asked=2, ready=1),
            PickupUnits(line="12", sku="TEA", asked=1),
        )
        at.till.hand_over(id_)
        await at.heard()
        assert [line.handed_over for line in at.fact("pickup")[2].lines] == [1, 0]


async def test_what_was_given_up_is_cancelled_once_and_what_was_handed_over_stays(
    database_url: str, tmp_path: Path
) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        link = link_to(at, session)
        id_ = await placed(at, link)
        for _ in range(2):
            (outcome,) = (await release([given_up(id_)], link)).values()
            assert outcome == Confirmed(id=id_, body=given_up(id_).body)
        await at.heard()
        assert at.fact("pickup")[2].state == "cancelled"
        assert at.till.ledger.counts() == {"pickup_placed": 1, "pickup_canceled": 1}
        (late,) = (await release([given_up("nothing")], link)).values()
        assert isinstance(late, Rejected)
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        link = link_to(at, session)
        id_ = await placed(at, link)
        at.till.hand_over(id_)
        (late,) = (await release([given_up(id_)], link)).values()
        assert isinstance(late, Rejected)
        assert late.field == "state"


async def test_a_release_that_meets_a_clerk_comes_again(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        link = link_to(at, session)
        id_ = await placed(at, link)
        at.till.mischief.arm(FaultRule(match=f"PUT /v2/orders/{id_}", kind="slow", seconds=0.3, times=1))

        async def clerk() -> None:
            at.till.reserve(id_)

        at.till.mischief.later(0.1, clerk)
        (met,) = (await release([given_up(id_)], link)).values()
        assert isinstance(met, Transient)
        (outcome,) = (await release([given_up(id_)], link)).values()
        assert isinstance(outcome, Confirmed)


async def test_what_may_have_been_placed_is_found_by_its_key(database_url: str, tmp_path: Path) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        link = link_to(at, session)
        id_ = await placed(at, link)
        other = wanted(reference="order:shop:1002")
        assert await find([wanted(), other], link) == {wanted().key: Confirmed(id=id_)}


@pytest.mark.parametrize(
    ("changed", "field"), [({"location": "WEST"}, "location"), ({"reference": "order:shop:" + "1" * 40}, "reference")]
)
async def test_what_square_cannot_take_is_rejected_by_field(
    database_url: str, tmp_path: Path, changed: dict[str, str], field: str
) -> None:
    async with site(database_url, tmp_path) as at, aiohttp.ClientSession() as session:
        outcome = await place(wanted(**changed), link_to(at, session))
        assert isinstance(outcome, Rejected)
        assert outcome.field == field
        assert (outcome.missing is not None) == (field == "location")
