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
    from crossdock.govern.settings import BadSettings, read_settings, settings_file

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
    type=click.Choice(["door", "settle", "deliver"]),
    help="Only these roles; may be repeated.",
)
@click.pass_obj
def run(wiring: Wiring, roles: tuple[str, ...]) -> None:
    """Run a hub process: all roles, or only some; start as many as you like."""
    from psycopg import OperationalError

    try:
        wiring.run(settings(), roles or ("door", "settle", "deliver"))
    except OperationalError as error:
        raise Failure(f"the database can't be reached: {error}".strip(), EXIT_UNREACHABLE) from error
    except OSError as error:
        raise Failure(str(error)) from error
    sys.exit(EXIT_OK)
