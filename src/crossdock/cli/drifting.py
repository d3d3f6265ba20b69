"""The verbs by which people compare what systems hold with what the hub knows."""

from __future__ import annotations

import sys

import click

from crossdock.cli.app import EXIT_FOUND, EXIT_OK, by_option, deciding_person, json_option, moment, tell
from crossdock.cli.contracting import app

__all__ = ["app"]

_LIMIT = 1000


@app.command()
@click.argument("connection")
@click.argument("kind", required=False)
@click.option("--full", is_flag=True, help="Everything, of all ages; not only what changed since the last time.")
@click.option("--repairs-max", type=click.IntRange(min=0), help="So much may be put right after this pass.")
@click.option("--gone-max", type=click.IntRange(min=0), help="So much may be gone in this pass.")
@json_option
def sweep(
    connection: str, kind: str | None, full: bool, repairs_max: int | None, gone_max: int | None, wants_json: bool
) -> None:
    """Compare what CONNECTION lists, all of it or one KIND, with what is held, now. Differences go into the inbox.

    Exit code 1 when a list can't be taken for complete, or the connection is stopped.
    """
    from crossdock.cli import sweeping

    found = sweeping.swept(connection, kind, full=full, limits=sweeping.Limits(repairs_max, gone_max))
    tell(wants_json, sweeping.as_builtins(found), sweeping.as_text(found))
    fine = bool(found) and all(each.verdict == "complete" for each in found)
    sys.exit(EXIT_OK if fine else EXIT_FOUND)


@app.command()
@click.argument("connection")
@click.option("--since", metavar="TIME", required=True, help="What it was set back to (ISO 8601).")
@by_option
@json_option
def recheck(connection: str, since: str, by: str | None, wants_json: bool) -> None:
    """CONNECTION was set back to an earlier state: look there for all that it confirmed to have done since, now.

    What is not there is a case, and is never done again by itself; what it was told to hold it is told again. Exit code 1 when
    anything is missing, or can't be looked for.
    """
    from crossdock.cli import rechecking

    found = rechecking.rechecked(connection, moment(since, "--since", ""), deciding_person(by))
    tell(wants_json, rechecking.as_builtins(found), rechecking.as_text(connection, found))
    sys.exit(EXIT_FOUND if found.missing or +found.unsearchable or found.too_young else EXIT_OK)


@app.command()
@click.option("--since", metavar="TIME", help="Only what was found from this time on (ISO 8601).")
@click.option("--connection", metavar="NAME", help="Only what this connection held otherwise.")
@click.option("--limit", default=_LIMIT, show_default=True, type=click.IntRange(min=1), help="The latest so many.")
@json_option
def drift(since: str | None, connection: str | None, limit: int, wants_json: bool) -> None:
    """What systems held and the hub did not: why, for how long, how much money, and what put it right."""
    from crossdock.cli import apart

    found = apart.found(moment(since, "--since", "0001-01-01T00:00Z"), connection, limit)
    tell(wants_json, apart.as_builtins(found), apart.as_text(found))
