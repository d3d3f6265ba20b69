"""Campaigns as stored: proposals, what a person approved of them, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("campaigns")
_AMOUNTS = (4, 12)
"""The columns of `campaigns` that hold {currency: minor units} as JSON."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal that nobody approved yet; `part` says what it was worked out over."""

    id: int
    digest: str
    part: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and how far it is; `sealed` acts were sent, `confirmed` ones happened, `over_cap` ones found no room."""

    id: int
    digest: str
    part: str
    acts: int
    worth: Mapping[str, int]
    proposed_at: datetime
    proposed_by: str
    approved_at: datetime | None
    approved_by: str | None
    count_max: int | None
    expires_at: datetime | None
    expired: bool | None
    money_max: Mapping[str, int]
    sealed: int
    confirmed: int
    over_cap: int

    @property
    def state(self) -> str:
        if self.approved_at is None:
            return "proposed"
        if self.confirmed >= self.acts:
            return "done"
        return "expired" if self.expired else "running"


async def withheld_or_unsettled(tx: Transaction, code: bytes, entity: str | None) -> list[str]:
    """Where these rules may owe something for old facts."""
    return [row[0] for row in await rows(tx, _SQL["withheld_or_unsettled"], {"code": code, "entity": entity})]


async def entities_of(tx: Transaction, entity: str | None) -> list[str]:
    """Every entity that was ever settled, or the one."""
    return [row[0] for row in await rows(tx, _SQL["entities_of"], {"entity": entity})]


async def propose(tx: Transaction, digest: str, part: str, acts: int, worth: Mapping[str, int], by: str) -> int:
    encoded = msgspec.json.encode(worth).decode()
    asked = {"digest": digest, "part": part, "acts": acts, "worth": encoded, "by": by}
    return (await rows(tx, _SQL["propose"], asked))[0][0]


async def proposed(tx: Transaction, digest: str) -> list[Proposal]:
    """The open proposals whose digest begins so; locked until commit."""
    return [Proposal(*row) for row in await rows(tx, _SQL["proposed"], {"digest": digest})]


async def approve(
    tx: Transaction, id_: int, by: str, count_max: int, money_max: Mapping[str, int], hours: int
) -> datetime:
    """Answers when it expires."""
    asked = {"id": id_, "by": by, "count_max": count_max, "hours": hours}
    [(expires_at,)] = await rows(tx, _SQL["approve"], asked)
    caps: list[Row] = sorted(money_max.items())
    if caps:
        await run(tx, _SQL["cap"], {**columns(("currency", "money_max"), caps), "id": id_})
    return expires_at


async def cover(tx: Transaction, id_: int, items: Sequence[tuple[str, str, str]]) -> None:
    """(entity, name, digest) of the acts a campaign lets through."""
    await run(tx, _SQL["cover"], {**columns(("entity", "name", "digest"), list(items)), "id": id_})


async def uncover(tx: Transaction, promises: Sequence[int]) -> None:
    """These promises found no room in their campaigns, and are withheld again."""
    if promises:
        await run(tx, _SQL["uncover"], {"promise": list(promises)})


async def campaigns(tx: Transaction) -> list[Campaign]:
    return [_campaign(list(row)) for row in await rows(tx, _SQL["campaigns"])]


def _campaign(row: list[Any]) -> Campaign:
    for at in _AMOUNTS:
        row[at] = msgspec.json.decode(row[at], type=dict[str, int])
    return Campaign(*row)
