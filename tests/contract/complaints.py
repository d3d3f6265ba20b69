"""What the conformance kit says of a connector that is broken in one way; the sound one is `accounting`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from crossdock.connect.conformance import checks_for
from crossdock.connect.connector import Capability, Connector
from crossdock.connect.documents import Origin, Translated
from tests.contract import accounting
from tests.contract.accounting import connector as sound
from tests.contract.accounting.service import stand_in

EXAMPLES = Path(accounting.__file__).parent / "examples"
Broken = Connector[Any]


async def complaints(
    broken: Broken, *, about: str = "", ledger: bool = False, examples: Path = EXAMPLES
) -> dict[str, str]:
    """What the kit has to say of a connector, by the check that says it."""
    said: dict[str, str] = {}
    for check in checks_for(broken, examples=examples, stand_in=stand_in if ledger else None):
        if about in check.name:
            try:
                await check.run()
            except AssertionError as complaint:
                said[check.name] = str(complaint)
    return said


def translating(function: Callable[[bytes, Origin], Iterator[Translated]]) -> Broken:
    return replace(sound, topics={**sound.topics, "invoice/posted": function})


def doing(noun: type[msgspec.Struct], **changed: Any) -> Broken:
    changed_one: Capability = replace(sound.capabilities[noun], **changed)
    return replace(sound, capabilities={**sound.capabilities, noun: changed_one})


def reading(**changed: Any) -> Broken:
    return replace(sound, reads={**sound.reads, "invoice": replace(sound.reads["invoice"], **changed)})


def through_the_door(**changed: Any) -> Broken:
    assert sound.door is not None
    return replace(sound, door=replace(sound.door, **changed))
