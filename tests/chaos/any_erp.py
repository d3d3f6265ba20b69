"""The stand-in as an ERP that takes everything an order can ask of one after it was sold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from crossdock.canonical.order import OpenUnits, SalesOrder
from crossdock.canonical.returns import CreditMemo, GoodsReturn, SupplementaryInvoice
from crossdock.connect.connector import Capability
from crossdock.connect.effects import Searchable
from tests.standin import connector as standin

# All systems of a day run in one process: on a busy machine what is sent to them may wait for seconds.
_SEARCHED = (Searchable(by="reference", visible_after=timedelta(seconds=0.1), max_travel=timedelta(seconds=2.6)),)
_one = standin.capabilities[SalesOrder]


def _able(noun: type) -> Capability:
    """Sent as sales orders are, and found again by key."""
    return replace(_one, noun=noun, effects=_SEARCHED, bulk=1)


_more = (CreditMemo, SupplementaryInvoice, GoodsReturn)
connector = replace(
    standin,
    capabilities=standin.capabilities
    | {noun: _able(noun) for noun in _more}
    | {OpenUnits: replace(_one, verb="state", noun=OpenUnits, effects=())},
    finders=standin.finders | {noun: next(iter(standin.finders.values())) for noun in (*_more, SalesOrder)},
)
