"""What the Tryton connector thinks before it calls: prices, addresses, contacts and the next step of a parcel."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.canonical.order import Tax
from crossdock.canonical.party import Address
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connectors.tryton import contacts, parcels
from crossdock.connectors.tryton.addresses import Geography, SpeltAddress, SubdivisionRow, as_held, canonical, label_of
from crossdock.connectors.tryton.contacts import Contact, HeldContact
from crossdock.connectors.tryton.isolation import isolated
from crossdock.connectors.tryton.parcels import HeldShipment, InventoryMove, OutgoingMove, Parcel, SoldLine
from crossdock.connectors.tryton.pricing import PricedLine, priced, rounding_allowed
from crossdock.connectors.tryton.rpc import Code
from crossdock.kernel.faults import Rejected
from crossdock.kernel.money import to_decimal, usd
from tests.contract.tryton_site import SEALED_AT, Bought, order_of

CENT = Decimal("0.01")

# --- prices ------------------------------------------------------------------------------------------------------------


def tryton_total(lines: Sequence[PricedLine]) -> Decimal:
    """As Tryton adds up: lines to the cent, taxes unrounded over the document and then to the cent, half to even."""
    net = sum((round_(line.unit_price * line.quantity) for line in lines), Decimal(0))
    taxes: dict[Decimal, Decimal] = {}
    for line in lines:
        for rate in line.rates:
            taxes[rate] = taxes.get(rate, Decimal(0)) + line.unit_price * line.quantity * rate
    return net + sum((round_(tax) for tax in taxes.values()), Decimal(0))


def round_(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_EVEN)


bought = st.builds(
    Bought,
    sku=st.sampled_from(["MUG", "TEE"]),
    units=st.integers(1, 2000),
    price=st.integers(0, 100_000),
    rates=st.sampled_from([(), ("0.1",), ("0.2", "0.055"), ("0.0",)]),
)


@given(st.lists(bought, min_size=1, max_size=12), st.integers(0, 5000), st.booleans(), st.integers(0, 100))
@settings(max_examples=300, deadline=None)
def test_no_order_that_adds_up_is_refused_for_its_rounding(
    lines: list[Bought], shipping: int, included: bool, off: int
) -> None:
    for line in lines:
        line.discount = line.units * line.price * off // 100
    order = order_of("1", lines, shipping=shipping, included=included)
    sold = priced(order, 4)
    assert abs(to_decimal(order.total) - tryton_total(sold)) <= rounding_allowed(sold, "USD", 4)


def test_what_is_not_bought_or_costs_nothing_to_deliver_is_not_sold() -> None:
    order = order_of("1", [Bought("MUG", 2), Bought("TEE", 0)], shipping=0)
    assert [(line.sku, line.quantity, line.unit_price) for line in priced(order, 4)] == [("MUG", 2, Decimal("20.00"))]


def test_a_tax_rate_that_is_no_number_names_its_field() -> None:
    order = order_of("1", [Bought("MUG")])
    odd = Tax(title="?", rate="ten", amount=usd(200))
    line = msgspec.structs.replace(order.lines[0], taxes=(*order.lines[0].taxes, odd))
    with pytest.raises(Rejected) as refusal:
        priced(msgspec.structs.replace(order, lines=(line,)), 4)
    assert refusal.value.field == "lines[0].taxes[1].rate"


# --- addresses ---------------------------------------------------------------------------------------------------------

KNOWN = Geography({"US": 1, "DE": 2}, {1: [SubdivisionRow(21, 1, "US-MA", "Massachusetts")], 2: []})
SOME = Address(name=" Ada ", street=(" 1 Road ", " "), city="Boston", region="ma", postal_code="02110", country="us")


@pytest.mark.parametrize("region", ["MA", "ma", "US-MA", "massachusetts"])
def test_a_region_is_known_by_its_code_and_by_its_name(region: str) -> None:
    assert label_of(msgspec.structs.replace(SOME, region=region), KNOWN, "x").subdivision == 21


def test_how_an_address_will_be_held_is_how_it_is_held_then() -> None:
    for address in (
        SOME,
        Address(company="Example Ltd"),
        Address(name="Ada", company="Example Ltd", phone="1"),
        Address(),
    ):
        once = as_held(address)
        assert as_held(once) == once
        assert label_of(once, KNOWN, "x") == label_of(address, KNOWN, "x")


def test_a_held_address_reads_as_what_was_written() -> None:
    company = msgspec.structs.replace(SOME, company="Example Ltd", region="MA", country="US")
    label = label_of(company, KNOWN, "x")
    held = SpeltAddress(
        **{**label.values(), "id": 1, "party": 2, "active": True, "sequence": 1},
        country_code=Code("US"),
        region_code=Code("US-MA"),
    )
    assert canonical(held) == as_held(company)


# --- contacts ----------------------------------------------------------------------------------------------------------


def held(value: str, type_: str = "email", name: str | None = "Shop", active: bool = True) -> HeldContact:
    return HeldContact(len(value), type_, value, name, active)


EMAIL = Contact(contacts.EMAIL, "ada@example.com", "email")
PHONE = Contact(contacts.PHONE, "+12175550100", "phone")
CREATED = ["create", [{"type": "email", "value": "ada@example.com", "name": "Shop"}]]


@pytest.mark.parametrize(
    ("there", "wanted", "steps"),
    [
        ([], EMAIL, [CREATED]),
        ([held("Ada@Example.com")], EMAIL, []),
        ([held("x@y.z")], EMAIL, [["write", [5], {"value": "ada@example.com", "type": "email", "active": True}]]),
        ([held("ada@example.com", name=None)], EMAIL, [["write", [15], {"name": "Shop"}]]),
        ([held("ada@example.com", name="Work")], EMAIL, [CREATED]),
        ([held("x@y.z")], Contact(contacts.EMAIL, "", "email"), [["write", [5], {"active": False}]]),
        ([held("x@y.z", name="Work")], Contact(contacts.EMAIL, "", "email"), []),
        ([held("x@y.z", active=False)], Contact(contacts.EMAIL, "", "email"), []),
        ([held("+1 217-555-0100", "mobile")], PHONE, []),
        ([held("+1 217-555-0100", "phone")], Contact(contacts.PHONE, "2175550100", "phone"), []),
    ],
)
def test_only_what_is_ours_and_differs_is_written(
    there: list[HeldContact], wanted: Contact, steps: list[object]
) -> None:
    assert list(contacts.changes(there, wanted, "Shop")) == steps


# --- parcels -----------------------------------------------------------------------------------------------------------


def shipment(state: str, *picked: tuple[int, int, str], reference: str | None = "P1", planned: int = 3) -> HeldShipment:
    """Two lines of three units each planned; picked as (line, units, move state) from place 9."""
    outgoing = tuple(OutgoingMove(line, f"sale.line,{line}", 1, planned, ()) for line in (1, 2))
    inventory = tuple(
        InventoryMove(n, f"stock.move,{line}", units, moved, 9, "t") for n, (line, units, moved) in enumerate(picked)
    )
    return HeldShipment(7, "SHIP-7", reference, state, 5, "t", outgoing, inventory)


WHOLE = ((1, 3, "draft"), (2, 3, "draft"))
JUST = ((1, 2, "draft"), (2, 0, "draft"))
P1 = Parcel("P1", {1: 2}, 9)


@pytest.mark.parametrize(
    ("stands", "step"),
    [
        (shipment("draft", reference=None), "wait"),
        (shipment("waiting", *WHOLE, reference=None), "mark"),
        (shipment("waiting", *JUST, reference=None), "mark"),
        (shipment("waiting", *JUST), "assign_try"),
        (shipment("waiting", *WHOLE), "mark"),
        (shipment("waiting", (1, 1, "assigned"), (1, 1, "draft"), (2, 0, "draft")), "wait"),
        (shipment("assigned", (1, 2, "assigned"), (2, 0, "assigned")), "pick"),
        (shipment("assigned", (1, 2, "assigned"), reference=None), "wait"),
        (shipment("assigned", (1, 3, "assigned")), "wait"),
        (shipment("picked", (1, 2, "done")), "pack"),
        (shipment("packed", (1, 2, "done")), "do"),
        (shipment("done", (1, 2, "done")), None),
    ],
)
def test_a_parcels_shipment_goes_one_step_on_from_wherever_it_stands(stands: HeldShipment, step: str | None) -> None:
    assert parcels.next_step(stands, P1) == step


def test_a_mark_takes_exactly_the_parcel_whatever_was_marked_before() -> None:
    values = parcels.mark(shipment("waiting", (1, 0, "draft"), (2, 3, "draft")), P1, {})
    assert values == {
        "reference": "P1",
        "inventory_moves": [
            ["write", [0], {"quantity": 2, "from_location": 9}],
            ["write", [1], {"quantity": 0, "from_location": 9}],
        ],
    }


def test_a_parcel_takes_from_the_lines_our_notes_name_and_else_from_any_of_its_product() -> None:
    left = (ShipmentLine(line="11", sku="MUG", units=1), ShipmentLine(line="99", sku="TEE", units=2))
    parcel = Shipment(id="P1", reference="r", location="MAIN", lines=left, shipped_at=SEALED_AT)
    sold = [
        SoldLine(1, "Web order line 11", Code("MUG")),
        SoldLine(2, "Web order line 12", Code("MUG")),
        SoldLine(3, None, Code("TEE")),
        SoldLine(4, "by hand", Code("T-1")),
    ]
    assert parcels.lines_of(parcel, sold, {}) == {0: [1], 1: [3]}
    assert parcels.lines_of(parcel, sold, {"product/TEE": "T-1"}) == {0: [1], 1: [4]}


# --- isolation ---------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(0, 30)), st.integers(1, 30))
async def test_every_culprit_is_found_and_everybody_else_is_done_once(bad: set[int], count: int) -> None:
    done: list[int] = []

    async def perform(items: Sequence[int]) -> None:
        if bad & set(items):
            raise Rejected("one of them")
        done.extend(items)

    refused = await isolated(list(range(count)), perform)
    assert set(refused) == bad & set(range(count))
    assert sorted(done) == sorted(set(range(count)) - bad)


async def test_what_somebody_else_has_done_meanwhile_is_no_refusal() -> None:
    theirs = {2, 3}

    async def perform(items: Sequence[int]) -> None:
        if theirs & set(items):
            raise Rejected("there already")

    async def remaining(items: Sequence[int]) -> Sequence[int]:
        return [item for item in items if item not in theirs]

    assert await isolated(list(range(6)), perform, remaining) == {}
