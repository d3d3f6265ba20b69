"""What an order owes that its buyer fetches: only what the store says decides, and nothing is told or taken twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from crossdock.canonical.order import Order, OrderLine, SalesOrder, Tax
from crossdock.canonical.payment import PaymentAuthorization
from crossdock.canonical.pickup import Pickup, PickupLine, PickupOrder, PickupRelease, PickupUnits
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Act, Fetch, Obligation, Owed, State, Trouble, Wait
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import PickupTerms, Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing

ENTITY = "order:shop:1"
PLACED = datetime(2026, 11, 1, 10, tzinfo=UTC)
HOLD_UNTIL = PLACED + timedelta(days=7, hours=2)
POLICY = Policy(roles=Roles(erp="erp", warehouse="wms", stores="till", mail="mail", payments="psp"))
ORDER = Order(
    id="1",
    number="#1",
    placed_at=PLACED,
    currency="USD",
    lines=tuple(
        OrderLine(
            id=line,
            sku=line.upper(),
            title=line,
            ordered=units,
            unit_price=usd(1000),
            taxes=(Tax(title="Tax", rate="0.1", amount=usd(100 * units)),),
        )
        for line, units in (("mug", 2), ("tea", 1))
    ),
    total=usd(3300),
    email="ada@example.com",
    payment="authorised",
    pickup_at="EAST",
)
ASKED = PickupOrder(
    reference=ENTITY,
    number="#1",
    location="EAST",
    name="Ada",
    currency="USD",
    lines=tuple(PickupLine(line=x.id, sku=x.sku, title=x.title, units=x.ordered) for x in ORDER.lines),
    pick_by=PLACED + timedelta(hours=2),
    hold_until=HOLD_UNTIL,
)
SOLD = Sealed("sale", SalesOrder(order=ORDER, sold_by="shop"), confirmed=True)


def fact(kind: str, connection: str, body: Any) -> Fact:
    return Fact(f"{kind}:{connection}:{body.id}", kind, connection, PLACED, PLACED, body)


def pickup(state: Any, ready: tuple[int, int] = (0, 0), handed: tuple[int, int] = (0, 0)) -> Fact:
    lines = tuple(
        PickupUnits(line=x.id, sku=x.sku, asked=x.ordered, ready=r, handed_over=h)
        for x, r, h in zip(ORDER.lines, ready, handed, strict=True)
    )
    body = Pickup(id="S1", reference=ENTITY, location="EAST", state=state, lines=lines, changed_at=PLACED)
    return fact("pickup", "till", body)


def held(status: Any = "open", expires_at: datetime | None = None) -> Fact:
    body = PaymentAuthorization(
        id="pi", tender="card", authorised=usd(3300), status=status, authorised_at=PLACED, expires_at=expires_at
    )
    return fact("payment", "psp", body)


def owed(
    *facts: Fact,
    at: datetime = PLACED + timedelta(hours=1),
    order: Order = ORDER,
    asked: bool = True,
    policy: Policy = POLICY,
    sealed: tuple[Sealed, ...] = (),
) -> dict[str, Obligation]:
    known = [SOLD, *([Sealed("pickup_order", ASKED, True, "S1")] if asked else []), *sealed]
    standing = Standing(
        entity=ENTITY,
        facts=(fact("order", "shop", order), *facts),
        as_of=at,
        sealed={each.name: each for each in known},
    )
    found = list(owed_for_order(standing, policy))
    return {each.cause.partition(":")[0] if isinstance(each, Trouble) else each.name: each for each in found}


def body(of: Obligation) -> Any:
    assert isinstance(of, Owed)
    return of.body


def test_its_store_is_asked_once_the_sale_is_there_and_its_warehouse_never() -> None:
    found = owed(held(), asked=False)
    asked = found["pickup_order"]
    assert isinstance(asked, Act)
    assert body(asked) == msgspec.structs.replace(ASKED, name="#1")
    assert [need.name for need in asked.needs.values()] == ["sale"]
    assert "shipment_order" not in found
    assert "parcels" not in found


def test_nothing_is_taken_and_nobody_told_before_it_lies_ready() -> None:
    for state in ("requested", "reserved"):
        found = owed(held(), pickup(state))
        assert not {"pickup_notice", "capture:1", "void:pi", "goods_issue:S1"} & found.keys()


def test_units_that_are_not_there_are_cancelled_in_the_erp_and_named_in_the_mail() -> None:
    found = owed(held(), pickup("prepared", ready=(1, 0)))
    notice = body(found["pickup_notice"])
    assert (notice.lines, notice.missing) == ((("mug", 1),), (("mug", 1), ("tea", 1)))
    assert {line.line: line.units for line in body(found["open_units"]).lines} == {"mug": 1, "tea": 0}
    assert isinstance(found["missing_units"], Wait)
    assert not {"capture:1", "void:pi", "pickup_release"} & found.keys()


@pytest.mark.parametrize(("handed", "worth"), [((2, 1), 3300), ((1, 0), 1100), ((0, 1), 1100)])
def test_exactly_what_was_handed_over_is_shipped_and_captured(handed: tuple[int, int], worth: int) -> None:
    found = owed(held(), pickup("handed_over", handed, handed))
    capture = body(found["capture:1"])
    assert (capture.amount, capture.final) == (usd(worth), True)
    issued = body(found["goods_issue:S1"]).shipment
    assert (issued.location, sum(line.units for line in issued.lines)) == ("EAST", sum(handed))
    assert not {"parcel_notice:S1", "pickup_notice", "void:pi"} & found.keys()


def test_nothing_is_voided_before_the_store_says_it_gave_it_up() -> None:
    late = HOLD_UNTIL + timedelta(seconds=1)
    found = owed(held(), pickup("prepared", ready=(2, 1)), at=late)
    assert body(found["pickup_release"]) == PickupRelease(reference=ENTITY, reason="nobody came for it")
    assert not {"void:pi", "order_cancellation", "open_units", "pickup_notice"} & found.keys()
    found = owed(held(), pickup("cancelled"), at=late)
    assert {line.units for line in body(found["open_units"]).lines} == {0}
    assert {"void:pi", "order_cancellation"} <= found.keys()
    assert not {"pickup_release", "capture:1"} & found.keys()


def test_what_came_of_a_release_is_read_where_nothing_is_heard() -> None:
    told = Sealed("pickup_release", PickupRelease(reference=ENTITY, reason="nobody came for it"), True)
    found = owed(held(), at=HOLD_UNTIL, sealed=(told,))
    assert isinstance(found["fetch:pickup:before"], Fetch)
    assert isinstance(found["fetch:pickup:released"], Fetch)
    assert isinstance(found["pickup_release"], State)


def test_where_its_shop_cancels_by_itself_it_is_waited_for() -> None:
    policy = msgspec.structs.replace(POLICY, pickup=PickupTerms(cancel_in_shop=False))
    found = owed(held(), pickup("cancelled"), policy=policy)
    assert isinstance(found["cancelled"], Wait)
    assert "order_cancellation" not in found


def test_an_order_its_shop_cancelled_goes_back_to_the_shelf_and_is_not_cancelled_again() -> None:
    cancelled = msgspec.structs.replace(ORDER, cancelled_at=PLACED)
    assert body(owed(held(), pickup("prepared", (2, 1)), order=cancelled)["pickup_release"]).reason
    assert "order_cancellation" not in owed(held(), pickup("cancelled"), order=cancelled)


def test_an_authorisation_near_its_end_is_warned_of_and_then_a_case_or_a_release() -> None:
    ends = PLACED + timedelta(days=3)
    ready = pickup("prepared", ready=(2, 1))
    assert "authorisation_expires" in owed(held(expires_at=ends), ready, at=ends - timedelta(hours=1))
    gone = owed(held("voided"), ready, at=ends)
    assert "33.00 USD" in getattr(gone["authorisation_gone"], "detail")  # noqa: B009
    assert "pickup_release" not in gone
    policy = msgspec.structs.replace(POLICY, pickup=PickupTerms(authorisation_ends="release"))
    released = owed(held(expires_at=ends), ready, at=ends, policy=policy)
    assert body(released["pickup_release"]).reason == "its payment ran out"


def test_goods_that_went_without_a_payment_are_a_case_with_the_amount() -> None:
    handed = pickup("handed_over", (2, 1), (2, 1))
    assert "33.00 USD" in str(owed(held("voided"), handed)["capture_uncovered"])
    emptied = tuple(msgspec.structs.replace(line, ordered=0, taxes=()) for line in ORDER.lines)
    cancelled = msgspec.structs.replace(ORDER, cancelled_at=PLACED, lines=emptied)
    found = owed(held("voided"), handed, order=cancelled)
    assert "33.00 USD" in str(found["handed_over_unpaid"])
    assert not {"capture:1", "void:pi"} & found.keys()


def test_an_order_edited_after_its_store_was_asked_is_a_case_and_a_short_pick_taken_off_is_none() -> None:
    def with_mugs(units: int) -> Order:
        mug, tea = ORDER.lines
        return msgspec.structs.replace(ORDER, lines=(msgspec.structs.replace(mug, ordered=units), tea))

    assert "pickup_changed" in owed(held(), pickup("reserved"), order=with_mugs(1))
    assert "pickup_changed" in owed(held(), pickup("reserved"), order=with_mugs(3))
    assert "pickup_changed" not in owed(held(), pickup("prepared", (1, 1)), order=with_mugs(1))


def test_what_the_shop_took_at_once_is_not_captured_by_the_hub() -> None:
    assert "capture:1" not in owed(held("captured"), pickup("handed_over", (2, 1), (2, 1)))


def test_who_has_fetched_it_gets_no_mail_and_nobody_is_told_of_nothing() -> None:
    assert "pickup_notice" not in owed(held(), pickup("handed_over", (2, 1), (2, 1)))
    found = owed(held(), pickup("prepared"))
    assert "pickup_notice" not in found
    assert body(found["pickup_release"]).reason == "nothing of it was there"


def test_two_reports_of_one_pickup_order_are_one_parcel() -> None:
    other = replace(pickup("handed_over", (2, 1), (2, 1)), id="pickup:till:S0")
    other = replace(other, body=msgspec.structs.replace(other.body, id="S0"))
    found = owed(held(), other, pickup("handed_over", (1, 0), (1, 0)))
    assert body(found["capture:1"]).amount == usd(1100)
