"""One life told step by step, for people who look for the cause of a complaint: `python -m tests.lives.telling 42`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from tests.lives.living import Life
from tests.lives.oracle import said


def told(seed: int) -> Iterator[str]:
    """What happened, what every ledger holds, what is promised and said, and what the accountant complains about."""
    life = Life(seed)
    yield f"seed {seed}, a tolerance of {life.policy.tolerance_minor}, terms:"
    yield from (f"  {terms}" for terms in life.policy.returns)
    try:
        life.live()
    except Exception as error:  # noqa: BLE001  # how far it came is what is asked
        yield f"it ends with {type(error).__name__}: {error}"
    reality = life.reality
    yield "what happened:"
    yield from (f"  {each}" for each in reality.story)
    yield "ledgers:"
    yield from (f"  {posted.kind} {posted.key}: {posted.bill}" for posted in reality.erp.posted)
    yield from (f"  {each}" for each in (*reality.psp.refunds.values(), *reality.psp.tenders.values()))
    yield from (f"  store credit {key}: {amount}" for key, amount in reality.channel.credits.items())
    yield "promises:"
    for row in life.hub.rows:
        stage = "withdrawn" if row.withdrawn else "met" if row.stage is None else row.stage.name.lower()
        yield f"  {row.name} #{row.ordinal}: {stage} {row.blocked_on or ''}"
    yield "said:"
    yield from (f"  {each}" for each in said(life.hub))
    truth = life.watch.accountant.truth()
    yield f"should be billed: {truth.should_bill}"
    yield f"entitled: {truth.by_cause}, by exchange {truth.exchanged}, still to pay {truth.debt}"
    yield from (f"COMPLAINT {each}" for each in life.watch.judge(life.hub))


if __name__ == "__main__":
    for number in sys.argv[1:]:
        print("\n".join(told(int(number))))
