"""For every act the rules owe: when its premise is withdrawn they owe what `undoing` names, or tell a person; mails stay told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock.canonical.nouns import COMMANDS
from crossdock.canonical.order import Order, OrderCancellation, OrderLine, SalesOrder
from crossdock.canonical.party import Address
from crossdock.canonical.payment import (
    Capture,
    PaymentAuthorization,
    PaymentCapture,
    PaymentRefund,
    PaymentVoid,
    Refund,
    StoreCredit,
)
from crossdock.canonical.pickup import Pickup, PickupNotice, PickupOrder, PickupUnits
from crossdock.canonical.returns import (
    CreditMemo,
    GoodsReturn,
    RefundNotice,
    Return,
    ReturnLine,
    ReturnRecord,
    SupplementaryInvoice,
)
from crossdock.canonical.shipment import (
    Fulfilment,
    GoodsIssue,
    InvoicePosting,
    ParcelNotice,
    Shipment,
    ShipmentLine,
    ShipmentOrder,
)
from crossdock.connect.loading import load
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation, State, Trouble
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Sealed, Standing
from crossdock.promises.terms import ReturnTerms
from crossdock.promises.undoing import NEVER, NOTHING, UNDONE_BY, undone_by

ENTITY = "order:shop:1"
AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
SAGE = Address(name="Ada", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
POLICY = Policy(
    roles=Roles(erp="erp", warehouse="wms", mail="mail", payments="psp", stores="till"),
    returns=(ReturnTerms(inspect=False),),
)


@dataclass
class Story:
    """One order's facts, and every promise kept as soon as it is owed; what is kept of money is told as facts."""

    units: int
    price: int
    takes_when_shipped: bool = False
    facts: dict[str, Fact] = field(default_factory=dict[str, Fact])
    sealed: dict[str, Sealed] = field(default_factory=dict[str, Sealed])

    def say(self, kind: str, connection: str, body: Any) -> None:
        id_ = ENTITY if kind == "order" else f"{kind}:{connection}:{body.id}"
        at = AT + timedelta(seconds=len(self.facts) + len(self.sealed))
        self.facts[id_] = Fact(id_, kind, connection, AT, at, body)

    def owed(self) -> list[Obligation]:
        facts = tuple(fact for _, fact in sorted(self.facts.items()))
        policy = msgspec.structs.replace(POLICY, capture_when="shipped") if self.takes_when_shipped else POLICY
        return list(owed_for_order(Standing(ENTITY, facts, AT + timedelta(hours=1), sealed=self.sealed), policy))

    def to_do(self) -> list[Act | State]:
        """What is owed and not kept."""
        return [o for o in self.owed() if isinstance(o, Act | State) and self._is_new(o)]

    def _is_new(self, owed: Act | State) -> bool:
        held = self.sealed.get(owed.name)
        return held is None or (isinstance(owed, State) and held.body != owed.body)

    def keep(self) -> None:
        """Everything owed, and what is owed because of that."""
        for _ in range(20):
            if not (to_do := self.to_do()):
                return
            for each in to_do:
                self.sealed[each.name] = Sealed(each.name, each.body, confirmed=True, remote_id=f"R-{each.name}")
                self._tell_of(each.name, each.body)
        raise AssertionError("never at rest")

    def _tell_of(self, name: str, body: Any) -> None:
        match body:
            case PaymentCapture():
                taken = Capture(id=f"ca_{name}", payment="pi", tender="card", amount=body.amount, captured_at=AT)
                self.say("capture", "psp", taken)
            case PaymentRefund():
                reference = f"{ENTITY}/{name}/cause/1"
                self.say("refund", "psp", Refund(id=f"re_{name}", payment="pi", tender="card", amount=body.amount,
                                                 status="succeeded", refunded_at=AT, reference=reference))  # fmt: skip
            case PaymentVoid():
                self.held("voided")
            case _:
                pass

    # What happens

    def order(self, price: int | None = None, **what: Any) -> None:
        each = self.price if price is None else price
        line = OrderLine(id="L1", sku="MUG", title="Mug", ordered=self.units, unit_price=usd(each))
        given = {"ship_to": SAGE, "payment": "authorised" if self.takes_when_shipped else "paid", **what}
        self.say("order", "shop", Order(id="1", number="#1", placed_at=AT, currency="USD", lines=(line,), email="a@example.com",
                                        total=usd(each * self.units), **given))  # fmt: skip

    def held(self, status: Any) -> None:
        amount = usd(self.price * self.units)
        self.say(
            "payment",
            "psp",
            PaymentAuthorization(id="pi", tender="card", authorised=amount, status=status, authorised_at=AT),
        )

    def paid(self) -> None:
        self.held("captured")
        amount = usd(self.price * self.units)
        self.say("capture", "psp", Capture(id="ca", payment="pi", tender="card", amount=amount, captured_at=AT))

    def parcel(self, units: int) -> None:
        lines = (ShipmentLine(line="L1", sku="MUG", units=units),)
        self.say("shipment", "wms", Shipment(id="s1", reference=ENTITY, location="EAST", lines=lines, shipped_at=AT))

    def back(self, units: int, **what: Any) -> None:
        line = ReturnLine(
            id="1", line="L1", sku="MUG", units=units, received=units, disposition="sellable", location="EAST"
        )
        self.say("return", "till", Return(id="R1", returned_at=AT + timedelta(days=1), lines=(line,), **what))

    def store(self, state: Any, ready: int = 0, handed_over: int = 0) -> None:
        line = PickupUnits(line="L1", sku="MUG", asked=self.units, ready=ready, handed_over=handed_over)
        self.say("pickup", "till", Pickup(id="R-pickup_order", reference=ENTITY, location="EAST", state=state,
                                          changed_at=AT + timedelta(minutes=5), lines=(line,)))  # fmt: skip


Deed = Callable[[Story], None]


def placed(story: Story) -> None:
    story.order()
    story.held("open") if story.takes_when_shipped else story.paid()


def left(story: Story) -> None:
    placed(story)
    story.parcel(story.units)


def returned(story: Story, settle_by: Any = "refund") -> None:
    left(story)
    story.keep()
    story.back(story.units, settle_by=settle_by)


def to_fetch(story: Story) -> None:
    story.takes_when_shipped = True
    story.order(pickup_at="EAST", payment="authorised")
    story.held("open")


def dearer(story: Story) -> None:
    left(story)
    story.keep()
    story.order(story.price + 100)


def given_up(story: Story) -> None:
    to_fetch(story)
    story.keep()
    story.store("cancelled")


def ready_to_fetch(story: Story) -> None:
    to_fetch(story)
    story.keep()
    story.store("prepared", ready=story.units)


def called_off(story: Story) -> None:
    placed(story)
    story.keep()
    story.order(cancelled_at=AT)


def cancelled(story: Story) -> None:
    story.order(cancelled_at=AT, **({"pickup_at": "EAST"} if "pickup_order" in story.sealed else {}))


def comes_back(story: Story) -> None:
    story.back(story.units)


def never_came(story: Story) -> None:
    came = next(fact.body for fact in story.facts.values() if fact.kind == "return")
    story.say("return", "till", msgspec.structs.replace(came, status="cancelled"))


def fewer_came(story: Story) -> None:
    came = next(fact.body for fact in story.facts.values() if fact.kind == "return")
    [line] = came.lines
    fewer = msgspec.structs.replace(line, units=line.units - 1, received=line.received - 1)
    story.say("return", "till", msgspec.structs.replace(came, lines=(fewer,)))


def never_left(story: Story) -> None:
    del story.facts["shipment:wms:s1"]


def fewer_left(story: Story) -> None:
    story.parcel(story.units - 1)


def as_before(story: Story) -> None:
    story.order()


def wanted_after_all(story: Story) -> None:
    story.order()
    story.parcel(story.units)


def handed_over_after_all(story: Story) -> None:
    story.store("handed_over", handed_over=story.units)


BY_CREDIT: Deed = lambda story: returned(story, "store_credit")  # noqa: E731
# noun of the act, what brings it about, how its premise is withdrawn, and whether the hub takes the money
WITHDRAWN: list[tuple[type[msgspec.Struct], Deed, Deed, bool]] = [
    (SalesOrder, placed, cancelled, False),
    (ShipmentOrder, placed, cancelled, False),
    (PickupOrder, to_fetch, cancelled, True),
    (GoodsIssue, left, comes_back, False),
    (InvoicePosting, left, comes_back, False),
    (Fulfilment, left, comes_back, False),
    (PaymentCapture, left, comes_back, True),
    (PaymentCapture, left, never_left, True),
    (SupplementaryInvoice, dearer, as_before, False),
    (CreditMemo, returned, never_came, False),
    (CreditMemo, returned, fewer_came, False),
    (PaymentVoid, called_off, wanted_after_all, True),
    (PaymentRefund, returned, never_came, False),
    (PaymentRefund, called_off, as_before, False),
    (StoreCredit, BY_CREDIT, never_came, False),
    (GoodsReturn, returned, never_came, False),
    (GoodsReturn, returned, fewer_came, False),
    (ReturnRecord, returned, never_came, False),
    (OrderCancellation, given_up, handed_over_after_all, True),
    (ParcelNotice, left, comes_back, False),
    (PickupNotice, ready_to_fetch, cancelled, True),
    (RefundNotice, returned, never_came, False),
]


def named(noun: type[msgspec.Struct], withdrawn: Deed) -> str:
    return f"{noun.__name__}-{withdrawn.__name__}"


def corrects(each: Obligation, undo: str) -> bool:
    """The promise of that name, or the leave that it waits for."""
    return isinstance(each, Act | State | ApprovalNeeded) and each.name.partition(":")[0] == undo


@pytest.mark.parametrize(
    ("noun", "brought_about", "withdrawn", "takes"), WITHDRAWN, ids=[named(noun, how) for noun, _, how, _ in WITHDRAWN]
)
@given(units=st.integers(1, 5), price=st.integers(2, 5_000))
@settings(max_examples=25, deadline=None)
def test_what_undoes_an_act_is_owed_once_its_premise_is_withdrawn(
    noun: type[msgspec.Struct], brought_about: Deed, withdrawn: Deed, takes: bool, units: int, price: int
) -> None:
    story = Story(units, price, takes)
    brought_about(story)
    story.keep()
    assert any(isinstance(each.body, noun) for each in story.sealed.values()), "it was not owed in the first place"
    before = {each.cause for each in story.owed() if isinstance(each, Trouble)}
    withdrawn(story)
    to_do, troubles = story.to_do(), {each.cause for each in story.owed() if isinstance(each, Trouble)} - before
    match UNDONE_BY[noun]:
        case "never":
            assert troubles
        case "":
            assert not any(isinstance(each.body, noun) for each in to_do)
        case undo:
            waits = [each for each in story.owed() if isinstance(each, ApprovalNeeded)]
            assert any(corrects(each, undo) for each in (*to_do, *waits)), [each.name for each in to_do]
    story.keep()


@pytest.mark.parametrize("taken_back", [never_left, fewer_left])
def test_a_parcel_that_is_said_not_to_have_left_so_is_a_case_until_it_is_said_again(taken_back: Deed) -> None:
    story = Story(3, 1000)
    left(story)
    story.keep()
    taken_back(story)
    assert _troubles(story) == ["parcel_taken_back:order:shop:1:s1"]
    story.parcel(3)
    assert _troubles(story) == []


def test_goods_that_were_received_and_are_said_not_to_have_come_are_a_case_until_they_are_said_again() -> None:
    story = Story(3, 1000)
    returned(story)
    story.keep()
    fewer_came(story)
    assert "return_taken_back:order:shop:1:R1" in _troubles(story)
    story.back(3)
    story.keep()
    assert "return_taken_back:order:shop:1:R1" not in _troubles(story)


def _troubles(story: Story) -> list[str]:
    return [each.cause for each in story.owed() if isinstance(each, Trouble)]


def _acts_of_connectors() -> Iterator[type[msgspec.Struct]]:
    for name in ("shopify", "smtp", "square", "stripe", "tryton", "wms"):
        capabilities = load(name).connector.capabilities
        yield from (noun for noun, each in capabilities.items() if each.verb == "act")


def test_every_act_there_is_says_what_undoes_it_and_is_held_to_it() -> None:
    assert {noun for noun, *_ in WITHDRAWN} == set(UNDONE_BY) == set(_acts_of_connectors())
    names = {name for name in UNDONE_BY.values() if name not in (NEVER, NOTHING)}
    assert names == {"open_units", "shipment_lines", "pickup_release", "goods_return", "credit_memo",
                     "supplementary_invoice", "return_record", "refund"}  # fmt: skip
    assert [noun for noun in COMMANDS if undone_by(noun) is None and COMMANDS[noun] in UNDONE_BY] == []


@pytest.mark.parametrize("name", ["credit_memo:1", "goods_return:R1:1", "return_record:R1:1"])
def test_what_was_found_to_be_absent_after_a_later_one_was_done_is_still_owed(name: str) -> None:
    """Its answer was lost, the next one was done meanwhile, and a search then found that the first had not happened."""
    story = Story(units=3, price=1_000)
    left(story)
    story.keep()
    for units in (1, 2):
        story.back(units)
        story.keep()
    absent = story.sealed.pop(name)
    [owed] = [each for each in story.to_do() if type(each.body) is type(absent.body)]
    assert (owed.name, owed.body.lines) == (name, absent.body.lines)


def test_a_further_sale_that_was_found_to_be_absent_is_still_owed() -> None:
    story = Story(units=1, price=1_000)
    left(story)
    for more in (2, 3):
        story.units = more
        story.order()
        story.keep()
    absent = story.sealed.pop("sale:2")
    [owed] = [each for each in story.to_do() if isinstance(each.body, SalesOrder)]
    assert (owed.name, owed.body) == ("sale:2", absent.body)
