"""A life that a test tells by hand: facts are said one after the other, and whatever the hub asks for is done at once."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.canonical.order import Order, OrderLine, Tax
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentCapture, PaymentRefund, Refund
from crossdock.canonical.pickup import Pickup, PickupUnits
from crossdock.canonical.returns import Approval, Return, ReturnLine
from crossdock.canonical.shipment import Shipment, ShipmentLine
from crossdock.connect.receipts import Confirmed
from crossdock.kernel.money import usd
from crossdock.promises.obligations import ApprovalNeeded, Trouble
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.terms import ReturnTerms
from crossdock.settle.statement import unexplained
from tests.lives.hub import ENTITY, Command, Hub, Said

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOME = Address(name="Ada", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
_ROUNDS_MAX = 60


class Directed:
    """One order; `asked` is what the hub asked its systems for, in order."""

    def __init__(self, **policy: Any) -> None:
        roles = Roles(erp="erp", warehouse="warehouse", payments="psp", stores="till")
        self.policy = Policy(**{"roles": roles, "returns": (ReturnTerms(),), "tolerance_minor": 1, **policy})
        self.hub = Hub(self.policy, T0)
        self.asked: list[Command] = []
        self._tokens = Counter[tuple[str, str, str]]()

    def say(self, connection: str, kind: str, body: Any, id_: str = "") -> None:
        """A system says how this is now; None: it holds it no more. Then everything that follows is done."""
        self.hub.now += timedelta(seconds=1)
        name = (connection, kind, id_ or body.id)
        self._tokens[name] += 1
        self.hub.hear(Said(*name, self._tokens[name], body))
        self.rest()

    def pay(self, minor: int, id_: str = "pi", *, captured: bool = True) -> None:
        told = {"id": id_, "tender": "card", "authorised": usd(minor), "authorised_at": T0}
        self.say("psp", "payment", PaymentAuthorization(**told, status="captured" if captured else "open"))
        if captured:
            self._captured(id_, minor, f"c_{id_}")

    def refunded(self, command: Command, status: Any = "succeeded") -> None:
        """The provider says how a refund that was asked for went."""
        asked: PaymentRefund = command.body
        told = {"payment": asked.payment, "tender": asked.tender, "amount": asked.amount, "refunded_at": self.hub.now}
        self.say("psp", "refund", Refund(id=f"re_{command.key}", status=status, reference=command.key, **told))

    def deploy(self) -> None:
        """Rules that say the same go live, a day after everything was settled by the ones before."""
        self.hub.now += timedelta(days=1)
        self.hub.deploy()
        self.hub.now += timedelta(days=1)

    def approve(self) -> None:
        """Somebody who may allows whatever waits for that."""
        for nth, need in enumerate([o for o in self.hub.obligations if isinstance(o, ApprovalNeeded)]):
            told = {"by": "fiona", "role": need.role, "decided_at": self.hub.now, "verdict": "approved"}
            until = self.hub.now + timedelta(hours=24)
            self.say("people", "approval", Approval(digest=need.digest, expires_at=until, **told), f"v{nth}")

    def of(self, type_: type[Any]) -> list[Any]:
        """The bodies of what was asked for of a kind."""
        return [each.body for each in self.asked if isinstance(each.body, type_)]

    def troubles(self) -> list[str]:
        return [each.cause for each in self.hub.obligations if isinstance(each, Trouble)]

    def wrong(self) -> list[tuple[str, str]]:
        """What the books can't explain, where nobody is waited for."""
        return list(unexplained(self.hub.standing(), self.policy, expects=False))

    def rest(self) -> None:
        for _ in range(_ROUNDS_MAX):
            if self.hub.dirty:
                self.hub.settle()
            elif due := self.hub.due():
                self._do(due[0])
            else:
                return
        raise AssertionError(f"not at rest after {_ROUNDS_MAX} rounds: {[each.name for each in self.asked]}")

    def _do(self, row: Any) -> None:
        self.hub.claim(row)
        if (command := self.hub.seal(row)) is None:
            return
        self.asked.append(command)
        id_ = f"r{len(self.asked)}"
        self.hub.confirm(row, Confirmed(id=id_))
        self.hub.dirty = True
        if isinstance(command.body, PaymentCapture):
            self._captured(command.body.payment, command.body.amount.minor, id_)
        elif isinstance(command.body, PaymentRefund):
            self.refunded(command)

    def _captured(self, payment: str, minor: int, id_: str) -> None:
        told = {"payment": payment, "tender": "card", "amount": usd(minor), "captured_at": T0}
        self.say("psp", "capture", Capture(id=id_, **told))


def line(id_: str, units: int, minor: int, *taxes: tuple[str, int], sku: str = "") -> OrderLine:
    levied = tuple(Tax(title="tax", rate=rate, amount=usd(amount)) for rate, amount in taxes)
    return OrderLine(id=id_, sku=sku or f"SKU-{id_}", title=id_, ordered=units, unit_price=usd(minor), taxes=levied)


def order(*lines: OrderLine, payment: Any = "paid", **rest: Any) -> Order:
    told = {"number": "#1", "placed_at": T0, "currency": "USD", "total": usd(0), "ship_to": HOME, "email": ""}
    return Order(id="1", lines=lines, payment=payment, **told, **rest)


def parcel(id_: str, **units: int) -> Shipment:
    lines = tuple(ShipmentLine(line=name, sku=f"SKU-{name}", units=count) for name, count in units.items())
    return Shipment(id=id_, reference=ENTITY, location="EAST", lines=lines, shipped_at=T0)


def come_back(id_: str, units: int, line_: str = "", *, sku: str = "", days: int = 1) -> Return:
    told = {"units": units, "received": units, "disposition": "sellable", "location": "STORE"}
    back = ReturnLine(id="0", line=line_, sku=sku or f"SKU-{line_}", **told)
    return Return(id=id_, returned_at=T0 + timedelta(days=days), lines=(back,), status="closed", settle_by="refund")


def fetched(units: int, of: int) -> Pickup:
    told = PickupUnits(line="A", sku="SKU-A", asked=of, ready=units, handed_over=units)
    made = {"id": "P", "reference": ENTITY, "location": "EAST", "changed_at": T0 + timedelta(hours=1)}
    return Pickup(state="handed_over", lines=(told,), **made)
