"""Makes the Stripe connector's examples: what the simulated provider tells and answers, in Stripe's published shapes.

Run `python -m tests.contract.stripe_examples` after the simulator changed; a test compares.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from crossdock.connectors.stripe.door import OTHER
from crossdock.connectors.stripe.system import connector
from crossdock.simulators.ledger import Ledger
from crossdock.simulators.payments_books import Books
from crossdock.simulators.payments_listing import expanded
from crossdock.simulators.payments_provider import Provider
from crossdock.simulators.payments_shapes import Shown

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/stripe/examples"
SECRET = b"whsec_example_signing_secret"
REFUND_KEY = "order:shop:1001/refund:return-7/received/1"
_BEGIN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
_NEVER_TOO_OLD = 99_999_999_999
"""The door lets in nothing older than five minutes, so the examples were signed in the year 5138."""


class Recorded(Provider):
    """A provider whose events are kept, and whose clock goes on by a minute with each."""

    def __init__(self) -> None:
        self.told = list[Shown]()
        super().__init__(Books(Ledger(self._time), self._time, self.told.append, seed=7))

    def _time(self) -> datetime:
        return _BEGIN + timedelta(minutes=len(self.told))

    def pay(self, order: str, amount: int, *, manual: bool) -> Shown:
        made = self.create(amount, "usd", {"order": order}, manual=manual)
        return self.confirm(made, multicapture=manual)

    def charge(self, intent: Shown) -> Shown:
        return self.books.get("charge", intent["latest_charge"])

    def read(self, thing: Shown, *expand: str) -> bytes:
        """As the connector's read wraps it."""
        found = {"read_at": int(self._time().timestamp()), "object": expanded(self.books, thing, expand)}
        return msgspec.json.encode(found)

    def found(self, thing: Shown, *expand: str) -> bytes:
        """As its search does."""
        found = {"read_at": int(self._time().timestamp()), "objects": [expanded(self.books, thing, expand)]}
        return msgspec.json.encode(found)


def story() -> tuple[Recorded, Mapping[str, bytes]]:
    """One order captured in two parts and partly given back, one disputed, one voided; also what reads find."""
    provider = Recorded()
    parted = provider.pay("1001", 10_000, manual=True)
    held = provider.read(parted, "latest_charge.balance_transaction")
    provider.capture(parted, 7_000, {}, final=False)
    provider.capture(parted, 2_000, {}, final=True)
    ours = provider.refund(provider.charge(parted), 1_500, {"crossdock_key": REFUND_KEY, "order": "1001"}, None)
    by_hand = provider.refund(provider.charge(parted), 500, {}, "requested_by_customer")
    provider.settle_refund(ours, "failed", "expired_or_canceled_card")
    disputed = provider.pay("1002", 4_900, manual=False)
    chargeback = provider.open_dispute(provider.charge(disputed), None, "product_not_received")
    provider.books.told("charge.dispute.updated", chargeback)
    provider.close_dispute(chargeback, won=True)
    inquiry = provider.open_dispute(provider.charge(parted), 2_000, "unrecognized", inquiry=True)
    asked = provider.told[-1]
    provider.close_dispute(inquiry, won=False)
    provider.cancel(provider.pay("1003", 2_500, manual=True), "requested_by_customer")
    provider.decline(provider.create(1_200, "usd", {"order": "1004"}, manual=False))
    provider.pay_out("usd", 0)
    return provider, {
        "payment_intent.read": held,
        "payment_intent.read.captured": provider.read(parted, "latest_charge.balance_transaction"),
        "payment_intents.found": provider.found(disputed, "latest_charge.balance_transaction"),
        "refund.read": provider.read(by_hand, "payment_intent", "balance_transaction"),
        "dispute.read": provider.read(chargeback, "payment_intent"),
        "refund.created.by_hand": _last(provider, "refund.created"),
        "charge.dispute.created.inquiry": msgspec.json.encode(asked),
    }


def _last(provider: Recorded, kind: str) -> bytes:
    return msgspec.json.encode(next(each for each in reversed(provider.told) if each["type"] == kind))


def messages() -> Mapping[str, bytes]:
    """The example body of every topic, by file name."""
    provider, made = story()
    first = {each["type"]: each for each in reversed(provider.told)}
    told = {kind: msgspec.json.encode(each) for kind, each in first.items() if kind in connector.topics}
    for kind, status in (("processing", "processing"), ("requires_action", "requires_action")):
        changed = {**first["payment_intent.created"], "type": f"payment_intent.{kind}"}
        changed["data"] = {"object": {**changed["data"]["object"], "status": status}}
        told[f"payment_intent.{kind}"] = msgspec.json.encode(changed)
    single = {**first["charge.captured"], "id": "evt_single"}
    told["charge.captured.single"] = _captured_at_once(single)
    return {**told, **made, OTHER: msgspec.json.encode(first["payout.paid"])}


def _captured_at_once(event: Shown) -> bytes:
    """A charge of which only one capture is possible."""
    charge = json.loads(json.dumps(event["data"]["object"]))
    charge["payment_method_details"]["card"]["multicapture"]["status"] = "unavailable"
    return msgspec.json.encode({**event, "data": {"object": charge}})


def commands() -> Mapping[str, object]:
    """Example commands, by the noun's name."""
    intent = "pi_3Example0000000000000001"
    money = {"minor": 1500, "currency": "USD"}
    goods = {"component": "goods", "amount": money, "line": "11"}
    refund = {"payment": intent, "tender": "card", "amount": money, "reason": "return RMA-7", "allocations": [goods]}
    return {
        "payment_refund": [
            {"body": refund, "key": REFUND_KEY},
            {"body": {**refund, "payment": f"payment:psp:{intent}", "reason": "requested_by_customer"}},
        ],
        "payment_capture": [
            {"body": {"payment": intent, "amount": money, "final": False}},
            {"body": {"payment": intent, "amount": money, "final": True}},
        ],
        "payment_void": [{"body": {"payment": intent}}],
    }


def files() -> Iterator[tuple[Path, bytes]]:
    """Every example file with what belongs in it."""
    for name, body in messages().items():
        yield Path("messages") / f"{name}.json", body
        if name in ("refund.created", OTHER):
            yield Path("messages") / f"{name}.headers.json", _pretty(signed(body))
    for noun, given in commands().items():
        yield Path("commands") / f"{noun}.json", _pretty(given)
    settings = {
        "url": "https://api.stripe.com",
        "api_key": "sk_test_example_key",
        "webhook_secrets": ["whsec_example_retired_secret", SECRET.decode()],
        "orders_of": "shop",
    }
    yield Path("settings.json"), _pretty(settings)


def signed(body: bytes, *, secret: bytes = SECRET, at: int = _NEVER_TOO_OLD) -> dict[str, str]:
    signature = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": f"t={at},v1={signature}"}


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def write() -> None:
    for path, body in files():
        (EXAMPLES / path).parent.mkdir(parents=True, exist_ok=True)
        (EXAMPLES / path).write_bytes(body)


if __name__ == "__main__":
    write()
