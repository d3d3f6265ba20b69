"""Orders whose money and documents differ, each looked at: what explains it, and what nothing does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from crossdock.promises.standing import Standing
from crossdock.settle.looking import look
from crossdock.settle.rules import Rules
from crossdock.settle.statement import stated, wrongs
from crossdock.store import resting, tally
from crossdock.store.database import Database
from crossdock.store.tally import Judgement

# A third of a millisecond of CPU each. Those that differ are few; of all others so many in turn, so that none is left out.
_DIFFERING, _IN_TURN = 200, 100
_LOWERED = "cancelled or lowered since it was sold"
_REASON_CHARACTERS_MAX = 300


async def reconcile(database: Database, rules: Rules) -> int:
    """Judge the orders that differ and the next of all others; answers how many differed and were judged."""
    async with database.transaction() as tx:
        differing = await tally.unjudged(tx, _DIFFERING)
        after = await tally.audited(tx)
        in_turn = await resting.orders(tx, after, _IN_TURN)
    orders = sorted({*differing, *in_turn})
    judged = await judged_of(database, rules, orders)
    async with database.transaction() as tx:
        await tally.judge(tx, orders, judged)
        await tally.audit_from(tx, in_turn[-1] if len(in_turn) == _IN_TURN else "")
    return len(differing)


async def judged_of(database: Database, rules: Rules, orders: Sequence[str]) -> list[Judgement]:
    """One judgement for each of these orders that is known."""
    if not orders:
        return []
    async with database.transaction() as tx:
        await resting.one_snapshot(tx)
        quiet = {each.entity: each for each in await resting.at_rest(tx, orders)}
        reads = await look(tx, orders, rules)
    told = list[Judgement]()
    for each in reads:
        # The door is in the same process, and takes some eight turns for a message: by 300 in one go it stood still.
        await asyncio.sleep(0)
        rest = quiet.get(each.standing.entity)
        if (judged := _judged(each.standing, rest.expects if rest else None, rules)) is not None:
            told.append(judged)
    return told


def _judged(standing: Standing, expects: bool | None, rules: Rules) -> Judgement | None:
    try:
        return judgement(standing, expects, rules)
    except Exception:  # noqa: BLE001  # an order the rules fail on has a case of its own, and must not hold up the others
        return None


def judgement(standing: Standing, expects: bool | None, rules: Rules) -> Judgement | None:
    """`expects` is None where something is under way; nothing is called wrong before that has ended. Pure."""
    statement = stated(standing, rules.policy)
    if statement is None:
        return None
    wrong = [] if expects is None else list(wrongs(standing, rules.policy, expects=expects))
    if wrong:
        reason = "; ".join(f"{each.question}: {each.words}" for each in wrong)
    else:
        largest = max(statement.shares, key=lambda share: abs(share.amount), default=None)
        reason = largest.why if largest else _LOWERED if statement.billing else "not sold yet"
    off = max((each.minor for each in wrong), default=0)
    return Judgement(standing.entity, statement.currency, reason[:_REASON_CHARACTERS_MAX], off)
