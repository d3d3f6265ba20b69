"""What happens at the counter of a simulated shop: goods sold, taken back and looked at, money in and out. No I/O.

Objects are kept as Square's API shows them. Return lines have no field for what became of the goods, so it is in the order's
metadata (`disposition.<line uid>`), as is the line of an order bought elsewhere (`line.<line uid>`).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Literal

import msgspec

from crossdock.kernel.moments import Clock
from crossdock.simulators.ledger import Ledger

Tender = Literal["CASH", "CARD", "SQUARE_GIFT_CARD"]
Disposition = Literal["sellable", "damaged", "vendor"]
Units = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Json = dict[str, Any]


class Turned(Exception):
    """The till refuses, with the HTTP status and Square's error code."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code = status, code


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """Units of one SKU; `price` is for one of them, in cents."""

    sku: str
    units: Units = 1
    price: Annotated[int, msgspec.Meta(ge=0)] = 1000


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """Units handed back; `line` where the till knows the line of the order, `disposition` where the clerk looked at once."""

    sku: str
    units: Units = 1
    line: str | None = None
    disposition: Disposition | None = None
    reason: str | None = None


class Counter:
    """All a shop's tills know. Every change raises the object's version; what really happened goes to the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock, *, location: str, currency: str, seed: int) -> None:
        self.orders: dict[str, Json] = {}
        self.payments: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.skus: dict[str, str] = {}
        """SKUs by catalog object."""
        self.ledger, self._clock, self._seed = ledger, clock, seed
        self._location, self._currency = location, currency
        self._ids, self._last = 0, ""
        self.placed: dict[str, str] = {}
        """Orders by the idempotency key they were placed with."""

    def snapshot(self) -> object:
        return copy.deepcopy((self.orders, self.payments, self.refunds, self.skus, self.placed))

    def restore(self, saved: Any) -> None:
        """Back to a snapshot; ids go on, so that none is given twice."""
        self.orders, self.payments, self.refunds, self.skus, self.placed = copy.deepcopy(saved)

    # ---- deeds

    def sell(self, lines: Sequence[Sold], tender: Tender, tax_percent: str = "0", reference: str | None = None) -> Json:
        """Sell over the counter, paid at once."""
        items = [self._line_item(at, line, tax_percent) for at, line in enumerate(lines)]
        total = sum(item["total_money"]["amount"] for item in items)
        order: Json = self.new_order(reference) | {
            "line_items": items,
            "total_money": self.money(total),
            "net_amount_due_money": self.money(0),
            "state": "COMPLETED",
        }
        if tax_percent != "0":
            order["taxes"] = [{"uid": "tax", "name": "Sales tax", "percentage": tax_percent, "type": "ADDITIVE"}]
        self.orders[order["id"]] = order
        payment = self._pay(order["id"], total, tender)
        self.ledger.append("sold", order["id"], total=total, tender=tender, payment=payment["id"])
        return order

    def take_return(self, lines: Sequence[Handed], receipt: str | None, source_order: str | None = None) -> Json:
        """Take goods back: of a sale of this till (`source_order`), by a scanned number, or without any receipt."""
        if source_order is not None and source_order not in self.orders:
            raise Turned(404, "NOT_FOUND", f"there is no order {source_order}")
        order = self.new_order(receipt)
        handed = [self._return_line(at, line, source_order) for at, line in enumerate(lines)]
        given: Json = {"uid": "return", "return_line_items": handed}
        given |= {"source_order_id": source_order} if source_order else {}
        order |= {"returns": [given], "total_money": self.money(0), "state": "OPEN"}
        order["ticket_name"] = f"R{1 + sum('returns' in each for each in self.orders.values())}"
        order["metadata"] = {f"line.{at}": line.line for at, line in enumerate(lines) if line.line and not source_order}
        self.orders[order["id"]] = order
        units = {line.sku: line.units for line in lines}
        self.ledger.append("returned", receipt or source_order or "", id=order["id"], units=units)
        self._inspected(order, {str(at): line.disposition for at, line in enumerate(lines) if line.disposition})
        return order

    def inspect(self, return_id: str, dispositions: Mapping[str, Disposition]) -> Json:
        """Say what became of the goods, by the uid of the return's line."""
        order = self._known(return_id)
        unknown = set(dispositions) - {line["uid"] for line in _returned(order)}
        if unknown:
            raise Turned(400, "INVALID_VALUE", f"return {return_id} has no line {', '.join(sorted(unknown))}")
        self._inspected(order, dispositions)
        self.touch(order)
        return order

    def payout(self, return_id: str, amount: int, tender: Tender) -> Json:
        """Pay money out for a return; in cash or to a card put in again, unlinked, or back to the till's own payment."""
        order = self._known(return_id)
        source = order["returns"][0].get("source_order_id")
        payment = next((p for p in self.payments.values() if source and p["order_id"] == source), None)
        now = self._now()
        refund: Json = {
            "id": self._id("refund"),
            "status": "COMPLETED",
            "location_id": self._location,
            "destination_type": tender,
            "amount_money": self.money(amount),
            "order_id": return_id,
            "reason": "Return",
            "unlinked": payment is None,
            "created_at": now,
            "updated_at": now,
        } | ({"payment_id": payment["id"]} if payment else {})
        self.refunds[refund["id"]] = refund
        order.setdefault("refunds", []).append(
            {"id": refund["id"], "amount_money": self.money(amount), "status": "APPROVED", "tender_id": refund["id"]}
        )
        self.touch(order)
        key = order.get("reference_id") or source or ""
        self.ledger.append("paid_out", key, id=refund["id"], for_return=return_id, amount=amount, tender=tender)
        return refund

    # ---- objects

    def variation(self, sku: str) -> str:
        """The catalog object of a SKU; one the shop never had is entered now."""
        object_id = hashlib.sha256(f"variation {sku}".encode()).hexdigest()[:24].upper()
        self.skus[object_id] = sku
        return object_id

    def _line_item(self, at: int, line: Sold, tax_percent: str) -> Json:
        gross = line.price * line.units
        tax = int((Decimal(gross) * Decimal(tax_percent) / 100).quantize(Decimal(1), ROUND_HALF_UP))
        item = {
            "uid": f"line-{at}",
            "name": line.sku.title(),
            "quantity": str(line.units),
            "catalog_object_id": self.variation(line.sku),
            "base_price_money": self.money(line.price),
            "gross_sales_money": self.money(gross),
            "total_tax_money": self.money(tax),
            "total_discount_money": self.money(0),
            "total_money": self.money(gross + tax),
        }
        taxes = [{"uid": f"applied-{at}", "tax_uid": "tax", "applied_money": self.money(tax)}]
        return item | ({"applied_taxes": taxes} if tax_percent != "0" else {})

    def _return_line(self, at: int, line: Handed, source_order: str | None) -> Json:
        linked = {"source_line_item_uid": line.line} if line.line and source_order else {}
        noted = {"note": line.reason} if line.reason else {}
        item = {"uid": str(at), "quantity": str(line.units), "catalog_object_id": self.variation(line.sku)}
        return item | {"name": line.sku.title()} | linked | noted

    def _inspected(self, order: Json, dispositions: Mapping[str, Disposition]) -> None:
        for uid, disposition in dispositions.items():
            order["metadata"][f"disposition.{uid}"] = disposition
            self.ledger.append("inspected", order.get("reference_id") or "", id=order["id"], line=uid, as_=disposition)
        if all(f"disposition.{line['uid']}" in order["metadata"] for line in _returned(order)):
            order["state"] = "COMPLETED"

    def new_order(self, reference: str | None) -> Json:
        now = self._now()
        order: Json = {"id": self._id("order"), "location_id": self._location, "created_at": now, "updated_at": now}
        return order | {"version": 1} | ({"reference_id": reference} if reference else {})

    def _pay(self, order_id: str, total: int, tender: Tender) -> Json:
        now = self._now()
        brand = {"CARD": "VISA", "SQUARE_GIFT_CARD": "SQUARE_GIFT_CARD"}.get(tender)
        payment: Json = {
            "id": self._id("payment"),
            "order_id": order_id,
            "location_id": self._location,
            "status": "COMPLETED",
            "source_type": "CASH" if tender == "CASH" else "CARD",
            "amount_money": self.money(total),
            "total_money": self.money(total),
            "created_at": now,
            "updated_at": now,
        } | ({"card_details": {"card": {"card_brand": brand, "last_4": "4242"}}} if brand else {})
        self.payments[payment["id"]] = payment
        return payment

    def touch(self, order: Json) -> None:
        order["version"] += 1
        order["updated_at"] = self._now()

    def _known(self, order_id: str) -> Json:
        if order_id not in self.orders or "returns" not in self.orders[order_id]:
            raise Turned(404, "NOT_FOUND", f"there is no return {order_id}")
        return self.orders[order_id]

    def money(self, amount: int) -> Json:
        return {"amount": amount, "currency": self._currency}

    def _id(self, kind: str) -> str:
        self._ids += 1
        return hashlib.sha256(f"{kind} {self._seed} {self._ids}".encode()).hexdigest()[:22].upper()

    def _now(self) -> str:
        """Milliseconds, as Square writes them; never the same twice, so that a listing has one order."""
        now = self._clock()
        text = _written(now)
        while text <= self._last:
            now += timedelta(milliseconds=1)
            text = _written(now)
        self._last = text
        return text


def _written(moment: Any) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _returned(order: Json) -> list[Json]:
    return [line for given in order["returns"] for line in given["return_line_items"]]
