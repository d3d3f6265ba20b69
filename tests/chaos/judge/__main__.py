"""`python -m tests.chaos.judge FILE`: judges one hub and its retailer, named in a JSON file (`-`: standard input).

Prints one JSON object: `judged`, how much there was to judge, and `findings`. Exit code 1 when there are any.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.judge import effects, money, standing
from tests.chaos.judge.evidence import Evidence, Finding, Told, gather
from tests.chaos.judge.sales import Sale, sales


def findings(evidence: Evidence, sold: list[Sale]) -> Iterator[Finding]:
    """Everything that is wrong, as far as it shows from outside."""
    yield from standing.at_rest(evidence)
    yield from standing.conserved(evidence)
    yield from effects.doubled(evidence)
    yield from effects.unsealed(evidence)
    yield from effects.forgotten(evidence)
    yield from money.never_overdrawn(evidence, sold)
    yield from standing.in_budget(evidence)
    yield from standing.people_told_right(evidence, sold)
    for sale in sold:
        yield from effects.missing(evidence, sale)
        yield from money.settled(evidence, sale)
        yield from money.billed(evidence, sale)
        for question in (standing.heard_once, standing.explained, standing.unmoved, standing.rebuilt, standing.shown):
            yield from question(evidence, sale)


def judged(evidence: Evidence, sold: list[Sale]) -> dict[str, int]:
    """How much there was to be right or wrong about."""
    return {
        "orders": len(sold),
        "webhooks lost, and looked for at their source": sum(len(lost) for lost in evidence.lost.values()),
        "messages received": evidence.check["inbox"]["total"],
        "intents": sum(len(some) for some in evidence.intents.values()),
        "effects at targets": sum(_effects(evidence)),
        "calls to targets": sum(len(calls) for calls in evidence.calls.values()),
        "effects that their system was set back over": sum(_forgotten(evidence)),
        "cents refunded by the hub": sum(sale.ours for sale in sold),
        "open cases, all explained or found": len(evidence.cases),
    }


def _effects(evidence: Evidence) -> Iterator[int]:
    yield sum(1 for what in effects.ACTS for _ in evidence.entries("erp", what))
    for system, what in (
        ("wms", "order_received"),
        ("shop", "fulfilment_created"),
        ("shop", "refund_created"),
        ("mail", "mail_received"),
    ):
        yield sum(1 for _ in evidence.entries(system, what))
    yield sum(bool(entry.key) for entry in evidence.entries("psp", "refunded"))


def _forgotten(evidence: Evidence) -> Iterator[int]:
    for system, ledger in evidence.ledgers.items():
        yield sum(evidence.has_forgotten(system, entry) for entry in ledger)


def main(arguments: list[str]) -> int:
    text = sys.stdin.read() if arguments == ["-"] else Path(arguments[0]).read_text()
    told: dict[str, Any] = json.loads(text)
    evidence = gather(Told(**told))
    sold = sales(evidence)
    found = [asdict(each) for each in findings(evidence, sold)]
    if found and evidence.told.keep:
        Path(evidence.told.keep).write_text(json.dumps(asdict(evidence), default=str, indent=1))
    print(json.dumps({"judged": judged(evidence, sold), "findings": found}))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
