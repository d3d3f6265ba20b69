"""New goods for what comes back: what each is taxed, and whether people who take returns see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from crossdock.canonical.order import OrderLine, Tax
from crossdock.canonical.returns import Replacement, Return, ReturnLine
from crossdock.gateway.replacing import agreed
from crossdock.gateway.returning import LineAsked, ReplacementAsked, ReturnAsked
from crossdock.kernel.money import usd
from crossdock.promises.exchanges import with_agreed
from tests.stage import order, shipment

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("included", "price"), [(False, "100.00"), (True, "118.00")])
def test_a_price_of_its_own_has_each_tax_of_its_line_also_where_two_have_one_rate(included: bool, price: str) -> None:
    placed = order("1", units=1, tax_included=included)
    taxes = tuple(Tax(title=title, rate="0.09", amount=usd(90)) for title in ("CGST", "SGST"))
    placed = replace(placed, lines=(replace(placed.lines[0], taxes=taxes),))
    wanted = ReplacementAsked(sku="OTHER", price=price)
    asked = ReturnAsked(lines=(LineAsked(units=1, line="1-0"),), settle_by="exchange", replacements=(wanted,))
    [new] = agreed(asked, "R1", placed, [ReturnLine(id="1", sku="MUG", line="1-0", units=1)], [])
    assert [(tax.title, tax.amount) for tax in new.line.taxes] == [("CGST", usd(900)), ("SGST", usd(900))]


@dataclass
class Exchanged:
    status: str
    given_up: int
    left: int

    def lines(self) -> list[tuple[str, int]]:
        made = OrderLine(id="R1+1", sku="OTHER", title="Other", ordered=2, unit_price=usd(1000))
        back = (ReturnLine(id="1", sku="MUG", line="1-0", units=1),)
        new = (Replacement(line=made, given_up=self.given_up),)
        held = Return(id="R1", status=self.status, returned_at=AT, lines=back, replacements=new, settle_by="exchange")  # pyright: ignore[reportArgumentType]
        parcels = [shipment("s1", replace(order(), lines=(made,)), units=self.left)] if self.left else []
        return [(line.id, line.ordered) for line in with_agreed(order(), [held], parcels).lines[1:]]


@pytest.mark.parametrize(
    ("exchanged", "shown"),
    [
        (Exchanged("authorised", 0, 0), [("R1+1", 2)]),
        (Exchanged("authorised", 1, 0), [("R1+1", 1)]),
        (Exchanged("authorised", 2, 0), []),
        (Exchanged("authorised", 2, 1), [("R1+1", 1)]),  # had been picked when it was given up
        (Exchanged("cancelled", 0, 0), []),
        (Exchanged("cancelled", 0, 2), [("R1+1", 2)]),  # had left for goods that were to come
    ],
)
def test_new_goods_that_the_buyer_has_can_come_back_whatever_became_of_the_exchange(
    exchanged: Exchanged, shown: list[tuple[str, int]]
) -> None:
    assert exchanged.lines() == shown
