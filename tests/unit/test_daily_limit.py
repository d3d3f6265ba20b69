"""A refund that no day has room for: a person's word lets it go past the limit, and it takes no room from others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.payment import Capture, PaymentAuthorization, PaymentRefund
from crossdock.canonical.returns import Approval
from crossdock.kernel.money import usd
from crossdock.promises.obligations import Act, ApprovalNeeded, Obligation
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy, Roles
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = Order(
    id="1",
    number="#1",
    placed_at=AT,
    currency="USD",
    lines=(OrderLine(id="a", sku="MUG", title="Mug", ordered=0, unit_price=usd(1000)),),
    total=usd(0),
    cancelled_at=AT,
)


def fact(kind: str, connection: str, id_: str, body: Any) -> Fact:
    return Fact(f"{kind}:{connection}:{id_}", kind, connection, AT, AT, body)


def owed(limit: str, *words: Approval) -> list[Obligation]:
    """What is owed for a cancelled order of 30.00, paid by card."""
    terms = ReturnTerms(daily_refunds_max={"USD": limit})
    card = PaymentAuthorization(
        id="p", tender="card", authorised=usd(3000), status="captured", authorised_at=AT, label="Visa 4242"
    )
    facts = (
        fact("order", "shop", "1", ORDER),
        fact("payment", "psp", "p", card),
        fact("capture", "psp", "c", Capture(id="c", payment="p", tender="card", amount=usd(3000), captured_at=AT)),
        *(fact("approval", "people", str(nth), word) for nth, word in enumerate(words)),
    )
    policy = Policy(roles=Roles(payments="psp"), returns=(terms,))
    return list(owed_for_order(Standing("order:shop:1", facts, AT), policy))


def asked(limit: str) -> list[ApprovalNeeded]:
    return [each for each in owed(limit) if isinstance(each, ApprovalNeeded)]


def refunds(limit: str, *words: Approval) -> list[Act]:
    return [each for each in owed(limit, *words) if isinstance(each, Act) and isinstance(each.body, PaymentRefund)]


def word(digest: str, verdict: Literal["approved", "rejected"] = "approved") -> Approval:
    ends = AT + timedelta(hours=24)
    return Approval(digest=digest, verdict=verdict, by="mara", role="finance", decided_at=AT, expires_at=ends)


def accounts(act: Act) -> set[str]:
    return {each.account.partition("/")[0] for each in act.within}


def test_one_that_fits_into_a_day_asks_nobody_and_takes_its_room() -> None:
    assert asked("30.00") == []
    [act] = refunds("30.00")
    assert accounts(act) == {"captured", "refunds"}


def test_one_that_no_day_has_room_for_asks_by_name_what_it_goes_past() -> None:
    [needed] = asked("29.99")
    assert (
        needed.what
        == "refund 30.00 USD to Visa 4242, the order was cancelled or lowered, past the limit of 29.99 USD a day"
    )
    assert refunds("29.99") == []


def test_it_leaves_when_it_was_allowed_beside_the_limit_and_never_above_what_was_captured() -> None:
    [needed] = asked("29.99")
    [act] = refunds("29.99", word(needed.digest))
    assert accounts(act) == {"captured"}
    assert act.valid_until == AT + timedelta(hours=24)


def test_it_stays_when_that_was_refused() -> None:
    [needed] = asked("29.99")
    assert refunds("29.99", word(needed.digest, "rejected")) == []
