"""What happens on the floor of the simulated warehouse: orders taken in, units picked, parcels gone. No I/O.

A unit takes the address it will travel to when it is picked; that is why a change of address can come too late for some
units of an order and in time for the others.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import msgspec

from crossdock.kernel.moments import Clock
from crossdock.simulators.ledger import Ledger

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Address(msgspec.Struct, kw_only=True, frozen=True):
    """Kept with blanks cut, no empty street lines and the country in capitals."""

    name: str = ""
    company: str = ""
    street: tuple[str, ...] = ()
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: Annotated[str, msgspec.Meta(min_length=1)]
    phone: str = ""

    def tidy(self) -> Address:
        kept = {name: value.strip() for name, value in msgspec.structs.asdict(self).items() if name != "street"}
        street = tuple(line.strip() for line in self.street if line.strip())
        return Address(**{**kept, "country": self.country.strip().upper()}, street=street)


class LineOrder(msgspec.Struct, kw_only=True, frozen=True):
    line: Text
    sku: Text
    units: Annotated[int, msgspec.Meta(ge=1)]


class LineUnits(msgspec.Struct, kw_only=True, frozen=True):
    """Units of a line that are to leave in all; none cancels what has not been picked."""

    line: Text
    sku: Text
    units: Annotated[int, msgspec.Meta(ge=0)]


class OrderRequest(msgspec.Struct, kw_only=True, frozen=True):
    """What is asked for; two of one reference are the same order when they are equal."""

    reference: Text
    order_number: str
    ship_to: Address
    lines: Annotated[tuple[LineOrder, ...], msgspec.Meta(min_length=1)]


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    code: str
    message: str
    field: str | None = None
    line: str | None = None
    sku: str | None = None


class Turned(Exception):
    """The warehouse refuses, with the HTTP status and problem it says so with."""

    def __init__(self, status: int, code: str, message: str, **where: str) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code=code, message=message, **where)


@dataclass(frozen=True)
class Picked:
    """Units of one line lying picked at a location, addressed."""

    line: str
    location: str
    address: Address
    units: int


@dataclass
class Order:
    """A shipment order as the warehouse holds it; `asked` never changes, `ship_to` and `lines` do."""

    id: str
    asked: OrderRequest
    ship_to: Address
    lines: tuple[LineUnits, ...]
    status: Literal["received", "accepted", "rejected"]
    sequence: int
    problem: Problem | None = None
    picked: list[Picked] = field(default_factory=list[Picked])
    shipped: Counter[str] = field(default_factory=Counter[str])

    def taken(self, line: str) -> int:
        """Units that are picked or gone."""
        return sum(pick.units for pick in self.picked if pick.line == line) + self.shipped[line]

    def unpicked(self, line: LineUnits) -> int:
        return max(0, line.units - self.taken(line.line))

    def all_picked(self) -> bool:
        return all(self.unpicked(line) == 0 for line in self.lines)

    def stage(self) -> str:
        if self.status != "accepted":
            return self.status
        if not any(line.units for line in self.lines):
            return "cancelled"
        if all(self.shipped[line.line] >= line.units for line in self.lines):
            return "shipped"
        return "picking" if self.picked or self.shipped else "accepted"

    def shown(self) -> dict[str, Any]:
        """As the API shows it."""
        lines = [
            {**_plain(line), "picked": line.units - self.unpicked(line), "shipped": self.shipped[line.line]}
            for line in self.lines
        ]
        shown = {"id": self.id, "reference": self.asked.reference, "order_number": self.asked.order_number}
        shown |= {"status": self.stage(), "sequence": self.sequence, "ship_to": _plain(self.ship_to), "lines": lines}
        return shown | ({} if self.problem is None else {"problem": _plain(self.problem)})


class Floor:
    """All the warehouse knows. Every change takes the next `sequence`; what really happened goes to the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock, *, locations: Sequence[str], seed: int) -> None:
        self.orders: dict[str, Order] = {}
        self.shipments: dict[str, dict[str, Any]] = {}
        self.sequence = 0
        self.unknown_skus: frozenset[str] = frozenset()
        self._by_reference: dict[str, str] = {}
        self._on_hand: dict[str, dict[str, int]] = {}
        """sku -> location -> units, of what was counted once."""
        self._ledger = ledger
        self._clock = clock
        self._locations = locations
        self._seed = seed
        self._tracking_numbers_given = 0

    def snapshot(self) -> object:
        return copy.deepcopy((self.orders, self.shipments, self.sequence, self._by_reference, self._on_hand))

    def restore(self, saved: Any) -> None:
        """Back to a snapshot; tracking numbers go on, for carriers give them, not the warehouse."""
        self.orders, self.shipments, self.sequence, self._by_reference, self._on_hand = copy.deepcopy(saved)

    def now(self) -> str:
        """The warehouse's clock as RFC 3339."""
        return self._clock().isoformat().replace("+00:00", "Z")

    # ---- orders

    def take_in(self, asked: OrderRequest, *, check: bool) -> tuple[Order, bool]:
        """The order under this reference, and whether it is new; `check` decides on it at once."""
        held = self.by_reference(asked.reference)
        if held is not None and held.status != "rejected":
            return self._the_same(held, asked), False
        _each_once(line.line for line in asked.lines)
        problem = self._problem_with(asked.lines)
        if check and problem is not None:
            self._ledger.append("order_rejected", asked.reference, **_plain(problem))
            raise Turned(422, **_plain(problem))
        lines = tuple(LineUnits(line=line.line, sku=line.sku, units=line.units) for line in asked.lines)
        order = Order(f"so_{len(self.orders) + 1:06}", asked, asked.ship_to.tidy(), lines, "received", self._next())
        if check:
            order.status = "accepted"
        self.orders[order.id] = order
        self._by_reference[asked.reference] = order.id
        self._ledger.append("order_received", asked.reference, id=order.id, order=_plain(asked))
        return order, True

    def decide(self, order: Order) -> None:
        """Accept or reject an order that was only received."""
        order.problem, order.sequence = self._problem_with(order.lines), self._next()
        order.status = "accepted" if order.problem is None else "rejected"
        self._ledger.append(f"order_{order.status}", order.asked.reference, id=order.id)

    def by_reference(self, reference: str) -> Order | None:
        order_id = self._by_reference.get(reference)
        return None if order_id is None else self.orders[order_id]

    def redirect(self, order: Order, address: Address) -> bool:
        """Send what is not picked yet to the address; whether that changed anything."""
        if order.all_picked():
            self._ledger.append("ship_to_refused", order.asked.reference, ship_to=_plain(address))
            raise Turned(409, "all_picked", "every unit is picked or gone")
        if order.ship_to == address.tidy():
            return False
        order.ship_to, order.sequence = address.tidy(), self._next()
        self._ledger.append("ship_to_changed", order.asked.reference, ship_to=_plain(order.ship_to))
        return True

    def set_lines(self, order: Order, wanted: Sequence[LineUnits]) -> dict[str, int]:
        """Make these the units that leave in all, as far as nobody has picked them yet; what is held, by line.

        A line that isn't named is to leave with none. What is picked or gone stays, whatever is asked.
        """
        if order.status != "accepted":
            raise Turned(409, "not_accepted", f"{order.id} is {order.status}")
        _each_once(line.line for line in wanted)
        known = {line.line: line for line in order.lines}
        if problem := self._problem_with(wanted) or _other_goods(known, wanted):
            raise Turned(422, **_plain(problem))
        asked = {line: msgspec.structs.replace(held, units=0) for line, held in known.items()}
        asked |= {line.line: line for line in wanted}
        held = {name: order.taken(name) for name, line in asked.items() if line.units < order.taken(name)}
        lines = tuple(msgspec.structs.replace(line, units=held.get(name, line.units)) for name, line in asked.items())
        if held:
            self._ledger.append("lines_held", order.asked.reference, held=held)
        if lines != order.lines:
            order.lines, order.sequence = lines, self._next()
            units = {line.line: line.units for line in lines}
            self._ledger.append("lines_changed", order.asked.reference, lines=units)
        return held

    def _the_same(self, held: Order, asked: OrderRequest) -> Order:
        if held.asked != asked:
            self._ledger.append("order_conflicted", asked.reference, id=held.id)
            raise Turned(409, "reference_taken", f"{held.id} has this reference and other content", field="reference")
        self._ledger.append("order_repeated", asked.reference, id=held.id)
        return held

    def _problem_with(self, lines: Iterable[LineOrder | LineUnits]) -> Problem | None:
        for line in lines:
            if line.sku in self.unknown_skus:
                told = f"no item {line.sku} here"
                return Problem(code="unknown_sku", message=told, field="lines", line=line.line, sku=line.sku)
        return None

    # ---- stock

    def count(self, sku: str, location: str, units: int) -> None:
        """Somebody counted: so many are there."""
        self._on_hand.setdefault(sku, {})[location] = units
        self._ledger.append("counted", sku, location=location, units=units)

    def stock(self, sku: str) -> list[dict[str, Any]]:
        """What is there, location by location; what is to leave is reserved where it is, the first location first."""
        to_leave = sum(
            line.units - order.shipped[line.line]
            for order in self.orders.values()
            if order.status == "accepted"
            for line in order.lines
            if line.sku == sku
        )
        levels: list[dict[str, Any]] = []
        for location, on_hand in self._on_hand.get(sku, {}).items():
            reserved = min(on_hand, to_leave)
            to_leave -= reserved
            levels.append({"sku": sku, "location": location, "on_hand": on_hand, "reserved": reserved})
        return levels

    def _take_off(self, sku: str, location: str, units: int) -> None:
        held = self._on_hand.get(sku, {})
        if location in held:
            held[location] = max(0, held[location] - units)

    # ---- picking and shipping

    def pick(self, order: Order, location: str, wanted: Mapping[str, int], *, force: bool = False) -> None:
        """Pick units, which from now on travel to the address of this moment."""
        self._can_work_on(order, location)
        for line, units in wanted.items():
            left = order.unpicked(_line(order, line))
            if units > left and not force:
                raise Turned(409, "more_than_ordered", f"{left} units of line {line} are left to pick, not {units}")
        order.picked += [Picked(line, location, order.ship_to, units) for line, units in wanted.items()]
        order.sequence = self._next()
        self._ledger.append("picked", order.asked.reference, location=location, lines=dict(wanted))

    def ship(
        self, order: Order, location: str, wanted: Mapping[str, int], carrier: str, *, force: bool = False
    ) -> dict[str, Any]:
        """One parcel leaves: picked units of that location first, the rest is picked now; the shipment as the API shows it."""
        self._can_work_on(order, location)
        missing = {line: units - _lying(order, location, line) for line, units in wanted.items()}
        missing = {line: units for line, units in missing.items() if units > 0}
        taken, kept = _split(order.picked, location, wanted)
        addresses = {pick.address for pick in taken}
        if missing:
            addresses.add(order.ship_to)
        if len(addresses) != 1:
            raise Turned(409, "mixed_addresses", "these units were picked for different addresses: ship them apart")
        if missing:
            self.pick(order, location, missing, force=force)
        order.picked = kept
        order.shipped.update(wanted)
        order.sequence = self._next()
        return self._parcel(order, location, wanted, carrier, addresses.pop(), force)

    def _parcel(
        self, order: Order, location: str, units: Mapping[str, int], carrier: str, address: Address, forced: bool
    ) -> dict[str, Any]:
        parcel: dict[str, Any] = {
            "id": f"sh_{len(self.shipments) + 1:06}",
            "shipment_order": order.id,
            "reference": order.asked.reference,
            "location": location,
            "sequence": order.sequence,
            "shipped_at": self.now(),
            "lines": [{"line": line, "sku": _line(order, line).sku, "units": count} for line, count in units.items()],
            "tracking": self._tracking(carrier),
            "ship_to": _plain(address),
        }
        self.shipments[parcel["id"]] = parcel
        for line, count in units.items():
            self._take_off(_line(order, line).sku, location, count)
        self._ledger.append("parcel_left", order.asked.reference, forced=forced, shipment=parcel)
        return parcel

    def deliver(self, reference: str) -> list[dict[str, Any]]:
        """What is on its way for a reference arrives: its shipments anew, in the order of their changes."""
        arrived: list[dict[str, Any]] = []
        for id_, parcel in list(self.shipments.items()):
            if parcel["reference"] == reference and "delivered_at" not in parcel:
                del self.shipments[id_]
                self.shipments[id_] = parcel | {"sequence": self._next(), "delivered_at": self.now()}
                self._ledger.append("parcel_arrived", reference, shipment=self.shipments[id_])
                arrived.append(self.shipments[id_])
        return arrived

    def _tracking(self, carrier: str) -> dict[str, str]:
        self._tracking_numbers_given += 1
        drawn = hashlib.blake2b(f"{self._seed}/{self._tracking_numbers_given}".encode(), digest_size=8).hexdigest()
        number = "".join(word[0] for word in carrier.split()).upper() + f"{int(drawn, 16) % 10**12:012}"
        return {"carrier": carrier, "number": number, "url": f"https://track.example/{number}"}

    def _can_work_on(self, order: Order, location: str) -> None:
        if location not in self._locations:
            raise Turned(422, "invalid", f"no location {location}; there are {', '.join(self._locations)}")
        if order.status != "accepted":
            raise Turned(409, "not_accepted", f"{order.id} is {order.status}")

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence


def _lying(order: Order, location: str, line: str) -> int:
    return sum(pick.units for pick in order.picked if (pick.location, pick.line) == (location, line))


def _split(picked: Sequence[Picked], location: str, wanted: Mapping[str, int]) -> tuple[list[Picked], list[Picked]]:
    """What of the picked units goes into the parcel, oldest first, and what stays."""
    left, taken, kept = Counter(wanted), list[Picked](), list[Picked]()
    for pick in picked:
        units = min(pick.units, left[pick.line]) if pick.location == location else 0
        left[pick.line] -= units
        if units:
            taken.append(replace(pick, units=units))
        if units < pick.units:
            kept.append(replace(pick, units=pick.units - units))
    return taken, kept


def _other_goods(known: Mapping[str, LineUnits], wanted: Iterable[LineUnits]) -> Problem | None:
    """A line keeps its item: other goods are another line."""
    for line in wanted:
        if line.line in known and known[line.line].sku != line.sku:
            told = f"line {line.line} is of {known[line.line].sku}"
            return Problem(code="invalid", message=told, field="lines", line=line.line, sku=line.sku)
    return None


def _line(order: Order, name: str) -> LineUnits:
    for line in order.lines:
        if line.line == name:
            return line
    raise Turned(422, "invalid", f"{order.id} has no line {name}", line=name)


def _each_once(lines: Iterable[str]) -> None:
    for line, count in Counter(lines).items():
        if count > 1:
            raise Turned(422, "invalid", f"line {line} stands {count} times", field="lines", line=line)


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """As JSON has it: lists, not tuples, so that the ledger reads the same here and over HTTP."""
    return msgspec.json.decode(msgspec.json.encode(value))
