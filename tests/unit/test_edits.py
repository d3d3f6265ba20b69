"""What an edit makes us owe the ERP and the warehouse, in the smallest cases that went wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.canonical.erp import ErpSale
from crossdock.canonical.order import OpenLine, OpenUnits, Order, OrderLine, SalesOrder
from crossdock.canonical.party import Address
from crossdock.canonical.shipment import Shipment, ShipmentLine, ShipmentLines, ShipmentOrder
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Owed, Trouble
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITY = "order:shop:1"
POLICY = Policy(roles=Roles(erp="erp", warehouse="warehouse"))


def _order(units: int, street: str = "1 Sage Street") -> Order:
    home = Address(name="Ada", street=(street,), city="Springfield", postal_code="62701", country="US")
    line = OrderLine(id="a", sku="MUG", title="Mug", ordered=units, unit_price=usd(1000))
    return Order(id="1", number="#1", placed_at=AT, currency="USD", lines=(line,), total=usd(0), ship_to=home)


def _lines(units: int) -> tuple[ShipmentLine, ...]:
    return (ShipmentLine(line="a", sku="MUG", units=units),)


def _fact(kind: str, connection: str, body: Any) -> Fact:
    return Fact(f"{kind}:{connection}:{body.id}", kind, connection, AT, AT, body)


def _owed(order: Order, *sealed: Sealed, parcel: int = 0) -> dict[str, Any]:
    """What is owed by name, three mugs having been sold and asked for."""
    placed = _order(3)
    asked = ShipmentOrder(reference=ENTITY, number="#1", ship_to=placed.ship_to, lines=_lines(3))  # pyright: ignore[reportArgumentType]
    done = [
        Sealed("sale", SalesOrder(order=placed, sold_by="shop"), confirmed=True),
        Sealed("shipment_order", asked, confirmed=True),
        *sealed,
    ]
    facts = [_fact("order", "shop", order)]
    if parcel:
        left = Shipment(id="s1", reference=ENTITY, location="EAST", lines=_lines(parcel), shipped_at=AT)
        facts.append(_fact("shipment", "warehouse", left))
    standing = Standing(ENTITY, tuple(facts), AT, sealed={each.name: each for each in done})
    return {each.name: each.body for each in owed_for_order(standing, POLICY) if isinstance(each, Owed)}


def _told(units: int, held: int | None) -> Sealed:
    answer = None if held is None else ShipmentLines(reference=ENTITY, lines=_lines(held))
    told = ShipmentLines(reference=ENTITY, lines=_lines(units))
    return Sealed("shipment_lines", told, confirmed=held is not None, held=answer)


def test_the_erp_keeps_open_what_the_warehouse_has_picked() -> None:
    assert "open_units" in _owed(_order(2), _told(2, held=2))
    assert "open_units" not in _owed(_order(2), _told(2, held=3))


def test_the_erp_cancels_only_what_the_warehouse_has_given_up_even_when_told_again() -> None:
    two = (OpenLine(line="a", sku="MUG", units=2),)
    before = Sealed("open_units", OpenUnits(lines=two, by_sale=(two,)), confirmed=True)
    assert _owed(_order(1), _told(2, held=2), before)["open_units"] == before.body


def test_what_was_asked_for_otherwise_in_a_forgotten_time_is_brought_to_what_is_wanted_now() -> None:
    home = _order(3).ship_to
    assert home is not None
    asked = ShipmentOrder(reference=ENTITY, number="#1", ship_to=home, lines=_lines(3))
    there = msgspec.structs.replace(asked, ship_to=_order(3, "2 Rose Street").ship_to, lines=_lines(2))
    owed = _owed(_order(3), Sealed("shipment_order", asked, confirmed=True, held=there))
    assert owed["ship_to"].address == home
    assert owed["shipment_lines"].lines == _lines(3)
    assert "erp_address" not in owed
    unread = SalesOrder(order=msgspec.structs.replace(_order(3), ship_to=None), sold_by="shop")
    sold = SalesOrder(order=_order(3), sold_by="shop")
    assert "erp_address" in _owed(_order(3), Sealed("sale", sold, confirmed=True, held=unread))


def test_a_further_sale_is_nothing_that_the_erp_has_to_be_told_of_as_cancelled() -> None:
    """Otherwise it would depend on whether anybody looks again after that sale was made."""
    two = (OpenLine(line="a", sku="MUG", units=2),)
    before = Sealed("open_units", OpenUnits(lines=two, by_sale=(two,)), confirmed=True)
    added = Sealed("sale:2", SalesOrder(order=_order(1), sold_by="shop", part=2), confirmed=True)
    assert "sale:2" in _owed(_order(3), before)
    assert _owed(_order(3), before, added)["open_units"] == before.body
    lowered = _owed(_order(2), before, added)["open_units"]
    assert (lowered.parts, [line.units for line in lowered.lines]) == (2, [2])
    one = (OpenLine(line="a", sku="MUG", units=1),)
    both = Sealed("open_units", OpenUnits(lines=two, parts=2, by_sale=(one, one)), confirmed=True)
    assert _owed(_order(2), both, added)["open_units"].parts == 2


def test_an_address_is_told_while_anything_is_still_to_leave_and_no_longer() -> None:
    moved = _order(3, "2 Rose Street")
    assert {"erp_address", "ship_to"} <= _owed(moved, parcel=2).keys()
    assert not {"erp_address", "ship_to"} & _owed(moved, parcel=3).keys()


def test_the_channel_is_not_told_of_units_it_took_off_the_order() -> None:
    assert [line.units for line in _owed(_order(2), parcel=3)["fulfilment:s1"].lines] == [2]
    assert "fulfilment:s1" not in _owed(_order(0), parcel=3)


def test_an_open_sale_of_an_order_that_was_cancelled_and_never_sold_is_a_persons() -> None:
    """It was sold in a time that the database was set back over."""
    cancelled = msgspec.structs.replace(_order(0), cancelled_at=AT)
    for state, found in (("open", ["unasked:erp:sale"]), ("cancelled", [])):
        sale = ErpSale(
            id="7", number="S7", part=1, state=state, net=usd(0), tax=usd(0), total=usd(3000), lines_net=usd(0)
        )
        facts = (_fact("order", "shop", cancelled), _fact("sale", "erp", sale))
        owed = owed_for_order(Standing(ENTITY, facts, AT), POLICY)
        assert [each.cause for each in owed if isinstance(each, Trouble)] == found
