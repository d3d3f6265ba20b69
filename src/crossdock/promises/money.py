"""An order's standing as the books read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from datetime import datetime, timedelta
from typing import Literal

from crossdock.books.record import Asked, Record, Returned, Taken, Tendered
from crossdock.canonical.order import OpenLine, Order
from crossdock.canonical.payment import Refund
from crossdock.canonical.returns import Approval, Return
from crossdock.kernel.money import Money
from crossdock.promises.approvals import digest_of, rejected
from crossdock.promises.obligations import Kept
from crossdock.promises.policy import Policy, due
from crossdock.promises.standing import Fact, Standing
from crossdock.promises.terms import ReturnTerms, terms_at

SALE = "sale"
OPEN_UNITS = "open_units"
LATE = "late return"


def record_of(standing: Standing, order: Order, policy: Policy) -> Record:
    """All the books need, sorted by identity."""
    shipments = sorted((fact.body for fact in standing.of("shipment")), key=lambda body: (body.shipped_at, body.id))
    return Record(
        entity=standing.entity,
        order=order,
        shipments=tuple(shipments),
        returns=tuple(_returned(standing, fact, order, policy) for fact in standing.of("return")),
        allowances=tuple((fact.id, fact.body) for fact in standing.of("allowance")),
        payments=tuple(Tendered(fact.id, fact.connection, fact.body) for fact in standing.of("payment")),
        captures=tuple(fact.body for fact in standing.of("capture")),
        refunds=tuple((fact.id, fact.body) for fact in standing.of("refund")),
        disputes=tuple(fact.body for fact in standing.of("dispute")),
        # A sale that isn't sealed yet follows the order; what corrects it waits for it, for its seal brings nobody back here.
        sold=tuple(sealed.body.order for sealed in standing.all_sealed(SALE)) or (order,),
        held=tuple(units_by_sale(standing)),
        corrections=tuple(
            sealed.content for name in ("credit_memo", "supplementary_invoice") for sealed in standing.all_sealed(name)
        ),
        asked=tuple(_asked(standing)),
        taken=tuple(Taken(sealed.body, sealed.remote_id or None) for sealed in standing.all_sealed("capture")),
        capture_when=who_captures(standing, order, policy),
        emptied_gives_back=policy.emptied == "refund",
    )


def every_sale(standing: Standing) -> dict[str, Kept]:
    """The needs of what has to know all of an order's sales: `sale`, and those sealed for what was added since."""
    names = dict.fromkeys((SALE, *(sealed.name for sealed in standing.all_sealed(SALE))))
    return {name: Kept(standing.entity, name) for name in names}


def units_by_sale(standing: Standing) -> list[Counter[str]]:
    """Units by line that each of the ERP's sales holds: as sealed, less what we had cancelled there since."""
    parts = standing.all_sealed(SALE)
    cancelled = standing.sealed.get(OPEN_UNITS)
    lowered: tuple[tuple[OpenLine, ...], ...] = () if cancelled is None else cancelled.body.by_sale
    held = [Counter({line.line: line.units for line in lines}) for lines in lowered]
    return held + [Counter({line.id: line.ordered for line in part.body.order.lines}) for part in parts[len(held) :]]


def who_captures(standing: Standing, order: Order, policy: Policy) -> Literal["channel", "shipped"]:
    """The hub takes what a buyer who comes for the goods has only authorised, whoever takes the money of other orders."""
    if policy.capture_when == "shipped" or not order.pickup_at:
        return policy.capture_when
    held = [fact for fact in standing.of("payment") if fact.connection == policy.roles.payments]
    only_authorised = any(fact.body.status in ("open", "voided") for fact in held)
    return "shipped" if only_authorised or standing.all_sealed("capture") else "channel"


def _returned(standing: Standing, fact: Fact, order: Order, policy: Policy) -> Returned:
    body: Return = fact.body
    terms = terms_at(policy.returns, body.returned_at)
    return Returned(
        cause=fact.id,
        body=body,
        inspect=terms.inspect,
        fee=terms.kept_back(order.currency).minor,
        delivery_too=terms.delivery == "when_all_returned",
        open=body.status == "authorised",
        awaited=body.status == "authorised" and standing.as_of < due(body.returned_at, policy.deadlines.return_minutes),
        counts=not is_late(standing, body, terms) or _allowed(standing, fact, order, terms),
    )


def is_late(standing: Standing, body: Return, terms: ReturnTerms) -> bool:
    """Handed in after the window that began when the last parcel left."""
    left = [fact.body.shipped_at for fact in standing.of("shipment") if fact.body.shipped_at <= body.returned_at]
    return bool(left) and body.returned_at > max(left) + timedelta(days=terms.window_days)


def late_digest(fact: Fact, currency: str) -> str:
    """What a person allows who lets a late return count: these units of this return, whatever they are worth."""
    return digest_of(Money(0, currency), LATE, late_cause(fact))


def late_cause(fact: Fact) -> str:
    return f"{fact.id} of {sum(line.units for line in fact.body.lines)}"


def _allowed(standing: Standing, fact: Fact, order: Order, terms: ReturnTerms) -> bool:
    """A late return that was allowed stays so: that was said of the return, not of a moment."""
    digest = late_digest(fact, order.currency)
    words: list[Approval] = [each.body for each in standing.of("approval")]
    said_yes = any(w.digest == digest and w.verdict == "approved" and w.role == terms.approver for w in words)
    return said_yes and rejected(standing, digest) is None


def _asked(standing: Standing) -> Iterator[Asked]:
    for sealed in standing.all_sealed("refund"):
        yield Asked(sealed.name, cause_in(sealed.name), sealed.body.amount.minor, sealed.body.payment)
    for name, refund in forgotten_refunds(standing).items():
        yield Asked(name, cause_in(name), refund.amount.minor, refund.payment, forgotten=True)
    for sealed in standing.all_sealed("store_credit"):
        yield Asked(sealed.name, cause_in(sealed.name), sealed.body.amount.minor)


def forgotten_refunds(standing: Standing) -> dict[str, Refund]:
    """What carries our reference though nobody here asked for it, by the name that it must have had: the database was set
    back over it."""
    ours = f"{standing.entity}/refund:"
    told: list[Refund] = [fact.body for fact in standing.of("refund") if fact.body.reference.startswith(ours)]
    named = {_name_in(standing.entity, each): each for each in told}
    return {name: each for name, each in named.items() if name not in standing.sealed}


def _name_in(entity: str, refund: Refund) -> str:
    cause, payment, rest = refund.reference.removeprefix(f"{entity}/").partition(f"|{refund.payment}:")
    return f"{cause}{payment}{rest.partition('/')[0]}"


def slots(kind: str, cause: str) -> str:
    """How all the names begin of what goes back for one cause: `refund:<cause>|<payment>:<n>`.

    A payment's id holds no bar; a cause may hold anything.
    """
    return f"{kind}:{cause}|"


def cause_in(name: str) -> str:
    """The cause in such a name."""
    return name.partition(":")[2].rpartition("|")[0]


def since_covered(standing: Standing, record: Record, needed: int) -> datetime | None:
    """When so many minor units of the buyer's money had been heard of, on whatever payments; before, nothing could go back."""
    so_far, at = 0, None
    for fact in sorted(standing.of("capture"), key=lambda fact: (fact.recorded_at, fact.id)):
        at, so_far = fact.recorded_at, so_far + record.money(fact.body.amount)
        if so_far >= needed:
            break
    return at


def since_freed(standing: Standing, payment: str) -> datetime | None:
    """When something of this payment was there to be given back again: a dispute was won, or a refund came back."""
    freed = [each for each in standing.of("dispute") if each.body.status == "won"]
    freed += [each for each in standing.of("refund") if each.body.status == "failed"]
    return max((each.changed_at for each in freed if each.body.payment == payment), default=None)


def since_allowed(standing: Standing, of: Fact, currency: str) -> datetime | None:
    """When somebody let this return count though it was late."""
    if not isinstance(of.body, Return):
        return None
    digest = late_digest(of, currency)
    said_yes = (e for e in standing.of("approval") if e.body.digest == digest and e.body.verdict == "approved")
    return max((each.changed_at for each in said_yes), default=None)


def latest(*moments: datetime | None) -> datetime | None:
    """Of those that are known."""
    return max((each for each in moments if each is not None), default=None)


def since_paid(standing: Standing, payments: Container[str | None]) -> datetime | None:
    """When the money on these payments was heard of last: whoever settled what it goes back for before that owed nothing yet."""
    # As of when it was heard of first: what is told of it later, its fees for instance, is no more money.
    return max((each.recorded_at for each in standing.of("capture") if each.body.payment in payments), default=None)
