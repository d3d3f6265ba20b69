"""The verbs about those outside: who is told what happens, what is asked of them, and what is to go. Completes the command."""

from __future__ import annotations

import click

from crossdock.cli.admission import app
from crossdock.cli.app import by_option, deciding_person, json_option, tell

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
    tell(wants_json, subscribers.as_builtins(found), subscribers.as_text(found))


@subscription.command("resume")
@click.argument("id_", metavar="ID")
@by_option
@json_option
def subscription_resume(id_: str, by: str | None, wants_json: bool) -> None:
    """Let a disabled or paused subscription go on where it stood, and close its cases."""
    from crossdock.cli import subscribers

    waiting = subscribers.resumed(deciding_person(by), id_)
    tell(wants_json, {"resumed": id_, "waiting": waiting}, f"{id_} goes on; {waiting} events wait.")


@app.command("deprecated")
@json_option
def deprecated_(wants_json: bool) -> None:
    """Which operations of the API are to go, and who still asks for them."""
    from crossdock.cli import retiring

    found = retiring.retiring()
    tell(wants_json, retiring.as_builtins(found), retiring.as_text(found))


@app.command("ask")
@click.argument("what", type=click.Choice(["availability", "price"]))
@click.argument("sku")
@click.option("--max-age", default=0, show_default=True, metavar="SECONDS", help="How old an answer may be.")
@click.option("--deadline", default=5.0, show_default=True, metavar="SECONDS", help="How long to wait.")
@json_option
def ask_(what: str, sku: str, max_age: int, deadline: float, wants_json: bool) -> None:
    """Ask the warehouse or the ERP what is there of SKU, or what it costs; the answer says how old it is."""
    from crossdock.cli import questions
    from crossdock.deliver.asking import Terms

    found = questions.answered(what, sku, Terms(max_age, deadline, last_known=True))
    tell(wants_json, questions.as_builtins(found), questions.as_text(found))
