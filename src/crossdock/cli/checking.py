"""`crossdock check`: the sums and the invariants."""

from __future__ import annotations

import msgspec

from crossdock.cli.asking import ask
from crossdock.govern.settings import Settings
from crossdock.settle.auditing import audit
from crossdock.settle.rules import rules_seen
from crossdock.store import checking
from crossdock.store.checking import Check
from crossdock.store.database import Database


def checked(*, with_books: bool = False) -> Check:
    return ask(_with_books if with_books else _check)


async def _check(database: Database, _: Settings) -> Check:
    async with database.transaction() as tx:
        return await checking.check(tx)


async def _with_books(database: Database, told: Settings) -> Check:
    """The invariants of money, too; they read every order, a third of a millisecond of CPU each."""
    found = await _check(database, told)
    async with database.transaction() as tx:
        rules = await rules_seen(tx, told)
    _, questions = await audit(database, rules)
    return msgspec.structs.replace(found, invariants=[*found.invariants, *questions])


def as_builtins(found: Check) -> dict[str, object]:
    """The check as JSON, with its verdict."""
    return {"holds": found.holds, "as_of": found.as_of, **msgspec.to_builtins(found)}


def _verified(found: Check) -> list[str]:
    """Converged is a word about a moment: the one up to which sweeps know what the systems held."""
    if not found.verified:
        return []
    if found.as_of is not None:
        return [f"Converged as of {found.as_of:%Y-%m-%d %H:%M:%S} UTC, when the least recently swept list was verified"]
    unswept = [
        f"{each.connection} {each.kind}" for each in found.verified if each.changes is None and each.whole is None
    ]
    return [f"Converged as far as was told: not swept yet are {', '.join(unswept)}"]


def as_text(found: Check) -> str:
    """The check for a person: two sums, then every invariant."""
    inbox = found.inbox
    lines = [
        f"Inbox     {inbox.total:>8} messages = {inbox.translated} translated + {inbox.ignored} ignored"
        f" + {inbox.quarantined} quarantined + {inbox.pending} pending",
        f"Entities  {found.entities:>8} = " + " + ".join(f"{count} {state}" for state, count in found.states.items()),
    ]
    lines += _verified(found)
    if found.unbound:
        lines.append(f"Unbound   {found.unbound:>8} documents belong to nothing we know yet")
    if found.withheld:
        lines.append(f"Withheld  {found.withheld:>8} acts only newer rules would owe for older facts")
    lines.append("")
    for finding in found.invariants:
        mark = "holds" if not finding.breaches else f"BROKEN {finding.breaches} times, e.g. {finding.example}"
        lines.append(f"{finding.name:<4} {finding.promise:<76} {mark}")
    lines.append("")
    lines.append("Everything adds up." if found.holds else "NOT everything adds up.")
    return "\n".join(lines)
