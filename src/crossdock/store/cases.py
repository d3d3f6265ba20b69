"""Cases: work that needs a person, one open case per cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdock.store.database import Row, Transaction, columns, rows, run
from crossdock.store.statements import load

_SQL = load("cases")


@dataclass(frozen=True, slots=True)
class Raised:
    """Something a person must settle. `entity` and `promise` are empty for a whole connection's trouble."""

    cause: str
    kind: str
    title: str
    remedy: str
    detail: str
    entity: str = ""
    promise: int = 0
    field: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCase:
    id: int
    cause: str
    kind: str
    title: str
    remedy: str
    opened_at: datetime
    items: int
    detail: str
    entities: list[str]


_RAISED = ("cause", "kind", "title", "remedy", "entity", "promise", "detail", "field")
# Outages and credentials end with their brake; a doubt by a person's word, or by an answer that came late.
_EMPTY_IS_OVER = [
    "doubt", "failing", "trouble", "rejected", "mapping", "overdrawn", "quarantine", "unbound", "missing",
]  # fmt: skip


async def raise_cases(tx: Transaction, raised: Sequence[Raised]) -> None:
    """Open one case per cause, or add to the one that is open."""
    if raised:
        # What a target says may hold a NUL, which no text in PostgreSQL can.
        texts = ((r, [each.replace("\0", "␀") for each in (r.cause, r.title, r.detail, r.field or "")]) for r in raised)
        records: list[Row] = [
            (cause, r.kind, title, r.remedy, r.entity, r.promise, detail, None if r.field is None else field)
            for r, (cause, title, detail, field) in texts
        ]
        await run(tx, _SQL["open_cases"], columns(_RAISED, records))


async def stop_failing(tx: Transaction, promises: Sequence[int]) -> None:
    """These promises are in another case by now, and in one each."""
    if promises:
        await run(tx, _SQL["stop_failing"], {"promise": list(promises)})


async def settle_troubles(tx: Transaction, entities: Sequence[str], troubles: Sequence[Raised]) -> None:
    """Of these entities exactly these troubles are open from now on."""
    await run(
        tx,
        _SQL["settle_troubles"],
        {
            "entity": list(entities),
            "trouble_entity": [t.entity for t in troubles],
            "trouble_cause": [t.cause for t in troubles],
        },
    )
    await raise_cases(tx, troubles)


async def raise_unbound(tx: Transaction, after_minutes: int) -> None:
    """What could not be attributed for that long becomes a case, and stops being one when it is."""
    await run(tx, _SQL["bound_since"])
    unbound = await rows(tx, _SQL["unbound"], {"minutes": after_minutes})
    await raise_cases(
        tx,
        [
            Raised(
                f"unbound:{connection}:{kind}",
                "unbound",
                f"{kind} of {connection} that belongs to nothing we know",
                f"Correct its reference at the source, or: crossdock bind {connection} {kind} <id> <order>",
                f"{kind} {id_} {_nameless(about, named)}",
                f"{kind}:{connection}:{id_}",
            )
            for connection, kind, id_, about, named in unbound
        ],
    )


def _nameless(about: str, named: Sequence[str]) -> str:
    if not about:
        return "names no order or customer of ours"
    if named:
        return f"is about {about}, which is a name of several: {', '.join(named)}"
    return f"is about {about}, which nobody knows"


async def close_bound(tx: Transaction, by: str) -> None:
    """What has been attributed is in no case for want of it."""
    await run(tx, _SQL["bound_since"])
    await close_empty(tx, by)


async def close_empty(tx: Transaction, by: str) -> None:
    """Close the cases none of whose items is open any more."""
    empty = {"kind": _EMPTY_IS_OVER, "by": by}
    # Locked by one statement and judged by the next: an item that was just being added is seen only then.
    await run(tx, _SQL["lock_empty"], empty)
    await run(tx, _SQL["close_empty"], empty)


async def close(tx: Transaction, cause: str, by: str) -> bool:
    return bool(await rows(tx, _SQL["close_by_cause"], {"cause": cause, "by": by}))


async def open_after(tx: Transaction, case: int, limit: int, entities_max: int) -> list[OpenCase]:
    """So many of those after one, the oldest first, each with so many of its entities."""
    asked = {"case": case, "limit": limit, "entities_max": entities_max}
    return [OpenCase(*row) for row in await rows(tx, _SQL["open_after"], asked)]


async def open_cases(tx: Transaction) -> list[OpenCase]:
    return [OpenCase(*row) for row in await rows(tx, _SQL["open_now"])]
