"""`crossdock recheck`: a target that was set back is asked for all that it confirmed since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.sweeping import sweeper_of
from crossdock.deliver.lines import line_of
from crossdock.govern.settings import Settings
from crossdock.kernel.faults import Fault, NotSent
from crossdock.store.database import Database
from crossdock.store.decisions import Decider
from crossdock.sweep.rechecking import Rechecked, recheck


def rechecked(connection: str, since: datetime, by: str) -> Rechecked:
    """Ask it now, with what its call budget has to spare."""

    async def work(database: Database, told: Settings) -> Rechecked:
        each = told.connections.get(connection)
        if each is None:
            raise Failure(f"there is no connection {connection}; connections are {', '.join(sorted(told.connections))}")
        async with database.transaction() as tx:
            await Decider(tx, by).record("recheck", connection=connection, since=since.isoformat())
        line = await line_of(database, each)
        try:
            return await recheck(database, sweeper_of(database, each, line).source, since)
        except Fault as fault:
            raise Failure(f"{connection} can't be asked: {fault.detail}", EXIT_FOUND) from fault
        except NotSent as cut_short:
            raise Failure(
                f"{connection} can't be asked now: {cut_short}. Say it again when less is to do.", EXIT_FOUND
            ) from cut_short
        finally:
            await line.close()

    return ask(work)


def as_builtins(found: Rechecked) -> dict[str, Any]:
    return {
        "looked_for": found.looked_for,
        "missing": [{"entity": entity, "name": name, "id": id_} for entity, name, id_ in found.missing],
        "unsearchable": dict(sorted((+found.unsearchable).items())),
        "too_young": found.too_young,
        "written_again": found.written_again,
    }


def as_text(connection: str, found: Rechecked) -> str:
    lines = [f"{found.looked_for} looked for at {connection}, {len(found.missing)} not there."]
    lines += [f"  {entity}/{name}: {id_}" for entity, name, id_ in found.missing]
    if found.missing:
        lines.append("They are never done again by themselves: crossdock cases")
    lines += [f"{count} of {noun} can't be looked for there." for noun, count in sorted((+found.unsearchable).items())]
    if found.too_young:
        lines.append(f"{found.too_young} were done just now, and need not show yet: say it again in a while.")
    if found.written_again:
        lines.append(f"{found.written_again} states are told again.")
    return "\n".join(lines)
