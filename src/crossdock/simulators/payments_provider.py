"""What becomes of money at the simulated provider: held, captured, given back, disputed, paid out. No I/O.

Every effect stands in the ledger under the idempotency key it was asked for with, empty for what people do.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from crossdock.simulators import payments_shapes as shapes
from crossdock.simulators.payments_books import Books, Differs
from crossdock.simulators.payments_form import Turned, invalid
from crossdock.simulators.payments_shapes import Shown

HOLD_SECONDS = 7 * 86400
"""Card authorisations last seven days by default."""
_CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_capture", "processing")
_FEE_FIXED, _FEE_PER_MILLE, DISPUTE_FEE = 30, 29, 1500


class RefundSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How refunds go: at once, or pending until `settle_after_seconds` later (below 0: until somebody settles them)."""

    settle_after_seconds: float | None = None
    outcome: Literal["succeeded", "failed"] = "succeeded"
    list_lag_seconds: float = 0.0
    """A listing shows a refund that much later; reading it by id does not wait."""


class Provider:
    """The provider's rules over its books."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.refunding = RefundSettings()

    # ---- holding

    def create(self, amount: int, currency: str, metadata: dict[str, str], *, manual: bool) -> Shown:
        method = "manual" if manual else "automatic"
        made = shapes.intent(self.books.new_id("payment_intent"), self.books.now(), amount, currency, metadata, method)
        self.books.keep(made)
        self.books.told("payment_intent.created", made)
        return made

    def confirm(self, intent: Shown, *, multicapture: bool, hold_seconds: int = HOLD_SECONDS, key: str = "") -> Shown:
        """The card is charged, or only held for a later capture."""
        if intent["status"] not in ("requires_confirmation", "requires_payment_method"):
            raise _unexpected(intent, "confirmed")
        manual, now = intent["capture_method"] == "manual", self.books.now()
        until = now + hold_seconds if manual else None
        id_ = self.books.new_id("charge")
        charge = self.books.keep(
            shapes.charge(id_, now, intent, multicapture=multicapture and manual, capture_before=until)
        )
        intent.update(latest_charge=id_, payment_method="pm_card_visa")
        self.books.ledger.append("authorised", key, **_about(charge), amount=charge["amount"])
        if manual:
            intent.update(status="requires_capture", amount_capturable=intent["amount"])
            self.books.told("charge.succeeded", charge)
            self.books.told("payment_intent.amount_capturable_updated", intent)
        else:
            self._take(intent, charge, intent["amount"], final=True, key=key)
            self.books.told("charge.succeeded", charge)
            self.books.told("payment_intent.succeeded", intent)
        return intent

    def decline(self, intent: Shown) -> Turned:
        """The card's bank says no; the intent waits for another card. Answers what the API says of it."""
        error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
        intent.update(status="requires_payment_method", last_payment_error=error)
        self.books.ledger.append("declined", "", intent=intent["id"], order=_order(intent))
        self.books.told("payment_intent.payment_failed", intent)
        return Turned(error["message"], status=402, kind="card_error", code="card_declined")

    # ---- capturing

    def capture(
        self, intent: Shown, amount: int | None, metadata: dict[str, str], *, final: bool, key: str = ""
    ) -> Shown:
        """Take some of what is held; `final` lets go of the rest."""
        if intent["status"] != "requires_capture":
            raise _unexpected(intent, "captured")
        charge = self.books.get("charge", intent["latest_charge"])
        several = _takes_several(charge)
        amount = int(intent["amount_capturable"]) if amount is None else amount
        if not final and not several:
            raise Turned("final_capture needs multicapture, which this payment does not have.", param="final_capture")
        if amount > intent["amount_capturable"]:
            told = f"The amount to capture is more than the {intent['amount_capturable']} that can be captured."
            raise Turned(told, code="amount_too_large", param="amount_to_capture")
        if amount == 0 and not (several and final):
            raise Turned("Nothing to capture.", code="amount_too_small", param="amount_to_capture")
        intent["metadata"].update(metadata)
        was, held = (
            Differs(charge, "amount_captured", "captured", "balance_transaction"),
            Differs(intent, "amount_capturable", "amount_received", "status"),
        )
        self._take(intent, charge, amount, final=final, key=key)
        self._tell_of_capture(intent, charge, was.before(), held.before(), several=several)
        return intent

    def _take(self, intent: Shown, charge: Shown, amount: int, *, final: bool, key: str) -> None:
        charge["amount_captured"] += amount
        charge["captured"] = final
        intent["amount_received"] += amount
        intent["amount_capturable"] = 0 if final else intent["amount_capturable"] - amount
        if final:
            intent["status"] = "succeeded"
        if amount:
            fee = (amount * _FEE_PER_MILLE + 500) // 1000 + _FEE_FIXED
            line = self.books.book("charge", amount, fee, charge["currency"], charge["id"])
            charge["balance_transaction"] = charge["balance_transaction"] or line["id"]
            self.books.ledger.append("captured", key, **_about(charge), amount=amount)
        if intent["capture_method"] == "manual" and final and charge["amount"] > charge["amount_captured"]:
            left = charge["amount"] - charge["amount_captured"]
            self.books.ledger.append("released", key, **_about(charge), amount=left)

    def _tell_of_capture(self, intent: Shown, charge: Shown, was: Shown, held: Shown, *, several: bool) -> None:
        """As documented for multicapture: `charge.updated` each time, `charge.captured` for the last only."""
        if several and "amount_captured" in was:
            self.books.told("charge.updated", charge, was)
        if several:
            self.books.told("payment_intent.amount_capturable_updated", intent, held)
        if charge["captured"]:
            self.books.told("charge.captured", charge, was)
            self.books.told("payment_intent.succeeded", intent)

    # ---- letting go

    def cancel(self, intent: Shown, reason: str | None, *, key: str = "") -> Shown:
        if intent["status"] not in _CANCELLABLE or intent["amount_received"]:
            raise _unexpected(intent, "canceled")
        left = intent["amount_capturable"]
        intent.update(status="canceled", canceled_at=self.books.now(), cancellation_reason=reason, amount_capturable=0)
        self.books.ledger.append("canceled", key, intent=intent["id"], amount=left, order=_order(intent))
        self.books.told("payment_intent.canceled", intent)
        return intent

    def expire(self, intent: Shown) -> Shown:
        """The hold has run out: what was not captured is lost."""
        if intent["status"] != "requires_capture":
            return intent
        charge = self.books.get("charge", intent["latest_charge"])
        self.books.ledger.append("expired", "", **_about(charge), amount=intent["amount_capturable"])
        if intent["amount_received"]:
            was = Differs(charge, "captured")
            intent.update(status="succeeded", amount_capturable=0)
            charge["captured"] = True
            self.books.told("charge.captured", charge, was.before())
            self.books.told("payment_intent.succeeded", intent)
        else:
            self.books.told("charge.expired", charge)
            self.cancel(intent, "expired")
        return intent

    # ---- giving back

    def refund(
        self, charge: Shown, amount: int | None, metadata: dict[str, str], reason: str | None, *, key: str = ""
    ) -> Shown:
        """Never more than was captured and not given back; a disputed charge gives nothing."""
        amount = self._refundable(charge, amount)
        made = shapes.refund(self.books.new_id("refund"), self.books.now(), charge, amount, metadata, reason)
        self.books.keep(made)
        was = Differs(charge, "amount_refunded", "refunded")
        self._count_refund(charge, amount)
        line = self.books.book("refund", -amount, 0, charge["currency"], made["id"])
        made["balance_transaction"] = line["id"]
        details = {"refund": made["id"], "amount": amount, "metadata": dict(metadata)}
        self.books.ledger.append("refunded", key, **_about(charge), **details)
        at_once = self.refunding.settle_after_seconds is None and self.refunding.outcome == "succeeded"
        made["status"] = "succeeded" if at_once else "pending"
        self.books.told("refund.created", made)
        self.books.told("charge.refunded", charge, was.before())
        return made

    def settle_refund(self, refund: Shown, outcome: Literal["succeeded", "failed"], why: str = "declined") -> Shown:
        """A pending refund arrives, or comes back; even one that had arrived may still fail."""
        if refund["status"] == outcome or refund["status"] in ("failed", "canceled"):
            return refund
        before = {"status": refund["status"]}
        refund["status"] = outcome
        if outcome == "failed":
            self._come_back(refund, why)
        self.books.told("refund.updated", refund, before)
        self.books.told("charge.refund.updated", refund, before)
        if outcome == "failed":
            self.books.told("refund.failed", refund, before)
        return refund

    def _come_back(self, refund: Shown, why: str) -> None:
        charge = self.books.get("charge", refund["charge"])
        self._count_refund(charge, -refund["amount"])
        line = self.books.book("refund_failure", refund["amount"], 0, refund["currency"], refund["id"])
        refund.update(failure_reason=why, failure_balance_transaction=line["id"])
        self.books.ledger.append("refund_failed", "", **_about(charge), refund=refund["id"], amount=refund["amount"])

    def _count_refund(self, charge: Shown, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["captured"] and charge["amount_refunded"] == charge["amount_captured"]

    def _refundable(self, charge: Shown, amount: int | None) -> int:
        if not charge["amount_captured"]:
            raise Turned("This payment has not been captured: cancel it.", code="charge_not_refundable")
        if any(not held["is_charge_refundable"] for held in self._disputes_of(charge)):
            raise Turned("This charge has been charged back.", code="charge_disputed", charge=charge["id"])
        left = charge["amount_captured"] - charge["amount_refunded"]
        if left == 0:
            told = f"Charge {charge['id']} has already been refunded."
            raise Turned(told, code="charge_already_refunded", charge=charge["id"])
        if amount is not None and amount > left:
            told = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise Turned(told, code="amount_too_large", param="amount")
        return left if amount is None else amount

    # ---- disputes

    def open_dispute(self, charge: Shown, amount: int | None, reason: str, *, inquiry: bool = False) -> Shown:
        """The cardholder's bank takes the money back; an inquiry only asks."""
        status = "warning_needs_response" if inquiry else "needs_response"
        amount = int(charge["amount_captured"]) if amount is None else amount
        made = shapes.dispute(self.books.new_id("dispute"), self.books.now(), charge, amount, reason, status)
        self.books.keep(made)
        charge["disputed"] = True
        self.books.ledger.append(
            "dispute_opened", "", **_about(charge), dispute=made["id"], amount=amount, taken=not inquiry
        )
        if not inquiry:
            self._move_disputed(made, -amount, DISPUTE_FEE)
        self.books.told("charge.dispute.created", made)
        if not inquiry:
            self.books.told("charge.dispute.funds_withdrawn", made)
        return made

    def close_dispute(self, dispute: Shown, *, won: bool) -> Shown:
        inquiry = dispute["status"].startswith("warning_")
        if dispute["status"] in ("won", "lost", "warning_closed"):
            raise Turned("This dispute is already closed.")
        before = {"status": dispute["status"]}
        charge = self.books.get("charge", dispute["charge"])
        dispute["status"] = "warning_closed" if inquiry else "won" if won else "lost"
        if won and not inquiry:
            dispute["is_charge_refundable"] = True
            self._move_disputed(dispute, dispute["amount"], 0)
        self.books.ledger.append(
            "dispute_closed",
            "",
            **_about(charge),
            dispute=dispute["id"],
            amount=dispute["amount"],
            status=dispute["status"],
        )
        self.books.told("charge.dispute.closed", dispute, before)
        if won and not inquiry:
            self.books.told("charge.dispute.funds_reinstated", dispute)
        return dispute

    def _move_disputed(self, dispute: Shown, amount: int, fee: int) -> None:
        line = self.books.book("adjustment", amount, fee, dispute["currency"], dispute["id"])
        dispute["balance_transactions"].append(line)

    def _disputes_of(self, charge: Shown) -> list[Shown]:
        return [dispute for dispute in self.books.all("dispute") if dispute["charge"] == charge["id"]]

    # ---- paying out

    def pay_out(self, currency: str, fee: int) -> Shown:
        """Everything on the balance goes to the bank; each of its lines then names the payout."""
        lines = [
            line
            for line in self.books.all("balance_transaction")
            if line["id"] not in self.books.payout_of and line["currency"] == currency
        ]
        if fee:
            lines.append(self.books.book("stripe_fee", -fee, 0, currency, None))
        amount = sum(line["net"] for line in lines)
        if amount <= 0:
            raise Turned("There is nothing on the balance to pay out.", code="balance_insufficient")
        id_ = self.books.new_id("payout")
        own = self.books.book("payout", -amount, 0, currency, id_)
        made = self.books.keep(shapes.payout(id_, self.books.now(), amount, currency, own["id"]))
        for line in (*lines, own):
            self.books.payout_of[line["id"]] = id_
        self.books.ledger.append(
            "paid_out", id_, amount=amount, currency=currency, lines=[line["id"] for line in lines]
        )
        self.books.told("payout.created", made)
        self.books.told("payout.paid", made)
        return made


def charge_of(books: Books, intent_id: str | None, charge_id: str | None) -> Shown:
    """The charge a refund is for, named by itself or by its intent."""
    if charge_id:
        return books.get("charge", charge_id, "charge")
    if not intent_id:
        raise invalid("One of the following params should be provided: charge, payment_intent.", "payment_intent")
    intent = books.get("payment_intent", intent_id, "payment_intent")
    if intent["latest_charge"] is None:
        raise Turned("This PaymentIntent does not have a successful charge to refund.", code="charge_not_refundable")
    return books.get("charge", intent["latest_charge"])


def _takes_several(charge: Shown) -> bool:
    return charge["payment_method_details"]["card"]["multicapture"]["status"] == "available"


def _order(thing: Shown) -> str:
    return thing["metadata"].get("order", "")


def _about(charge: Shown) -> dict[str, Any]:
    """What a ledger entry says of where the money is."""
    named = {"intent": charge["payment_intent"], "charge": charge["id"]}
    return {**named, "currency": charge["currency"], "order": _order(charge)}


def _unexpected(intent: Shown, done: str) -> Turned:
    told = f"This PaymentIntent could not be {done} because it has a status of {intent['status']}."
    return Turned(told, code="payment_intent_unexpected_state", payment_intent=dict(intent))
