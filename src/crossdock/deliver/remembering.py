"""Acts of a time the database has forgotten, looked for under every key that they may have had then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.returns import CreditMemo, SupplementaryInvoice
from crossdock.canonical.shipment import Invoice, ShipmentOrder
from crossdock.connect.connector import Command
from crossdock.connect.receipts import Confirmed, Outcome, Partial
from crossdock.deliver.sealing import Ready
from crossdock.kernel.money import AnyMoney, total

BY_LEVEL = frozenset({NAMES[CreditMemo], NAMES[SupplementaryInvoice]})
"""What brings a level to where it should be: its cause is whatever was heard last, so another order of hearing names another."""
KEPT_IN_STEP = frozenset({NAMES[ShipmentOrder]})
"""What states keep as it should be, its address and its lines, so that it may have been asked for otherwise at first."""
# It may have been refused and asked again under the next ordinals; three times within a backup's age is a lot.
_ORDINALS_AHEAD = 3


def under_every_key(doubtful: Sequence[Ready], facts: Mapping[str, Sequence[str]]) -> list[Command[Any]]:
    """The commands as they are now, and as they may have been; `facts`: by entity, what may have been their causes."""
    commands = [each.command for each in doubtful]
    for each in doubtful:
        if each.claimed.forgotten_since is not None:
            commands += [replace(each.command, key=key) for key in (*_repeats(each), *_others(each, facts))]
    return commands


def _repeats(ready: Ready) -> Iterator[str]:
    """The same act under other ordinals."""
    claimed = ready.claimed
    for ordinal in range(1, claimed.ordinal + _ORDINALS_AHEAD + 1):
        if ordinal != claimed.ordinal:
            yield f"{claimed.slot}/{claimed.cause}/{ordinal}"


def _others(ready: Ready, facts: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What may have been done in this one's place for another cause."""
    claimed = ready.claimed
    if claimed.noun in BY_LEVEL:
        for cause in facts.get(claimed.entity, ()):
            for ordinal in range(1, _ORDINALS_AHEAD + 1):
                if cause != claimed.cause:
                    yield f"{claimed.slot}/{cause}/{ordinal}"


def recognised(ready: Ready, found: Mapping[str, Outcome], facts: Mapping[str, Sequence[str]]) -> Outcome | None:
    """What a search under all these keys says of one act; None: it is not there."""
    own = found.get(ready.command.key)
    if ready.claimed.forgotten_since is None:
        return own
    mine = own or next((found[key] for key in _repeats(ready) if key in found), None)
    if mine is not None:
        return _as_it_is(ready, mine, ready.command.key)
    for key in _others(ready, facts):
        if isinstance(other := found.get(key), Confirmed):
            return _as_it_is(ready, other, key)
    return None


def _as_it_is(ready: Ready, found: Outcome, key: str) -> Outcome:
    """A level may have been brought elsewhere then. Where the target tells what it holds, that counts; else a person looks."""
    if ready.claimed.noun not in BY_LEVEL or not isinstance(found, Confirmed):
        return found
    wanted, there = ready.command.body, found.body
    if isinstance(there, type(wanted)) or (
        isinstance(there, Invoice) and there.total in _either_sign(_comes_to(wanted))
    ):
        return found
    amount = f" over {there.total}" if isinstance(there, Invoice) else ""
    detail = f"{found.id}{amount} is there under {key}, which this hub has forgotten; it may differ"
    return Partial(id=found.id, detail=detail)


def _either_sign(amount: AnyMoney) -> tuple[AnyMoney, AnyMoney]:
    """A credit note's total is negative in some systems."""
    return amount, amount * -1


def _comes_to(level: CreditMemo | SupplementaryInvoice) -> AnyMoney:
    return total(
        (each for line in level.lines for each in (line.net, *(tax.amount for tax in line.taxes))), level.currency
    )
