"""The verbs about contracts: registered, compared, shown, watched and planned; and the changes that take two people."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from crossdock.cli.app import EXIT_FOUND, EXIT_OK, by_option, deciding_person, json_option, tell
from crossdock.cli.governing import app, policy

__all__ = ["app"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_LEVELS = click.Choice(
    ["none", "backward", "forward", "full", "backward_transitive", "forward_transitive", "full_transitive"]
)


@app.group()
def contracts() -> None:
    """What systems send and read: the hub's own contracts and those of partners, in versions."""


@contracts.command("check")
@click.argument("name", required=False)
@click.argument("file", required=False, type=_FILE)
@click.option("--against", type=_FILE, help="Compare FILE with this file instead; both schemas or API descriptions.")
@click.option(
    "--level", type=_LEVELS, default=None, help="The compatibility to keep (default: the contract's, else full)."
)
@click.option(
    "--strict", is_flag=True, help="Take open objects at their word, as Confluent's registry does by default."
)
@click.option("--root", type=_FOLDER, default="contracts", show_default=True, help="The hub's own contracts.")
@json_option
def contracts_check(
    name: str | None,
    file: Path | None,
    against: Path | None,
    level: str | None,
    strict: bool,
    root: Path,
    wants_json: bool,
) -> None:
    """Say whether readers and writers of earlier versions can go on. Exit code 1 when they can't, with every reason.

    \b
    crossdock contracts check                          the hub's own contracts against their registered versions
    crossdock contracts check market/order order.json  a file as the next version of a partner's contract
    crossdock contracts check new.json --against old.json    two files
    """
    from crossdock.cli import registering

    if against is not None:
        found = registering.compared(file or Path(name or ""), against, level, strict=strict)
    elif name is None:
        found = registering.own_broken(root)
    else:
        found = registering.next_broken(name, file, level, strict=strict)
    tell(wants_json, {"compatible": not found, "broken": found}, registering.broken_as_text(found))
    sys.exit(EXIT_FOUND if found else EXIT_OK)


@contracts.command("release")
@click.option("--root", type=_FOLDER, default="contracts", show_default=True, help="The contracts to register.")
@click.option(
    "--sunset", "sunsets", multiple=True, metavar="MAJOR=DAY", help="Until when an earlier major version is served."
)
@json_option
def contracts_release(root: Path, sunsets: tuple[str, ...], wants_json: bool) -> None:
    """Register the hub's own contracts under the version of the API's description; part of making a release.

    What takes something back needs a new major version, and a --sunset of the one before, at least 90 days ahead.
    """
    from crossdock.cli import registering

    file = registering.released(root, sunsets)
    tell(wants_json, {"registered": str(file)}, f"Registered: {file}")


@contracts.command("register")
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--owner", required=True, metavar="WHO", help="The person or team that answers for it.")
@click.option("--level", type=_LEVELS, default="full", show_default=True, help="The compatibility its versions keep.")
@click.option(
    "--strict", is_flag=True, help="Take open objects at their word, as Confluent's registry does by default."
)
@click.option("--example", type=_FILE, help="Something that fits it.")
@click.option("--consumer", "consumers", multiple=True, metavar="NAME", help="Who reads or sends it; may be repeated.")
@click.option("--connection", default="", metavar="NAME", help="Whose messages it is about: they are held against it.")
@click.option("--topic", default="", metavar="TOPIC", help="Which of them.")
@click.option("--why", default="", metavar="TEXT", help="Why; shown to whoever has to allow it.")
@by_option
@json_option
def contracts_register(name: str, file: Path, by: str | None, wants_json: bool, **told: Any) -> None:
    """Register FILE, a JSON Schema, as the next version of the partner's contract NAME, such as market/order.

    It is refused when earlier readers or writers could not go on; somebody else has to say yes: crossdock changes approve.
    """
    from crossdock.cli import changing, registering

    waits = registering.registered(deciding_person(by), name, file, **told)
    said = f"{name} is registered." if waits is None else f"{name} fits; {changing.waiting(waits)}"
    tell(wants_json, {"contract": name, "waits": waits}, said)


@contracts.command("list")
@json_option
def contracts_list(wants_json: bool) -> None:
    """Every contract: its version, owner, level and consumers."""
    from crossdock.cli import registering

    found = registering.listed()
    tell(wants_json, found, registering.listed_as_text(found))


@contracts.command("show")
@click.argument("name")
@click.option("--version", default=None, metavar="VERSION", help="Which version (default: the latest).")
@json_option
def contracts_show(name: str, version: str | None, wants_json: bool) -> None:
    """A contract's schema and example, and who registered which version when."""
    from crossdock.cli import registering

    found = registering.shown(name, version)
    tell(wants_json, found, registering.shown_as_text(found))


@contracts.command("traffic")
@click.option("--whose", default="", metavar="NAME", help="Only of this consumer or connection.")
@json_option
def contracts_traffic(whose: str, wants_json: bool) -> None:
    """Fields that came in and no contract knows, and fields that a contract wants and were missing: by name, of samples."""
    from crossdock.cli import registering

    found = registering.traffic_of(whose)
    tell(wants_json, found, registering.traffic_as_text(found))


@contracts.command("plan")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("contract")
@click.argument("says")
@click.option("--sunset", is_flag=True, help="It is the last day of something, not a change.")
@by_option
@json_option
def contracts_plan(day: datetime, contract: str, says: str, sunset: bool, by: str | None, wants_json: bool) -> None:
    """Put what will change on DAY into the release calendar, for those who depend on CONTRACT."""
    from crossdock.cli import registering

    id_ = registering.planned(deciding_person(by), day.date(), "sunset" if sunset else "change", contract, says)
    tell(wants_json, {"planned": id_}, f"Planned as {id_}; crossdock contracts call-off {id_} takes it back.")


@contracts.command("call-off")
@click.argument("planned", type=int)
@by_option
@json_option
def contracts_call_off(planned: int, by: str | None, wants_json: bool) -> None:
    """Take something planned out of the calendar."""
    from crossdock.cli import registering

    registering.called_off(deciding_person(by), planned)
    tell(wants_json, {"called_off": planned}, f"{planned} is called off.")


@contracts.command("calendar")
@json_option
def contracts_calendar(wants_json: bool) -> None:
    """What changes when: planned changes, sunsets, and terms that begin; from a month ago on."""
    from crossdock.cli import registering

    found = registering.calendar()
    tell(wants_json, registering.calendar_as_builtins(found), registering.calendar_as_text(found))


@policy.command("propose")
@click.option("--settings", "other", required=True, metavar="FILE", help="The settings with the other [policy].")
@click.option("--why", default="", metavar="TEXT", help="Why; shown to whoever has to allow it.")
@click.option("--limit", default=10_000, show_default=True, type=click.IntRange(min=1), help="Entities of the dry run.")
@by_option
@json_option
def policy_propose(other: str, why: str, limit: int, by: str | None, wants_json: bool) -> None:
    """Ask for another policy, with what it would change. Somebody else says yes, and then processes start under it.

    It binds where `governance.two_people` of the settings names "policies".
    """
    from crossdock.cli import changing, proposing

    waits, found = proposing.proposed(other, why, limit, deciding_person(by))
    tell(wants_json, {"waits": waits, **found}, f"{found['differences']} differences; {changing.waiting(waits)}")


@app.group()
def changes() -> None:
    """Changes that take two people: contracts, other names for what has one, policies."""


@changes.command("list")
@json_option
def changes_list(wants_json: bool) -> None:
    """What waits for a second person: what, by whom, why, and until when."""
    from crossdock.cli import changing

    found = changing.listed()
    tell(wants_json, changing.as_builtins(found), changing.as_text(found))


@changes.command("approve")
@click.argument("request", type=int)
@click.option("--note", default="", metavar="TEXT", help="Kept with the decision.")
@by_option
@json_option
def changes_approve(request: int, note: str, by: str | None, wants_json: bool) -> None:
    """Say yes to what somebody else asked for; it is done at once."""
    from crossdock.cli import changing

    done = changing.changed(deciding_person(by), lambda change: change.approve(request, note))
    tell(wants_json, {"released": done.released}, f"Request {request} is done; {done.released} promises released.")


@changes.command("reject")
@click.argument("request", type=int)
@click.option("--note", default="", metavar="TEXT", help="Why; kept with the decision.")
@by_option
@json_option
def changes_reject(request: int, note: str, by: str | None, wants_json: bool) -> None:
    """Say no to a request; whoever asked takes it back so."""
    from crossdock.cli import changing

    changing.changed(deciding_person(by), lambda change: change.reject(request, note))
    tell(wants_json, {"rejected": request}, f"Request {request} is rejected.")
