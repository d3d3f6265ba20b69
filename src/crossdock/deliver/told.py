"""Acts in doubt whose target told of their effect by itself: its word is the answer that was lost.

Sent again under its key, a refund would be the same refund for as long as the provider knows the key. One that was restored
from a backup doesn't, and nobody can ask it what it forgot; what it told us before is all that there is.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.payment import PaymentRefund, Refund
from crossdock.connect.receipts import Confirmed
from crossdock.promises.difference import Stage
from crossdock.store import delivery
from crossdock.store.database import Transaction
from crossdock.store.delivery import Claimed

_SENT = (Stage.CALLING, Stage.DOUBTFUL)
_NOUN, _TOLD_AS = NAMES[PaymentRefund], NAMES[Refund]


async def told_of(tx: Transaction, connection: str, claimed: Sequence[Claimed]) -> dict[int, Confirmed]:
    """By promise, what the connection told of those that were sent without a known outcome."""
    sent = [each for each in claimed if each.noun == _NOUN and each.stage in _SENT and each.key]
    if not sent:
        return {}
    told: dict[int, Confirmed] = {}
    for promise, body in await delivery.told_of(tx, connection, _TOLD_AS, sent):
        refund = msgspec.json.decode(body, type=Refund)
        if refund.status != "failed":
            told[promise] = Confirmed(id=refund.id, body=refund)
    return told
