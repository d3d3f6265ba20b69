"""The provider's objects with the fields its published types require, and the nullable ones people read."""

from __future__ import annotations

import hashlib
from typing import Any

Shown = dict[str, Any]
API_VERSION = "2026-10-28.endive"
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CARD_OPTIONS = {"installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic"}
_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal"
    " customer_communication customer_email_address customer_name customer_purchase_ip customer_signature"
    " duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt"
    " refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation"
    " shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number"
    " uncategorized_file uncategorized_text"
).split()
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def made_up_id(prefix: str, seed: int, number: int) -> str:
    """24 letters and digits, the same for the same seed and number."""
    drawn = int.from_bytes(hashlib.blake2b(f"{seed}/{prefix}/{number}".encode(), digest_size=20).digest(), "big")
    letters = [_LETTERS[(drawn // 62**place) % 62] for place in range(24)]
    return f"{prefix}_{''.join(letters)}"


def intent(id_: str, created: int, amount: int, currency: str, metadata: dict[str, str], capture_method: str) -> Shown:
    return {
        "id": id_,
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": capture_method,
        "client_secret": f"{id_}_secret_simulated",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": None,
        "metadata": metadata,
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": _CARD_OPTIONS},
        "payment_method_types": ["card"],
        "payment_record": None,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_confirmation",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(id_: str, created: int, of: Shown, *, multicapture: bool, capture_before: int | None) -> Shown:
    """An authorised charge of an intent, nothing of it captured."""
    return {
        "id": id_,
        "object": "charge",
        "amount": of["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {
            "address": dict.fromkeys(_ADDRESS),
            "email": None,
            "name": None,
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "SIMULATED SHOP",
        "captured": False,
        "created": created,
        "currency": of["currency"],
        "customer": None,
        "description": None,
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(of["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": True,
        "payment_intent": of["id"],
        "payment_method": "pm_card_visa",
        "payment_method_details": {"type": "card", "card": _card(of["amount"], multicapture, capture_before)},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _card(amount: int, multicapture: bool, capture_before: int | None) -> Shown:
    held = {} if capture_before is None else {"capture_before": capture_before}
    return {
        "amount_authorized": amount,
        "authorization_code": None,
        "brand": "visa",
        **held,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "electronic_commerce_indicator": None,
        "exp_month": 8,
        "exp_year": 2031,
        "fingerprint": "simulated",
        "funding": "credit",
        "installments": None,
        "last4": "4242",
        "mandate": None,
        "multicapture": {"status": "available" if multicapture else "unavailable"},
        "network": "visa",
        "network_transaction_id": None,
        "regulated_status": None,
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }


def refund(id_: str, created: int, of: Shown, amount: int, metadata: dict[str, str], reason: str | None) -> Shown:
    """A refund of a charge."""
    return {
        "id": id_,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": of["id"],
        "created": created,
        "currency": of["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": metadata,
        "payment_intent": of["payment_intent"],
        "payment_method": of["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending",
        "transfer_reversal": None,
    }


def dispute(id_: str, created: int, of: Shown, amount: int, reason: str, status: str) -> Shown:
    """A chargeback, or while its status begins with `warning_` an inquiry that takes no money."""
    return {
        "id": id_,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": of["id"],
        "created": created,
        "currency": of["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + 7 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": status.startswith("warning_"),
        "livemode": False,
        "metadata": {},
        "payment_intent": of["payment_intent"],
        "reason": reason,
        "status": status,
    }


def transaction(id_: str, created: int, kind: str, amount: int, fee: int, currency: str, source: str | None) -> Shown:
    """One line of the provider's books with the retailer: `net` is what it does to the balance."""
    fee_details = [{"amount": fee, "application": None, "currency": currency, "type": "stripe_fee"}]
    return {
        "id": id_,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{**detail, "description": "Processing fees"} for detail in fee_details if fee],
        "net": amount - fee,
        "reporting_category": {"adjustment": "dispute"}.get(kind, kind),
        "source": source,
        "status": "available",
        "type": kind,
    }


def payout(id_: str, created: int, amount: int, currency: str, transaction_id: str) -> Shown:
    return {
        "id": id_,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": created,
        "automatic": True,
        "balance_transaction": transaction_id,
        "created": created,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "payout_method": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "paid",
        "trace_id": None,
        "type": "bank_account",
    }


def event(id_: str, created: int, kind: str, of: Shown, before: Shown) -> Shown:
    """`before`: earlier values of what changed, which come with updates."""
    data = {"object": of} | ({"previous_attributes": before} if before else {})
    return {
        "id": id_,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
