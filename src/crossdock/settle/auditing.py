"""All orders at rest, looked at one batch after the other: does the money of each add up?"""

from __future__ import annotations

from collections import Counter

from crossdock.settle.looking import look
from crossdock.settle.rules import Rules
from crossdock.settle.statement import QUESTIONS, unexplained
from crossdock.store import resting
from crossdock.store.checking import Finding
from crossdock.store.database import Database

_BATCH = 500


async def audit(database: Database, rules: Rules) -> tuple[int, list[Finding]]:
    """How many orders were at rest, and one finding for each question, with an example."""
    breaches, examples = Counter[str](), dict[str, str]()
    count, after = 0, ""
    while True:
        async with database.transaction() as tx:
            await resting.one_snapshot(tx)
            orders = await resting.orders(tx, after, _BATCH)
            quiet = {each.entity: each for each in await resting.at_rest(tx, orders)}
            reads = await look(tx, list(quiet), rules)
        for read in reads:
            entity = read.unsettled.entity
            for question, wrong in unexplained(read.standing, rules.policy, expects=quiet[entity].expects):
                breaches[question] += 1
                examples.setdefault(question, f"{entity}: {wrong}")
        count += len(quiet)
        if len(orders) < _BATCH:
            break
        after = orders[-1]
    return count, [Finding(name, says, breaches[name], examples.get(name)) for name, says in QUESTIONS.items()]
