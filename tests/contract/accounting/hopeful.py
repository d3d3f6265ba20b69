"""The accounting connector broken in one way: where nobody knows what happened, it says that nothing did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crossdock.canonical.order import SalesOrder
from crossdock.connect.connector import Command
from crossdock.connect.link import Link
from crossdock.connect.receipts import Outcome
from crossdock.kernel.faults import Transient, Unknown
from tests.contract import accounting
from tests.contract.accounting import connector as sound


async def hopes_nothing_happened(command: Command[SalesOrder], link: Link[Any]) -> Outcome:
    try:
        return await accounting.book(command, link)
    except Unknown as fault:
        raise Transient(fault.detail) from fault


_hopeful = replace(sound.capabilities[SalesOrder], one=hopes_nothing_happened)
connector = replace(sound, capabilities={**sound.capabilities, SalesOrder: _hopeful})
