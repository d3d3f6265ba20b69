"""What waits for people's word: open requests, replaced as their entities are settled, and what was said about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from crossdock.kernel.money import AnyMoney, Money
from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("approvals")
_NEEDED = (
    "entity", "name", "digest", "role", "people", "hours", "what", "amount_minor", "currency", "payee", "cause", "until",
)  # fmt: skip
# A shorter beginning of a digest may fit others that are asked for tomorrow.
_DIGEST_CHARACTERS_MIN = 8


@dataclass(frozen=True, slots=True)
class Request:
    """One open request; `id` and `digest` are bound to its amount, payee and cause."""

    id: int
    entity: str
    name: str
    digest: str
    role: str
    people: int
    hours: int
    what: str
    amount_minor: int
    currency: str
    payee: str
    cause: str
    until: datetime
    asked_at: datetime

    @property
    def amount(self) -> AnyMoney:
        return Money(self.amount_minor, self.currency)


class Said(NamedTuple):
    """One person's word on a digest, as recorded; the latest of each person counts."""

    by: str
    what: Literal["approve", "reject"]
    expires_at: datetime
    as_of: datetime

    @property
    def holds(self) -> bool:
        return self.what == "approve" and self.expires_at > self.as_of


async def replace_requests(tx: Transaction, settled: Sequence[str], requests: Sequence[Row]) -> None:
    """These entities ask for this and nothing else; `settled` need only name those that may have asked before."""
    if not settled and not requests:
        return
    latest = {(row[0], row[1]): row for row in requests}
    kept: dict[str, list[str]] = {entity: [] for entity in settled}
    for entity, name in latest:
        kept.setdefault(entity, []).append(name)
    parameters = columns(_NEEDED, list(latest.values()))
    parameters |= {"settled": list(settled), "kept": ["\n".join(kept[entity]) for entity in settled]}
    await run(tx, _SQL["replace_requests"], parameters)


class Part(NamedTuple):
    """Which open requests: of one entity, of one role, so many of them from the nth on; all unless it says otherwise."""

    entity: str | None = None
    role: str = ""
    limit: int | None = None
    offset: int = 0
    id: int | None = None
    channels: Sequence[str] | None = None
    """Whose orders they are about."""
    after: tuple[datetime | None, int] = (None, 0)
    """(until, id) of the one before the first."""


ALL = Part()


async def open_requests(tx: Transaction, part: Part = ALL) -> list[Request]:
    """What is due first first."""
    until, id_ = part.after
    asked = {**part._asdict(), "after_until": until, "after_id": id_}
    return [Request(*row) for row in await rows(tx, _SQL["open_requests"], asked)]


async def asked_of(tx: Transaction) -> dict[str, int]:
    """How many open requests wait for each role."""
    return dict(await rows(tx, _SQL["asked_of"]))


async def requests_named(tx: Transaction, name: str) -> list[Request]:
    """The open requests of that id, or whose digest begins with at least 8 characters of it; locked until commit."""
    is_id = name.isdecimal() and len(name) < _DIGEST_CHARACTERS_MIN
    digest = name.lower() if not is_id and len(name) >= _DIGEST_CHARACTERS_MIN else ""
    found = await rows(tx, _SQL["requests_named"], {"id": int(name) if is_id else -1, "digest": digest})
    return [Request(*row) for row in found]


async def said(tx: Transaction, digests: Sequence[str]) -> dict[tuple[str, str], dict[str, Said]]:
    """(entity, digest) -> each person's latest word, by their name without regard to case."""
    words: defaultdict[tuple[str, str], dict[str, Said]] = defaultdict(dict)
    for digest, entity, by, what, expires_at, as_of in await rows(tx, _SQL["said"], {"digest": list(digests)}):
        words[entity, digest][by.casefold()] = Said(by, what, expires_at, as_of)
    return words
