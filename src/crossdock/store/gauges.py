"""What the database says of the whole hub, for those who watch it from outside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from crossdock.observe.gauges import AGES, STAGES, Sample
from crossdock.store import figures, sweeps
from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("gauges")
# A process that has been silent for this long is no living one; the hub's leases end after 10 s unless set otherwise.
_SILENT_SECONDS = 30.0
_FATES = ("pending", "translated", "ignored", "quarantined")


async def read(tx: Transaction, now: datetime) -> list[Sample]:
    """Everything in `GAUGES`; the costliest reads `due`, which holds open promises only."""
    found = [*await _queues(tx), *await _due(tx), *await _people(tx), *await _running(tx)]
    found += [each for listed in await sweeps.verified(tx) for each in _swept(listed, now)]
    known = await figures.figures(tx)
    return found + [each for name, figure in known.items() if figure.value for each in _counted(name, figure)]


async def _queues(tx: Transaction) -> list[Sample]:
    [inbox], [dirty] = await rows(tx, _SQL["inbox"]), await rows(tx, _SQL["dirty"])
    [told] = await rows(tx, _SQL["notifications"])
    [[lag]], [[size]] = await rows(tx, _SQL["events_lag"]), await rows(tx, _SQL["bytes"])
    return [
        Sample("crossdock_inbox_pending_messages", (), inbox[0]),
        Sample("crossdock_inbox_oldest_pending_seconds", (), inbox[1]),
        Sample("crossdock_dirty_entities", (), dirty[0]),
        Sample("crossdock_dirty_oldest_seconds", (), dirty[1]),
        Sample("crossdock_notifications_waiting", (), told[0]),
        Sample("crossdock_notifications_failing_seconds", (), told[1]),
        Sample("crossdock_events_lag_seconds", (), lag),
        Sample("crossdock_database_bytes", (), size),
    ]


async def _due(tx: Transaction) -> list[Sample]:
    labels, limits = [*(name for name, _ in AGES), "older"], [limit for _, limit in AGES]
    found: list[Sample] = []
    oldest: dict[tuple[str, str], float] = {}
    overdue: dict[str, int] = {}
    for lane, stage, age, count, seconds, late in await rows(tx, _SQL["due"], {"ages": limits}):
        place = (str(lane), STAGES[int(stage)])
        found.append(Sample("crossdock_due_promises", (*place, labels[age]), count))
        oldest[place] = max(oldest.get(place, 0.0), float(seconds))
        overdue[lane] = overdue.get(lane, 0) + late
    found += [Sample("crossdock_due_oldest_seconds", key, seconds) for key, seconds in oldest.items()]
    return found + [Sample("crossdock_due_overdue_promises", (lane,), count) for lane, count in overdue.items()]


async def _people(tx: Transaction) -> list[Sample]:
    """What needs a person."""
    found: list[Sample] = []
    for connection, kind, seconds in await rows(tx, _SQL["brakes"]):
        found.append(Sample("crossdock_brakes", (connection, kind), 1))
        found.append(Sample("crossdock_brake_oldest_seconds", (connection,), seconds))
    for kind, count, items, seconds in await rows(tx, _SQL["cases"]):
        found.append(Sample("crossdock_cases_open", (kind,), count))
        found.append(Sample("crossdock_case_items_open", (kind,), items))
        found.append(Sample("crossdock_case_oldest_seconds", (kind,), seconds))
    [(count, seconds)] = await rows(tx, _SQL["approvals"])
    waiting = Sample("crossdock_approvals_waiting", (), count)
    return [*found, waiting, Sample("crossdock_approvals_oldest_seconds", (), seconds)]


async def _running(tx: Transaction) -> list[Sample]:
    [(held, holders, buckets)] = await rows(tx, _SQL["leases"])
    workers: dict[bool, int] = dict(await rows(tx, _SQL["workers"], {"silent_seconds": _SILENT_SECONDS}))
    return [
        Sample("crossdock_lease_buckets", ("held",), held),
        Sample("crossdock_lease_buckets", ("free",), buckets - held),
        Sample("crossdock_lease_holders", (), holders),
        *(Sample("crossdock_workers", (str(settles).lower(),), workers.get(settles, 0)) for settles in (True, False)),
        *(Sample("crossdock_subscriptions", (state,), n) for state, n in await rows(tx, _SQL["subscriptions"])),
        *(Sample("crossdock_budget_points_total", (name,), spent) for name, spent in await rows(tx, _SQL["budgets"])),
    ]


def _swept(listed: sweeps.Verified, now: datetime) -> Iterator[Sample]:
    about = (listed.connection, listed.kind)
    for name, moment in (("changes", listed.changes), ("whole", listed.whole)):
        if moment is not None:
            yield Sample("crossdock_sweep_verified_age_seconds", (*about, name), (now - moment).total_seconds())
    yield Sample("crossdock_sweep_flawed", about, float(listed.flaw is not None))


def _counted(name: str, figure: figures.Figure) -> Iterator[Sample]:
    """What the console counts in the background, and nobody counts twice."""
    match name:
        case "check":
            yield from _checked(figure.value)
            yield Sample("crossdock_check_age_seconds", (), figure.age_seconds)
        case "flow":
            for workflow, told in figure.value.items():
                yield Sample("crossdock_acts_open", (workflow,), told["open"])
                yield Sample("crossdock_acts_overdue", (workflow,), told["late"])
        case _:
            return


def _checked(told: Mapping[str, Any]) -> Iterator[Sample]:
    yield Sample("crossdock_check_holds", (), float(told["holds"]))
    for each in told["invariants"]:
        yield Sample("crossdock_check_breaches", (each["name"],), each["breaches"])
    for fate in _FATES:
        yield Sample("crossdock_check_inbox_messages", (fate,), told["inbox"][fate])
    for state, count in told["states"].items():
        yield Sample("crossdock_check_entities", (state,), count)
    yield Sample("crossdock_check_unbound_documents", (), told["unbound"])
