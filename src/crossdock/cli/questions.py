"""`crossdock ask`: a question to the systems, as the API asks it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from crossdock.canonical.nouns import ANSWERS
from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.deliver.asking import Answered, Asker, Terms, Unanswered
from crossdock.deliver.lines import line_of
from crossdock.govern.settings import Settings
from crossdock.store.database import Database


def answered(noun: str, key: str, terms: Terms) -> Answered:
    """The answer of the system that plays the part; one line and exit code 1 when there is none."""

    async def work(database: Database, told: Settings) -> Answered:
        names = asked_of(noun, told)
        lines = {name: await line_of(database, told.connections[name]) for name in names}
        asker = Asker(database, lines)
        try:
            return await asker.ask(ANSWERS[noun], key, names, terms)
        except Unanswered as error:
            raise Failure(str(error), EXIT_FOUND) from error
        finally:
            await asker.close()
            await asyncio.gather(*(line.close() for line in lines.values()))

    return ask(work)


def asked_of(noun: str, told: Settings) -> Sequence[str]:
    roles = told.policy.roles
    parts = (roles.warehouse, roles.erp) if noun == "availability" else (roles.erp,)
    return [each for each in dict.fromkeys(parts) if each]


def as_builtins(found: Answered) -> dict[str, Any]:
    told = {"source": found.source, "at": found.at, "age_seconds": found.age_seconds, "given_by": found.given_by}
    return {"answer": msgspec.to_builtins(found.body), **told}


def as_text(found: Answered) -> str:
    body = "knows no such thing" if found.body is None else msgspec.json.encode(found.body).decode()
    return f"{found.source}: {body}\n{found.age_seconds:.1f} s old, by {found.given_by}"
