"""`crossdock approvals`, `approve` and `reject`: what waits for people's word, and giving it."""

from __future__ import annotations

from typing import Any

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import cause_of, day_and_clock
from crossdock.govern.approving import Approver, Asked, Decided, Verdict, what_waits
from crossdock.govern.persons import people_of
from crossdock.govern.settings import Settings
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable


def waiting() -> list[Asked]:
    async def work(database: Database, _: Settings) -> list[Asked]:
        async with database.transaction() as tx:
            return await what_waits(tx)

    return ask(work)


def decided(request: str, verdict: Verdict, by: str, role: str | None, note: str) -> Decided:
    """Record a person's word; one line and exit code 1 when the request is not open, or not theirs to decide."""

    async def work(database: Database, told: Settings) -> Decided:
        async with database.transaction() as tx:
            return await Approver(tx, await people_of(tx, told), by, role).decide(request, verdict, note)

    try:
        return ask(work)
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


def as_text(found: list[Asked]) -> str:
    """Two lines for each request."""
    if not found:
        return "Nothing waits for approval."
    return "\n".join(_block(asked) for asked in found)


def _block(asked: Asked) -> str:
    request = asked.request
    who = request.role if request.people == 1 else f"{request.people} people of {request.role}"
    words = [f"approved by {name}" for name in asked.approved_by] + [
        f"rejected by {name}" for name in asked.rejected_by
    ]
    said = f" ({', '.join(words)})" if words else ""
    return (
        f"{request.id:>6}  {request.what}\n"
        f"        {request.amount} to {request.payee}, because of {cause_of(request.cause)}; {request.entity}\n"
        f"        for {who} to decide until {day_and_clock(request.until)}{said}; digest {request.digest[:16]}"
    )


def as_builtins(found: list[Asked]) -> list[dict[str, Any]]:
    return [_request(asked) for asked in found]


def _request(asked: Asked) -> dict[str, Any]:
    request = asked.request
    return {
        "id": request.id,
        "digest": request.digest,
        "entity": request.entity,
        "act": request.name,
        "what": request.what,
        "amount": {"minor": request.amount_minor, "currency": request.currency, "text": str(request.amount)},
        "payee": request.payee,
        "cause": request.cause,
        "role": request.role,
        "people": request.people,
        "approved_by": asked.approved_by,
        "rejected_by": asked.rejected_by,
        "asked_at": request.asked_at,
        "until": request.until,
    }


def decided_as_builtins(given: Decided) -> dict[str, Any]:
    return {
        "request": given.request.id,
        "digest": given.request.digest,
        "verdict": given.verdict,
        "by": given.by,
        "expires_at": given.expires_at,
        "missing": given.missing,
    }


def decided_as_text(given: Decided) -> str:
    said = f"{given.by} has {given.verdict}: {given.request.what}."
    if given.verdict == "rejected":
        return said
    if given.missing:
        return f"{said} It takes {given.missing} more of {given.request.role}."
    return f"{said} That holds until {day_and_clock(given.expires_at)}."
