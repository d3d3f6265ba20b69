"""What the simulated payment provider holds: its objects, its books with the retailer, and what it tells. No I/O."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import msgspec

from crossdock.kernel.moments import Clock
from crossdock.simulators import payments_shapes as shapes
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.payments_form import Turned
from crossdock.simulators.payments_keys import KeyRing
from crossdock.simulators.payments_shapes import Shown

Tell = Callable[[Shown], None]
"""Sends one event."""
_KINDS = {
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "dp",
    "payout": "po",
    "balance_transaction": "txn",
    "event": "evt",
}


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which currency the retailer is paid out in, and what one smallest unit of others is worth in its smallest just now."""

    settles_in: str = ""
    rates: dict[str, str] = {}

    def rate_of(self, currency: str) -> Fraction | None:
        """None where nothing is exchanged."""
        given = self.rates.get(currency)
        return None if given is None or currency == self.settles_in else Fraction(given)


class Books:
    """All objects by kind and id, oldest first. Ids go on through a restore, for none is ever given twice."""

    def __init__(self, ledger: Ledger, clock: Clock, tell: Tell, *, seed: int) -> None:
        self.ledger = ledger
        self.clock = clock
        self.keys = KeyRing(clock)
        self._tell = tell
        self._seed = seed
        self._given = Counter[str]()
        self._held: dict[str, dict[str, Shown]] = {kind: {} for kind in _KINDS}
        self.exchange = Exchange()
        self.payout_of: dict[str, str] = {}
        """By balance transaction, the payout that brought it to the bank."""

    def snapshot(self) -> object:
        return copy.deepcopy((self._held, self.payout_of)), self.keys.snapshot()

    def restore(self, saved: Any) -> None:
        held, keys = saved
        self._held, self.payout_of = copy.deepcopy(held)
        self.keys.restore(keys)

    def now(self) -> int:
        """Seconds since 1970, as every time the provider gives."""
        return int(self.clock().timestamp())

    def new_id(self, kind: str) -> str:
        self._given[kind] += 1
        return shapes.made_up_id(_KINDS[kind], self._seed, self._given[kind])

    def keep(self, thing: Shown) -> Shown:
        self._held[thing["object"]][thing["id"]] = thing
        return thing

    def all(self, kind: str) -> list[Shown]:
        return list(self._held[kind].values())

    def get(self, kind: str, id_: str, param: str = "id") -> Shown:
        """The thing itself; 404 when there is none."""
        found = self._held[kind].get(id_)
        if found is None:
            told = f"No such {kind}: '{id_}'"
            raise Turned(told, status=404, code="resource_missing", param=param)
        return found

    def book(self, kind: str, amount: int, fee: int, currency: str, source: str | None) -> Shown:
        """One line in the books with the retailer, in the currency it is paid out in."""
        rate = self.exchange.rate_of(currency)
        if rate is not None:
            amount, fee, currency = round(amount * rate), round(fee * rate), self.exchange.settles_in
        line = shapes.transaction(self.new_id("balance_transaction"), self.now(), kind, amount, fee, currency, source)
        line["exchange_rate"] = None if rate is None else float(rate)
        self.ledger.append("booked", line["id"], type=kind, net=line["net"], currency=currency, source=source or "")
        return self.keep(line)

    def told(self, kind: str, thing: Shown, before: Mapping[str, Any] | None = None) -> None:
        """Something happened: an event, with the thing as it is now."""
        happened = shapes.event(self.new_id("event"), self.now(), kind, copy.deepcopy(thing), dict(before or {}))
        self.keep(happened)
        self._tell(happened)


class Differs:
    """Remembers some fields of a thing, and says later what those that changed were before."""

    def __init__(self, thing: Shown, *fields: str) -> None:
        self._thing = thing
        self._was = {field: thing[field] for field in fields}

    def before(self) -> Shown:
        return {field: value for field, value in self._was.items() if self._thing[field] != value}
