"""What a customer makes us owe: an account at the ERP that says what the customer last said."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.canonical.order import PartyAccount
from crossdock.canonical.party import Customer
from crossdock.promises.obligations import Obligation, Priority, State
from crossdock.promises.policy import Policy, due
from crossdock.promises.reads import owed_reads
from crossdock.promises.standing import Standing


def owed_for_customer(standing: Standing, policy: Policy) -> Iterator[Obligation]:
    """One account at the ERP, found or made by our code."""
    yield from owed_reads(standing, "customer", policy)
    fact = standing.one("customer")
    erp = standing.pins.get("erp", policy.roles.erp)
    if fact is None or erp is None:
        return
    customer: Customer = fact.body
    yield State(
        name=f"party_account@{erp}",
        to=erp,
        body=PartyAccount(
            code=standing.entity,
            name=customer.name,
            email=customer.email,
            phone=customer.phone,
            address=customer.address,
        ),
        cause=fact,
        by=due(fact.recorded_at, policy.deadlines.customer_minutes),
        priority=Priority.CUSTOMERS,
    )
