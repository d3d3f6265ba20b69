"""The verbs about those outside: who is told what happens, and whether it arrives. Completes the command."""

from __future__ import annotations

import click

from crossdock.cli.admission import app
from crossdock.cli.app import as_json, by_option, deciding_person, json_option, tell

__all__ = ["app"]


@app.group()
def subscription() -> None:
    """Who is told what happens, and whether their receivers take it."""


@subscription.command("list")
@json_option
def subscription_list(wants_json: bool) -> None:
    """Every subscription, its state, and what waits for it."""
    from crossdock.cli import subscribers

    found = subscribers.listed()
    if wants_json:
        as_json(subscribers.as_builtins(found))
    else:
        click.echo(subscribers.as_text(found))


@subscription.command("resume")
@click.argument("id_", metavar="ID")
@by_option
@json_option
def subscription_resume(id_: str, by: str | None, wants_json: bool) -> None:
    """Let a disabled or paused subscription go on where it stood, and close its cases."""
    from crossdock.cli import subscribers

    waiting = subscribers.resumed(deciding_person(by), id_)
    tell(wants_json, {"resumed": id_, "waiting": waiting}, f"{id_} goes on; {waiting} events wait.")
