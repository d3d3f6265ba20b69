"""What a campaign covers: acts that newer rules owe for older facts, exactly as a person allowed them, within its caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from crossdock.canonical.nouns import NAMES
from crossdock.canonical.order import SalesOrder
from crossdock.canonical.payment import PaymentCapture, PaymentRefund, StoreCredit
from crossdock.canonical.returns import CreditMemo, SupplementaryInvoice
from crossdock.kernel.ids import digest
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.obligations import Act, Within


@dataclass(frozen=True, slots=True)
class Cover:
    """A campaign's leave for one act; `digest` is of the act as it was approved, the caps are the whole campaign's."""

    campaign: int
    digest: str
    count_max: int
    expires_at: datetime
    money_max: Mapping[str, int] = field(default_factory=dict[str, int])
    """Minor units by currency; one that isn't named may not be moved."""


def act_digest(owed: Act) -> str:
    """Which act it is: its name, target, cause and worth. Dates and texts in its body may differ from day to day."""
    amount = worth(owed.body)
    money = None if amount is None else [amount.minor, amount.currency]
    return digest(msgspec.json.encode([owed.name, owed.to, NAMES[type(owed.body)], owed.cause.id, money])).hex()


def under(cover: Cover | None, owed: Act) -> Act | None:
    """The act as the campaign lets it through, its caps guarded by accounts; None when it doesn't."""
    if cover is None or cover.digest != act_digest(owed):
        return None
    within = [Within(f"campaign/{cover.campaign}", 1, cover.count_max)]
    amount = worth(owed.body)
    if amount is not None and amount.minor:
        limit = cover.money_max.get(amount.currency, 0)
        within.append(Within(f"campaign/{cover.campaign}/{amount.currency}", abs(amount.minor), limit))
    ends = cover.expires_at if owed.valid_until is None else min(cover.expires_at, owed.valid_until)
    return replace(owed, within=(*owed.within, *within), valid_until=ends)


def worth(body: msgspec.Struct) -> AnyMoney | None:
    """What an act moves or bills in all; None when it moves no money, however much it tells of."""
    match body:
        case PaymentRefund() | PaymentCapture() | StoreCredit():
            return body.amount
        case SalesOrder():
            return body.order.total
        case CreditMemo() | SupplementaryInvoice():
            amounts = [part for line in body.lines for part in (line.net, *(tax.amount for tax in line.taxes))]
            return Money(sum(each.minor for each in amounts), body.currency)
        case _:
            return None
