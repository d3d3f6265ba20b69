"""What happens to one order in the world outside, whoever hears of it: buyers, clerks, warehouse, bank and approvers act.

Every step is drawn from what reality allows at that moment. What was said about it lies in `unheard` until the driver
hands it to the hub, late, doubled and out of order as it likes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any, Literal

from crossdock.canonical.order import Order
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, Dispute, PaymentAuthorization
from crossdock.canonical.returns import Allowance, Approval, Replacement, Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.kernel.money import Money
from crossdock.promises.obligations import ApprovalNeeded
from tests.lives.goods import Basket, Line, NewGoods, add_line, filled, half_up
from tests.lives.hub import ENTITY, Said
from tests.lives.targets import Channel, Entry, Erp, Provider, Tender, Warehouse, refund_fact

BEGIN = datetime.fromisoformat("2026-03-02T09:00:00+00:00")
_HOMES = tuple(
    Address(name="Ada Example", street=(street,), city="Springfield", postal_code="62701", country="US")
    for street in ("1 Sage Street", "2 Rose Street")
)
Happening = Callable[[], bool]


@dataclass(slots=True)
class Bringing:
    """One line of a return: `received` of `units` are back so far."""

    id: str
    line: str
    sku: str
    units: int
    received: int
    disposition: Literal["sellable", "damaged", "vendor"] | None
    keeps: bool


@dataclass(slots=True)
class Coming:
    """A return as its place states it."""

    id: str
    at: datetime
    lines: list[Bringing]
    status: Literal["requested", "authorised", "closed", "cancelled"]
    settle_by: Literal["refund", "store_credit", "exchange", "nothing"]
    connection: str
    token: int = 1
    new: list[NewGoods] = field(default_factory=list[NewGoods])
    """What is sent for it."""

    @property
    def fact(self) -> str:
        """What the hub knows it as."""
        return f"return:{self.connection}:{self.id}"


@dataclass(slots=True)
class Chargeback:
    id: str
    payment: str
    amount: int
    status: Literal["open", "won", "lost"]
    at: datetime
    token: int = 1


@dataclass
class Reality:
    """The truth about one order, and what there is to hear of it."""

    luck: Random
    now: datetime = BEGIN
    world: Random = field(default_factory=lambda: Random(0))
    """How the shop and the provider are made; apart from what happens."""
    taking: Literal["channel", "shipped"] = "channel"
    swaps: bool = False
    """The buyer mostly wants other goods for what comes back."""
    settles_in: str = ""
    """The currency the provider pays out in, where it is not that of every order."""
    basket: Basket = field(init=False)
    psp: Provider = field(init=False)
    erp: Erp = field(default_factory=Erp)
    warehouse: Warehouse = field(default_factory=Warehouse)
    channel: Channel = field(default_factory=Channel)
    returns: list[Coming] = field(default_factory=list[Coming])
    allowances: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """(id, amount, line)"""
    disputes: list[Chargeback] = field(default_factory=list[Chargeback])
    parcels: list[tuple[str, datetime, dict[str, int]]] = field(
        default_factory=list[tuple[str, datetime, dict[str, int]]]
    )
    placed_at: datetime = BEGIN
    arrived: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When, by parcel, as far as somebody saw it."""
    verdicts: list[Approval] = field(default_factory=list[Approval])
    allowed_late: set[str] = field(default_factory=set[str])
    cancelled_at: datetime | None = None
    home: int = 0
    ever: int = 0
    """What everything ever ordered comes to: it rises with the total, and never falls."""
    remembers: bool = True
    """The shop tells that."""
    _asked: int = 0
    _paid_for: set[str] = field(default_factory=set[str])
    unheard: list[Said] = field(default_factory=list[Said])
    story: list[str] = field(default_factory=list[str])
    _tokens: Counter[str] = field(default_factory=Counter[str])

    def __post_init__(self) -> None:
        self.basket = filled(self.luck)
        self.psp = self.provider(pending_first=lambda: self.luck.random() < 0.1)
        self.warehouse.picks = lambda: self.luck.random() < 0.1
        self._say_order()
        self._pay(self.basket.total, self.luck.choice((1, 1, 1, 2, 3)))
        self._note(f"placed {self.basket}")

    def provider(self, **more: Any) -> Provider:
        """Where this order's money is held."""
        return Provider(
            self.basket.currency,
            told=self._say_refund,
            captured=self._say_capture,
            ended=self._say_payment,
            exchanged=self._exchanged,
            **more,
        )

    def _exchanged(self, amount: int) -> int:
        return half_up(Fraction(amount * self.world.randint(80, 130), 100)) if self._is_exchanged else 0

    @property
    def _is_exchanged(self) -> bool:
        return self.settles_in not in ("", self.basket.currency)

    # What can happen

    def happenings(self) -> list[tuple[int, Happening]]:
        return [
            (8, self.a_parcel_leaves),
            (3, self.units_are_edited),
            (1, self.a_price_is_edited),
            (1, self.a_discount_is_given),
            (1, self.a_line_is_added),
            (1, self.a_line_is_removed),
            (1, self.the_buyer_moves),
            (1, self.the_order_is_cancelled),
            (5, self.a_return_is_announced),
            (8, self.goods_come_back),
            (3, self.a_return_is_decided),
            (2, self.somebody_is_kind),
            (1, self.a_clerk_refunds),
            (1, self.the_till_pays),
            (2, self.a_dispute_moves),
            (1, self.a_refund_comes_back),
            (3, self.the_buyer_pays_the_rest),
            (1, self.new_goods_run_short),
            (2, self.a_difference_is_paid),
            (3, self.a_parcel_arrives),
        ]

    def something(self) -> None:
        """One thing happens, if anything can."""
        choices = self.happenings()
        for _ in range(4):
            [(_, happens)] = self.luck.choices(choices, [weight for weight, _ in choices])
            if happens():
                return

    def a_parcel_leaves(self) -> bool:
        open_ = self.warehouse.open()
        if not open_:
            return False
        taken = {line: self.luck.randint(1, units) for line, units in open_.items() if self.luck.random() < 0.8}
        if not taken:
            return False
        return self._leaves(taken)

    def _leaves(self, taken: dict[str, int]) -> bool:
        self.warehouse.left.update(taken)
        parcel = f"s{len(self.parcels) + 1}"
        self.parcels.append((parcel, self.now, taken))
        self._say_parcel(parcel, self.now, taken)
        return self._note(f"parcel {parcel} leaves with {taken}")

    def a_parcel_arrives(self) -> bool:
        on_their_way = [each for each in self.parcels if each[0] not in self.arrived]
        if not on_their_way:
            return False
        parcel, at, taken = self.luck.choice(on_their_way)
        self.arrived[parcel] = self.now
        self._say_parcel(parcel, at, taken)
        return self._note(f"parcel {parcel} arrives")

    def _say_parcel(self, parcel: str, at: datetime, taken: dict[str, int]) -> None:
        lines = tuple(ShipmentLine(line=line, sku=self.warehouse.skus[line], units=n) for line, n in taken.items())
        body = Shipment(
            id=parcel,
            reference=ENTITY,
            location="EAST",
            lines=lines,
            shipped_at=at,
            delivered_at=self.arrived.get(parcel),
        )
        self._say("warehouse", "shipment", parcel, body)

    def units_are_edited(self) -> bool:
        line = self._editable()
        if line is None:
            return False
        units = self.luck.randint(self._coming_back(line.id), line.units + self.luck.choice((0, 0, 1, 2)))
        if units == line.units or (line.units == 0):
            return False
        line.resize(units)
        return self._edited(f"{line.id} now in {units}")

    def a_price_is_edited(self) -> bool:
        line = self._editable()
        if line is None or line.units == 0:
            return False
        price = self.luck.randint(line.price // 2, line.price * 2 + 1)
        if price * line.units < line.discount:
            return False
        line.price = price
        return self._edited(f"{line.id} now at {price}")

    def a_discount_is_given(self) -> bool:
        line = self._editable()
        if line is None or line.charged <= 0:
            return False
        line.discount += self.luck.randint(1, line.charged)
        return self._edited(f"{line.id} now with {line.discount} off")

    def a_line_is_added(self) -> bool:
        if self.cancelled_at is not None or len(self.basket.lines) > 8:
            return False
        line = add_line(self.basket, self.luck)
        return self._edited(f"added {line}")

    def a_line_is_removed(self) -> bool:
        line = self._editable()
        if line is None or line.units == 0 or self._coming_back(line.id):
            return False
        line.resize(0)
        return self._edited(f"removed {line.id}")

    def the_buyer_moves(self) -> bool:
        if self.cancelled_at is not None:
            return False
        self.home = 1 - self.home
        return self._edited("a new address")

    def the_order_is_cancelled(self) -> bool:
        if self.cancelled_at is not None or self.parcels:
            return False
        self.cancelled_at = self.now
        for line in self.basket.lines:
            line.resize(0)
        self.basket.delivery = self.basket.tip = 0
        return self._edited("cancelled")

    def a_return_is_announced(self) -> bool:
        lines: list[Bringing] = []
        sent = [new for came in self.returns for new in came.new]
        for line in (*self.basket.lines, *sent):
            free = min(self.warehouse.left[line.id], line.units) - self._coming_back(line.id)
            if free > 0 and self.luck.random() < 0.7:
                units, keeps = self.luck.randint(1, free), self.luck.random() < 0.1
                lines.append(Bringing(f"{len(lines) + 1}", line.id, line.sku, units, 0, None, keeps))
        if not lines:
            return False
        mostly = ("exchange",) * 6 if self.swaps else ("refund",) * 6
        settle_by = self.luck.choice((*mostly, "store_credit", "exchange", "exchange", "nothing"))
        status = self.luck.choice(("requested", "authorised", "authorised"))
        connection = self.luck.choice(("shop", "shop", "till"))
        came = Coming(f"R{len(self.returns) + 1}", self.now, lines, status, settle_by, connection)
        if settle_by == "exchange" and self.luck.random() < 0.8:
            came.new = self._new_goods(came)
        self.returns.append(came)
        self._say_return(came)
        return self._note(f"return {came}")

    def _new_goods(self, came: Coming) -> list[NewGoods]:
        """For the same price by unit, or for more or less."""
        new: list[NewGoods] = []
        for nth, brought in enumerate(came.lines[:2], 1):
            like = next(each for each in self.all_lines() if each.id == brought.line)
            even = -(-like.charged // like.units)
            price = self.luck.choice((even, even, self.luck.randint(1, 2 * even + 1)))
            units = brought.units if self.luck.random() < 0.8 else brought.units + 1
            new.append(NewGoods(f"{came.id}+{nth}", f"NEW{nth}", units, units, price, like.rates))
        return new

    def all_lines(self) -> list[Line | NewGoods]:
        return [*self.basket.lines, *(new for came in self.returns for new in came.new)]

    def new_goods_run_short(self) -> bool:
        """The warehouse can't send some of it after all, or the customer doesn't want it any more."""
        open_ = [(c, n) for c in self.returns for n in c.new if n.agreed - n.given_up > self.warehouse.left[n.id]]
        if not open_:
            return False
        came, new = self.luck.choice(open_)
        new.given_up += self.luck.randint(1, new.agreed - new.given_up - self.warehouse.left[new.id])
        self._say_return(came)
        return self._note(f"{came.id}: {new.given_up} of {new.id} given up")

    def a_difference_is_paid(self) -> bool:
        """About what new goods cost more than what comes back for them."""
        lines = {line.id: line for line in self.all_lines()}
        for came in self.returns:
            asked = sum(new.charged + sum(new.taxes(included=False)) for new in came.new)
            back = sum(b.units * lines[b.line].charged // max(lines[b.line].units, 1) for b in came.lines)
            if asked > back and came.id not in self._paid_for and came.status != "cancelled":
                self._paid_for.add(came.id)
                self._pay(self.luck.choice((asked - back, 2 * (asked - back))), 1)
                return self._note(f"{asked - back} or twice that paid for the new goods of {came.id}")
        return False

    def goods_come_back(self) -> bool:
        open_ = [
            (came, line)
            for came in self.returns
            if came.status == "authorised"
            for line in came.lines
            if not line.keeps and (line.received < line.units or line.disposition is None)
        ]
        if not open_:
            return False
        came, line = self.luck.choice(open_)
        line.received = self.luck.randint(max(1, line.received), line.units)
        if line.disposition is None and self.luck.random() < 0.7:
            line.disposition = self.luck.choice(("sellable", "damaged", "vendor"))
        self._say_return(came)
        return self._note(f"{came.id}: {line}")

    def a_return_is_decided(self) -> bool:
        open_ = [came for came in self.returns if came.status in ("requested", "authorised")]
        if not open_:
            return False
        came = self.luck.choice(open_)
        if came.status == "requested":
            came.status = self.luck.choice(("authorised", "authorised", "cancelled"))
        elif any(line.received or line.keeps for line in came.lines):
            if any(line.received and line.disposition is None for line in came.lines):
                return False
            came.status = "closed"
        else:
            came.status = "cancelled"
        self._say_return(came)
        return self._note(f"{came.id} is {came.status}")

    def somebody_is_kind(self) -> bool:
        if self.basket.total <= 0:
            return False
        amount, id_ = self.luck.randint(1, max(1, self.basket.total // 5)), f"A{len(self.allowances) + 1}"
        line = self.luck.choice(self.basket.lines).id if self.luck.random() < 0.4 else ""
        self.allowances.append((id_, amount, line))
        money = Money(amount, self.basket.currency)
        body = Allowance(id=id_, amount=money, reason="late", granted_by="ada", granted_at=self.now, line=line)
        self._say("desk", "allowance", id_, body)
        return self._note(f"allowance {id_} of {amount} {line}")

    def a_clerk_refunds(self) -> bool:
        return self._by_hand("")

    def the_till_pays(self) -> bool:
        returns = [r for r in self.returns if r.connection == "till" and r.status == "authorised"]
        return bool(returns) and self._by_hand(self.luck.choice(returns).id)

    def _by_hand(self, for_return: str) -> bool:
        tenders = [tender for tender in self.psp.tenders.values() if tender.left > 0]
        if not tenders:
            return False
        tender = self.luck.choice(tenders)
        amount = self.luck.randint(1, max(1, tender.left // 3))
        self.psp.refund(tender.id, amount, for_return=for_return)
        return self._note(f"{amount} of {tender.id} refunded by hand for {for_return or 'whatever'}")

    def a_dispute_moves(self) -> bool:
        open_ = [each for each in self.disputes if each.status == "open"]
        if open_:
            dispute = self.luck.choice(open_)
            dispute.status = self.luck.choice(("won", "lost"))
            if dispute.status == "won":
                self.psp.tenders[dispute.payment].disputed -= dispute.amount
            dispute.token += 1
        else:
            cards = [t for t in self.psp.tenders.values() if t.tender == "card" and t.left > 0]
            if not cards or len(self.disputes) > 1:
                return False
            card = self.luck.choice(cards)
            amount = self.luck.choice((card.left, self.luck.randint(1, card.left)))
            dispute = Chargeback(f"dp_{len(self.disputes) + 1}", card.id, amount, "open", self.now)
            card.disputed += amount
            self.disputes.append(dispute)
        self._say_dispute(dispute)
        return self._note(f"{dispute}")

    def a_refund_comes_back(self) -> bool:
        entries = [e for e in self.psp.refunds.values() if e.status != "failed" and not e.for_return]
        if not entries:
            return False
        entry = self.luck.choice(entries)
        if entry.status == "succeeded" and self.luck.random() < 0.5:
            return False
        self.psp.settle(entry, "failed" if entry.status == "succeeded" else self.luck.choice(("succeeded", "failed")))
        return self._note(f"{entry}")

    def the_buyer_pays_the_rest(self) -> bool:
        missing = self.basket.total - sum(self.psp.authorised.values())
        if missing <= 0:
            return False
        self._pay(self.luck.choice((missing, missing, self.luck.randint(1, missing))), 1)
        return self._note(f"paid {missing} more")

    # What people answer when the hub asks

    def decide(self, needed: ApprovalNeeded) -> None:
        """Somebody with the role allows it, refuses it, or lets an old word run out."""
        verdict: Any = "approved" if self.luck.random() < 0.8 else "rejected"
        hours = self.luck.choice((24, 24, 24, 1))
        word = Approval(
            digest=needed.digest,
            verdict=verdict,
            by=f"person{len(self.verdicts) + 1}",
            role=needed.role,
            decided_at=self.now,
            expires_at=self.now + timedelta(hours=hours),
        )
        self.verdicts.append(word)
        self._say("desk", "approval", f"v{len(self.verdicts)}", word)
        kind, _, about = needed.name.partition(":")
        if kind == "late_return":  # asked again, it did not count yet when the word before ran out
            (self.allowed_late.add if verdict == "approved" else self.allowed_late.discard)(about)
        self._note(f"{verdict} {needed.what}")

    # What is said of it

    def _note(self, what: str) -> bool:
        self.story.append(f"{self.now:%d %H:%M} {what}")
        return True

    def _say(self, connection: str, kind: str, id_: str, body: Any, fact: str = "") -> None:
        self._tokens[f"{connection}/{kind}/{id_}"] += 1
        self.unheard.append(Said(connection, kind, id_, self._tokens[f"{connection}/{kind}/{id_}"], body, fact))

    def _edited(self, what: str) -> bool:
        self._say_order()
        return self._note(f"edited: {what}")

    def _say_order(self) -> None:
        basket = self.basket
        money = Money(basket.tip, basket.currency) if basket.tip else None
        self.ever += max(basket.total - self._asked, 0)
        self._asked = basket.total
        body = Order(
            id="1",
            number="#1",
            placed_at=BEGIN,
            currency=basket.currency,
            lines=basket.order_lines(),
            total=Money(basket.total, basket.currency),
            tax_included=basket.included,
            email="ada@example.com",
            ship_to=_HOMES[self.home],
            shipping=basket.charges(),
            tip=money,
            payment=self._payment(),
            cancelled_at=self.cancelled_at,
            ever_ordered=Money(self.ever, basket.currency) if self.remembers else None,
        )
        self._say("shop", "order", "1", body)

    def _payment(self) -> Any:
        """As the shop sees it, which places an order when it is paid."""
        paid = not self.psp.tenders or sum(self.psp.authorised.values()) >= self.basket.total
        return "pending" if not paid else "paid" if self.taking == "channel" else "authorised"

    def _pay(self, total: int, ways: int) -> None:
        """The channel takes the money at once, in one or several tenders; or has it held on cards."""
        left = total
        for way in range(ways):
            amount = left if way == ways - 1 else self.luck.randint(0, left)
            if amount <= 0:
                continue
            left -= amount
            kind: Any = "card" if way == ways - 1 else self.luck.choice(("gift_card", "store_credit", "cash", "card"))
            self._pays_with("card" if self.taking == "shipped" else kind, amount)

    def _pays_with(self, kind: str, amount: int) -> None:
        id_ = f"pi_{len(self.psp.tenders) + 1}"
        self.psp.tenders[id_] = Tender(id_, kind)
        self.psp.authorised[id_] = amount
        if self.taking == "channel":
            self.psp.tenders[id_].captured = amount
        self._say_payment(id_, "captured" if self.taking == "channel" else "open")
        if self.taking == "channel":
            self._say_capture(id_, amount)

    def _say_payment(self, id_: str, status: Any) -> None:
        tender: Any = self.psp.tenders[id_].tender
        money = Money(self.psp.authorised[id_], self.basket.currency)
        body = PaymentAuthorization(id=id_, tender=tender, authorised=money, status=status, authorised_at=self.now)
        self._say("psp", "payment", id_, body)

    def _say_capture(self, payment: str, amount: int) -> str:
        id_ = f"ca_{sum(1 for name in self._tokens if name.startswith('psp/capture/')) + 1}"
        tender, settled = self.psp.tenders[payment], self._exchanged(amount)
        tender.settled += settled
        kind: Any = tender.tender
        body = Capture(
            id=id_,
            payment=payment,
            tender=kind,
            amount=Money(amount, self.basket.currency),
            captured_at=self.now,
            settled=Money(settled, self.settles_in) if self._is_exchanged else None,
        )
        self._say("psp", "capture", id_, body)
        return id_

    def _say_refund(self, entry: Entry) -> None:
        tender = self.psp.tenders[entry.payment].tender
        money = Money(entry.amount, self.basket.currency)
        settled = Money(entry.settled, self.settles_in) if self._is_exchanged else None
        body = refund_fact(entry, tender, self.now, money, settled)
        self._say("psp", "refund", entry.id, body)
        if self.luck.random() < 0.4:
            echo = refund_fact(
                Entry(f"echo_{entry.id}", entry.payment, entry.amount, "succeeded"),
                tender,
                self.now,
                money,
            )
            self._say("shop", "refund", echo.id, echo, fact=f"refund:psp:{entry.id}")

    def _say_return(self, came: Coming) -> None:
        lines = tuple(
            ReturnLine(
                id=line.id,
                line=line.line,
                sku=line.sku,
                units=line.units,
                received=line.received,
                disposition=line.disposition,
                location="STORE1" if line.received else "",
                keeps_goods=line.keeps,
            )
            for line in came.lines
        )
        new = tuple(Replacement(line=self.basket.agreed(each), given_up=each.given_up) for each in came.new)
        body = Return(
            id=came.id,
            returned_at=came.at,
            lines=lines,
            status=came.status,
            settle_by=came.settle_by,
            replacements=new,
        )
        self._say(came.connection, "return", came.id, body)

    def _say_dispute(self, dispute: Chargeback) -> None:
        body = Dispute(
            id=dispute.id,
            payment=dispute.payment,
            amount=Money(dispute.amount, self.basket.currency),
            status=dispute.status,
            opened_at=dispute.at,
        )
        self._say("psp", "dispute", dispute.id, body)

    # What is still there

    def _editable(self) -> Line | None:
        return self.luck.choice(self.basket.lines) if self.cancelled_at is None else None

    def _coming_back(self, line: str) -> int:
        """Units of a line that are in some return already."""
        return sum(b.units for came in self.returns if came.status != "cancelled" for b in came.lines if b.line == line)
