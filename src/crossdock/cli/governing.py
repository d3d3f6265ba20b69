"""The verbs of people who allow and change what the hub does: approvals, policies and campaigns. Completes the command."""

from __future__ import annotations

import click

from crossdock.cli.app import app, as_json, by_option, deciding_person, json_option, tell

__all__ = ["app"]


@app.command()
@json_option
def approvals(wants_json: bool) -> None:
    """What waits for somebody's word: what, how much, to whom, why, who may decide, and until when."""
    from crossdock.cli import approving

    found = approving.waiting()
    if wants_json:
        as_json(approving.as_builtins(found))
    else:
        click.echo(approving.as_text(found))


role_option = click.option("--role", metavar="ROLE", help="Decide only what this role of [people] may decide.")
note_option = click.option("--note", default="", metavar="TEXT", help="Why; kept with the decision.")


@app.command()
@click.argument("request", metavar="ID|DIGEST")
@by_option
@role_option
@note_option
@json_option
def approve(request: str, by: str | None, role: str | None, note: str, wants_json: bool) -> None:
    """Allow what a request asks for, as `crossdock approvals` shows it: this amount, this payee, this cause, no other."""
    from crossdock.cli import approving

    decided = approving.decided(request, "approved", deciding_person(by), role, note)
    tell(wants_json, approving.decided_as_builtins(decided), approving.decided_as_text(decided))


@app.command()
@click.argument("request", metavar="ID|DIGEST")
@by_option
@role_option
@note_option
@json_option
def reject(request: str, by: str | None, role: str | None, note: str, wants_json: bool) -> None:
    """Forbid what a request asks for. It stays forbidden until its amount, payee or cause change, or you approve it."""
    from crossdock.cli import approving

    decided = approving.decided(request, "rejected", deciding_person(by), role, note)
    tell(wants_json, approving.decided_as_builtins(decided), approving.decided_as_text(decided))
