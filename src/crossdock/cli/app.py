"""The `crossdock` command: every verb people use, each with `--json`, documented exit codes and errors in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from crossdock.govern.settings import Settings

EXIT_OK = 0
EXIT_FOUND = 1
"""Something is broken or missing: an invariant, a finding, an id nobody knows."""
EXIT_USAGE = 2
"""The command or the settings are wrong; the line says which word or key."""
EXIT_UNREACHABLE = 3
"""The database can't be reached."""


@dataclass(frozen=True)
class Wiring:
    """What the commands can't import, for it lies above them."""

    run: Callable[[Settings, Collection[str]], None]


class Failure(click.ClickException):
    """One line on standard error and an exit code."""

    def __init__(self, message: str, exit_code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # pyright: ignore[reportAttributeAccessIssue]  # click's own way to set it


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config", "config", metavar="FILE", help="The settings (default: CROSSDOCK_CONFIG, else ./crossdock.toml)."
)
@click.version_option(package_name="crossdock", message="%(version)s")
@click.pass_context
def app(context: click.Context, config: str | None) -> None:
    """Keeps a retailer's systems in step.

    Exit codes: 0 fine; 1 something was found broken or is not there; 2 wrong usage or settings; 3 no database.
    """
    context.meta["config"] = config


def settings() -> Settings:
    """The settings, read when a command needs them."""
    from crossdock.govern.settings import read_settings, settings_file
    from crossdock.govern.shaping import BadSettings

    try:
        return read_settings(settings_file(click.get_current_context().meta.get("config")))
    except BadSettings as error:
        raise Failure(str(error)) from error


def as_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, default=str, ensure_ascii=False))


json_option = click.option("--json", "wants_json", is_flag=True, help="Print JSON instead of text.")


@app.command()
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(["door", "settle", "deliver", "sweep", "notify"]),
    help="Only these roles; may be repeated.",
)
@click.pass_obj
def run(wiring: Wiring, roles: tuple[str, ...]) -> None:
    """Run a hub process: all roles, or only some; start as many as you like."""
    from psycopg import OperationalError

    from crossdock.govern.shaping import BadSettings
    from crossdock.govern.watching import SetBack
    from crossdock.store.migrate import MigrationChanged

    try:
        wiring.run(settings(), roles or ("door", "settle", "deliver", "sweep", "notify"))
    except OperationalError as error:
        raise Failure(f"the database can't be reached: {error}".strip(), EXIT_UNREACHABLE) from error
    except (OSError, MigrationChanged, BadSettings) as error:
        raise Failure(str(error)) from error
    except SetBack as error:
        raise Failure(str(error), EXIT_FOUND) from error
    sys.exit(EXIT_OK)


@app.command()
@click.argument("name", metavar="ID")
@json_option
def trace(name: str, wants_json: bool) -> None:
    """Where one order or customer stands and how it got there; ID is any name any system knows it by."""
    from crossdock.cli import tracing

    found = tracing.traced(name)
    if found is None:
        raise Failure(f"nobody knows {name}; try the order's number or its id in any system", EXIT_FOUND)
    tell(wants_json, tracing.as_builtins(found), tracing.as_text(found))


@app.command()
@click.argument("name", metavar="ID")
@json_option
def books(name: str, wants_json: bool) -> None:
    """The books of one order: what should be billed and is, what is owed back and was paid, and every posting.

    Exit code 1 when it is at rest and something is unexplained.
    """
    from crossdock.cli import bookkeeping

    found = bookkeeping.booked(name)
    if not found:
        raise Failure(f"nobody knows an order {name}; try its number or its id in any system", EXIT_FOUND)
    tell(wants_json, bookkeeping.as_builtins(found), bookkeeping.as_text(found))
    sys.exit(EXIT_FOUND if any(each.wrong for each in found) else EXIT_OK)


@app.command()
@click.option("--books", "with_books", is_flag=True, help="Also add up the money of every order at rest (Q1 to Q3).")
@json_option
def check(with_books: bool, wants_json: bool) -> None:
    """Count everything: the two sums and the invariants. Exit code 1 when one is broken."""
    from crossdock.cli import checking

    found = checking.checked(with_books=with_books)
    tell(wants_json, checking.as_builtins(found), checking.as_text(found))
    sys.exit(EXIT_OK if found.holds else EXIT_FOUND)


@app.command()
@json_option
def doctor(wants_json: bool) -> None:
    """Look for what would lose data or stop work; every finding has a remedy. Exit code 1 when something is bad."""
    from msgspec import to_builtins

    from crossdock.cli import doctor as doctors

    found = doctors.examined()
    tell(wants_json, to_builtins(found), doctors.as_text(found))
    sys.exit(EXIT_FOUND if any(finding.bad for finding in found) else EXIT_OK)


@app.command()
@click.option("--since", metavar="TIME", help="From this time on (ISO 8601; default: the beginning).")
@click.option("--until", metavar="TIME", help="Up to this time (default: now).")
@click.option("--connection", metavar="NAME", help="Only what came from this connection.")
@click.option("--entity", metavar="KEY", help="Only what spoke of this entity, such as order:shop:1001.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which promises would differ.")
@json_option
def replay(
    since: str | None, until: str | None, connection: str | None, entity: str | None, dry_run: bool, wants_json: bool
) -> None:
    """Take a part of the inbox once more; settled traffic opens nothing. A running hub does the work."""
    from crossdock.cli import replaying
    from crossdock.store.inbox import Part

    part = Part(moment(since, "--since", "0001-01-01T00:00Z"), moment(until, "--until", None), connection, entity)
    if dry_run:
        found = replaying.rehearsed(part)
        if wants_json:
            as_json(replaying.as_builtins(found))
        else:
            click.echo(replaying.as_text(found))
        return
    count = replaying.put_back(part)
    tell(wants_json, {"put_back": count}, f"{count} messages are pending again; a running hub takes them from here.")


def moment(text: str | None, option: str, default: str | None) -> Any:
    """A time as people write it; without an offset, by this machine's clock."""
    from datetime import UTC, datetime

    wanted = text or default
    if wanted is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(wanted)
        return found if found.tzinfo else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise Failure(f"{option}: {wanted!r} is no time; write for instance 2026-11-22T14:00+01:00") from error


@app.group()
def config() -> None:
    """The settings."""


@config.command("show")
@json_option
def config_show(wants_json: bool) -> None:
    """The settings as the hub reads them, defaults included, secrets hidden."""
    from crossdock.govern.settings import shown

    told = shown(settings())
    tell(wants_json, told, json.dumps(told, indent=2, default=str))


@app.command("cases")
@json_option
def cases_(wants_json: bool) -> None:
    """The open cases: what needs a person, since when, and what to do."""
    from crossdock.cli import deciding

    found = deciding.open_cases()
    tell(wants_json, deciding.as_builtins(found), deciding.as_text(found))


by_option = click.option("--by", envvar="CROSSDOCK_USER", default=None, help="Who decides (default: the system user).")


def deciding_person(by: str | None) -> str:
    """Whose decision it is; who signs in proves it, with `CROSSDOCK_PASSWORD` or when asked."""
    from getpass import getuser
    from os import environ

    from crossdock.cli import admitting

    name = by or getuser()
    if not admitting.has_password(name):
        return name
    return admitting.proven(
        name, environ.get("CROSSDOCK_PASSWORD") or click.prompt(f"Password of {name}", hide_input=True)
    )


@app.command("map")
@click.argument("connection")
@click.argument("kind")
@click.argument("key")
@click.argument("value")
@click.option("--why", default="", metavar="TEXT", help="Why; shown to whoever has to allow it.")
@by_option
@json_option
def map_(connection: str, kind: str, key: str, value: str, why: str, by: str | None, wants_json: bool) -> None:
    """Say what KEY (a product, location or tax) is called at CONNECTION; releases everything it blocked.

    What has a name there already gets another one only when somebody else says yes, too: crossdock changes approve.
    """
    from crossdock.cli import changing

    if connection not in settings().connections:
        raise Failure(
            f"there is no connection {connection}; connections are {', '.join(sorted(settings().connections))}"
        )
    done = changing.changed(deciding_person(by), lambda change: change.map(connection, kind, key, value, why))
    if done.waits is not None:
        said = f"{kind} {key} has another name at {connection} already; {changing.waiting(done.waits)}"
        tell(wants_json, {"released": 0, "waits": done.waits}, said)
        return
    said = f"{connection} calls {kind} {key} {value}; {_counted(done.released)} released."
    tell(wants_json, {"released": done.released}, said)


@app.command()
@click.argument("connection")
@click.argument("kind")
@click.argument("id_", metavar="ID")
@click.argument("entity")
@by_option
@json_option
def bind(connection: str, kind: str, id_: str, entity: str, by: str | None, wants_json: bool) -> None:
    """Say that ENTITY (an order's key, number or any name) is what CONNECTION's document KIND ID belongs to."""
    from crossdock.cli import deciding

    bound = deciding.decided(deciding_person(by), lambda decider: decider.bind(connection, kind, id_, entity))
    tell(wants_json, {"bound": bound}, f"{kind} {id_} of {connection} belongs to {bound}.")


@app.command()
@click.argument("case", type=int)
@by_option
@json_option
def retry(case: int, by: str | None, wants_json: bool) -> None:
    """Try everything in a case again; have messages that could not be read, read once more."""
    from crossdock.cli import deciding

    what, count = deciding.decided(deciding_person(by), lambda decider: decider.retry(case))
    how = "tried again" if what == "promise" else "read once more"
    tell(wants_json, {"tried_again": count}, f"{_counted(count, what)} to be {how}.")


@app.command()
@click.argument("case", type=int)
@click.option("--happened", metavar="ID", help="It did happen; ID is what the target calls it.")
@click.option("--did-not-happen", is_flag=True, help="It did not; it is sent again.")
@click.option("--promise", type=int, help="Which act, when the case has several.")
@by_option
@json_option
def resolve(
    case: int, happened: str | None, did_not_happen: bool, promise: int | None, by: str | None, wants_json: bool
) -> None:
    """Say whether an act that may have happened did."""
    from crossdock.cli import deciding

    if (happened is None) is not did_not_happen:
        raise Failure("say either --happened ID or --did-not-happen")
    if happened is not None:
        slot = deciding.decided(deciding_person(by), lambda decider: decider.happened(case, happened, promise))
    else:
        slot = deciding.decided(deciding_person(by), lambda decider: decider.did_not_happen(case, promise))
    tell(wants_json, {"resolved": slot}, f"{slot} is resolved.")


@app.command()
@click.argument("connection")
@by_option
@json_option
def release(connection: str, by: str | None, wants_json: bool) -> None:
    """Let a stopped lane go on, once its credentials or rights are renewed."""
    from crossdock.cli import deciding

    was_stopped = deciding.decided(deciding_person(by), lambda decider: decider.release(connection))
    said = f"{connection} goes on." if was_stopped else f"{connection} was not stopped."
    tell(wants_json, {"was_stopped": was_stopped}, said)


@app.command()
@click.argument("connection")
@by_option
@json_option
def epoch(connection: str, by: str | None, wants_json: bool) -> None:
    """Accept the state a source was set back to: what it says from now on counts, however old it looks."""
    from crossdock.cli import deciding

    opened = deciding.decided(deciding_person(by), lambda decider: decider.open_epoch(connection))
    said = f"{connection} is in epoch {opened} now. Next: crossdock sweep {connection} --full"
    tell(wants_json, {"epoch": opened}, f"{said}; and what was done there: crossdock recheck {connection} --since TIME")


def _counted(count: int, what: str = "promise") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def tell(wants_json: bool, value: object, text: str) -> None:
    """Print the outcome, for a machine or a person."""
    if wants_json:
        as_json(value)
    else:
        click.echo(text)


@app.command()
@click.option("--once", is_flag=True, help="Play it, compare all books, print one JSON line, and stop.")
@click.option(
    "--folder", metavar="DIR", default=None, help="Where its settings and data go (default: .crossdock/demo)."
)
@json_option
def demo(once: bool, folder: str | None, wants_json: bool) -> None:
    """Play a story on a retailer to practise on: a shop, a warehouse, a mail server and a real ERP."""
    from pathlib import Path

    from crossdock.cli import demo as demos

    agree = demos.play(Path(folder or demos.FOLDER), once=once, wants_json=wants_json)
    sys.exit(EXIT_OK if agree else EXIT_FOUND)
