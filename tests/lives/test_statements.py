"""The statement of an order says the same as its postings, in every life at rest: what finance reads has no cent unexplained."""

from __future__ import annotations

import pytest

from crossdock.books.postings import FX_DIFFERENCE
from crossdock.promises.obligations import ApprovalNeeded, Trouble, Wait
from crossdock.settle.statement import Statement, stated, unexplained
from tests.lives.living import Life


def _complaints(seed: int) -> list[str]:
    life = Life(seed).live()
    hub = life.hub
    # What only its sale's seal made due (an allowance granted before it) is worked out with the next thing that is heard.
    hub.settle()
    standing = hub.standing()
    if any(row.stage is not None for row in hub.rows):
        return []  # that, or something in a case: not at rest
    expects = any(isinstance(each, Wait | Trouble | ApprovalNeeded) for each in hub.obligations)
    found = [
        f"seed {seed}: {question}: {what}" for question, what in unexplained(standing, hub.policy, expects=expects)
    ]
    statement = stated(standing, hub.policy, hub.obligations)
    if statement is None:
        return found
    return found + [f"seed {seed}: {what}" for what in (*_crooked(statement), *_exchanged(statement, life))]


def _exchanged(told: Statement, life: Life) -> list[str]:
    """The accountant works out from the provider's ledger what exchange has cost."""
    posted = sum(each.balance for each in told.trial_balance if each.name == FX_DIFFERENCE)
    truth = life.watch.accountant.exchange_difference()
    return [] if posted == truth else [f"exchange differences of {posted} are posted, there were {truth}"]


def _crooked(told: Statement) -> list[str]:
    found = [each.what for each in told.entries if sum(each.postings.values())]
    currencies = {each.currency for each in told.trial_balance}
    sums = {c: sum(each.balance for each in told.trial_balance if each.currency == c) for c in currencies}
    found += [f"the trial balance in {currency}" for currency, balance in sums.items() if balance]
    found += [f"{each.id}: paid {each.paid}" for each in told.causes if min(each.paid, each.in_flight, each.open) < 0]
    return found


@pytest.mark.parametrize("first", range(0, 1000, 250))
def test_every_life_at_rest_is_explained_to_the_cent(first: int) -> None:
    found = [what for seed in range(first, first + 250) for what in _complaints(seed)]
    assert not found, f"{len(found)} complaints\n" + "\n".join(found[:8])
