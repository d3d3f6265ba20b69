"""One order that is edited once, at a chosen moment of its life, in a world without any chance in it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Literal, NamedTuple

from crossdock.canonical.shipment import ShipTo
from crossdock.connect.receipts import Confirmed
from crossdock.kernel.faults import Rejected
from crossdock.promises.obligations import ApprovalNeeded, Wait
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.terms import ReturnTerms
from tests.lives.goods import Basket, Line
from tests.lives.hub import Command, Hub
from tests.lives.living import Life
from tests.lives.oracle import Watch
from tests.lives.reality import Bringing, Coming, Reality
from tests.lives.targets import Warehouse

Edit = Literal[
    "add line", "remove line", "quantity up", "quantity down", "price up", "price down", "discount", "address",
    "cancel line", "cancel order",
]  # fmt: skip
Moment = Literal["before posting", "posted", "part shipped", "invoiced", "returned in part"]
_ROUNDS_MAX = 6
Taking = Literal["channel", "shipped"]
EDITS: tuple[Edit, ...] = Edit.__args__
MOMENTS: tuple[Moment, ...] = Moment.__args__


class Cell(NamedTuple):
    """One edit at one moment; who takes the money, and whether the warehouse has picked everything by then."""

    edit: Edit
    moment: Moment
    taking: Taking = "channel"
    picked: bool = False

    def __str__(self) -> str:
        words = [
            self.edit,
            self.moment,
            *(["taken when shipped"] * (self.taking == "shipped")),
            *(["picked"] * self.picked),
        ]
        return ", ".join(words).replace(" ", "-").replace(",-", "/")


def cells() -> list[Cell]:
    """Every edit at every moment, whoever takes the money; with everything picked where units are open that could be."""
    open_ = ("posted", "part shipped")
    return [
        Cell(edit, moment, taking, picked)
        for taking in ("channel", "shipped")
        for moment in MOMENTS
        for edit in EDITS
        for picked in ((False, True) if moment in open_ else (False,))
    ]


class Depot(Warehouse):
    """Sends what it has not picked yet to another address, and refuses where there is nothing of that."""

    def do(self, command: Command) -> Confirmed:
        if isinstance(command.body, ShipTo) and (self.picks() or not self.open()):
            raise Rejected("all_picked")
        return super().do(command)


class _Calm(Random):
    """Nothing is late, doubled or lost; who is asked has not answered yet."""

    def random(self) -> float:
        return 0.9


class _Yes(Random):
    """Whatever is asked is allowed, and told twice."""

    def random(self) -> float:
        return 0.0


class Edited(Reality):
    """Three mugs and two tees; the fourth mug, the cap and the discount come by an edit."""

    def __init__(self, taking: Taking) -> None:
        super().__init__(_Yes(), taking=taking)

    def __post_init__(self) -> None:
        mug, tee = Line("L1", "MUG", 3, 999, 100, ("0.0825",)), Line("L2", "TEE", 2, 2500, 0, ("0.05",))
        self.basket = Basket("USD", False, [mug, tee], delivery=500, delivery_rates=("0.0825",))
        self.warehouse = Depot()
        self.psp = self.provider()
        self._say_order()
        self.pay(self.basket.total)

    def edit(self, edit: Edit) -> bool:
        """The shop changes the order; False where there is nothing it could change."""
        mug, basket = self.basket.lines[0], self.basket
        left = self.warehouse.left["L1"]
        match edit:
            case "add line":
                basket.lines.append(Line("L3", "CAP", 2, 1250, 0, ("0.0825",)))
            case "remove line":
                mug.resize(self._coming_back("L1"))
            case "quantity up" | "quantity down":
                mug.resize(mug.units + (1 if edit == "quantity up" else -1))
            case "price up":
                mug.price += 101
            case "price down":
                mug.price -= 101
            case "discount":
                mug.discount += 200
            case "address":
                self.home = 1 - self.home
            case "cancel line" if left == mug.units:
                return False
            case "cancel line":
                mug.resize(left)
            case "cancel order":
                self._cancel()
        return self._edited(edit)

    def _cancel(self) -> None:
        """What has left stays sold, and its delivery with it."""
        self.cancelled_at = self.now
        for line in self.basket.lines:
            line.resize(self.warehouse.left[line.id])
        if not self.parcels:
            self.basket.delivery = 0

    def ship(self, units: dict[str, int] | None = None) -> bool:
        """A parcel with these units, or with all that is open."""
        taken = self.warehouse.open() if units is None else units
        return bool(taken) and self._leaves(taken)

    def bring_back_a_mug(self) -> None:
        came = Coming(
            "R1", self.now, [Bringing("1", "L1", "MUG", 1, 1, "sellable", keeps=False)], "closed", "refund", "shop"
        )
        self.returns.append(came)
        self._say_return(came)

    def pay(self, amount: int) -> None:
        """The buyer pays; or lets it be authorised, where the hub takes it when it leaves."""
        self._pays_with("card", amount)


class Told(NamedTuple):
    """What the hub tells about why it isn't done: on whom it waits for what, what is to be approved, which cases."""

    waits: tuple[tuple[str, str], ...]
    approvals: tuple[str, ...]
    """What is asked, as the person reads it."""
    cases: tuple[tuple[str, str], ...]
    """(cause, title)"""


class Step(NamedTuple):
    """What a target was asked, what it answered, and the units the ERP cancelled for it."""

    command: Command
    outcome: Confirmed | Rejected
    cancelled: Counter[str]


class Played(Life):
    """A cell from its order to the end: every wait is met, every approval given, as soon as all else is at rest."""

    reality: Edited  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.steps: list[Step] = []
        self.paid: list[int] = []
        super().__init__(seed=0)

    def __post_init__(self) -> None:
        self.luck = _Calm()
        roles = Roles(erp="erp", warehouse="warehouse", payments="psp")
        self.policy = Policy(roles=roles, returns=(ReturnTerms(),), capture_when=self.cell.taking, tolerance_minor=0)
        self.reality = Edited(self.cell.taking)
        self.hub = Hub(self.policy, self.reality.now)
        self.watch = Watch(self.reality, self.policy)

    def play(self) -> Played:
        """To the moment, the edit, and to the end; `steps` are those since the edit."""
        self._to_moment()
        self.total_before = self.reality.basket.total
        self.steps.clear()
        self.reality.warehouse.picks = lambda: self.cell.picked
        self.possible = self.reality.edit(self.cell.edit)
        self.watch.look()
        self._to_rest()
        self.told = told(self.hub)
        for _ in range(_ROUNDS_MAX):
            if not self._met():
                return self
            self._to_rest()
        raise AssertionError(f"{self.cell}: never done")

    def _to_moment(self) -> None:
        if self.cell.moment == "before posting":
            while self.reality.unheard:
                self._hear_one()
            self._settle()
            return
        self._to_rest()
        if self.cell.moment == "part shipped":
            self.reality.ship({"L1": 2})
        elif self.cell.moment != "posted":
            self.reality.ship()
        self._to_rest()
        if self.cell.moment == "returned in part":
            self.reality.bring_back_a_mug()
            self.watch.look()
            self._to_rest()

    def _met(self) -> bool:
        """What is waited for happens: somebody allows it, the rest leaves, the buyer pays."""
        asked = [each for each in self.hub.obligations if isinstance(each, ApprovalNeeded)]
        for each in asked:
            self.reality.decide(each)
            self.watch.look()
        return bool(asked) or self.reality.ship() or self._paid()

    def _paid(self) -> bool:
        """What is kept, less what the payments still hold or would cover."""
        refunded = sum(tender.refunded for tender in self.reality.psp.tenders.values())
        missing = self.watch.look().worth + refunded - sum(self.reality.psp.authorised.values())
        if missing > 0:
            self.reality.pay(missing)
            self.paid.append(missing)
        return missing > 0

    def _do(self, command: Command) -> Confirmed | Rejected:
        before = sum(self.reality.erp.holds.values(), Counter[str]())
        outcome = super()._do(command)
        cancelled = before - sum(self.reality.erp.holds.values(), Counter[str]())
        self.steps.append(Step(command, outcome, cancelled))
        return outcome

    @property
    def billed(self) -> int:
        """What the ERP's documents come to: invoices less credit memos."""
        posted = self.reality.erp.posted
        return sum(-each.total if each.kind == "credit_memo" else each.total for each in posted)

    @property
    def taken(self) -> int:
        """What the payment provider took and did not give back."""
        return sum(tender.captured - tender.refunded for tender in self.reality.psp.tenders.values())


def told(hub: Hub) -> Told:
    """What it tells now."""
    waits = tuple((each.on, each.what) for each in hub.obligations if isinstance(each, Wait))
    approvals = tuple(each.what for each in hub.obligations if isinstance(each, ApprovalNeeded))
    troubles = tuple((each.cause.partition(":")[0], each.title) for each in hub.changes.troubles)
    return Told(waits, approvals, (*troubles, *((cause, cause) for cause in hub.cases.values())))
