"""The verbs of people who allow and change what the hub does: approvals, policies, campaigns, and how it goes on after its
database was set back."""

from __future__ import annotations

import sys

import click

from crossdock.cli.app import EXIT_FOUND, EXIT_OK, app, by_option, deciding_person, json_option, moment, tell

__all__ = ["app"]


@app.command()
@json_option
def approvals(wants_json: bool) -> None:
    """What waits for somebody's word: what, how much, to whom, why, who may decide, and until when."""
    from crossdock.cli import approving

    found = approving.waiting()
    tell(wants_json, approving.as_builtins(found), approving.as_text(found))


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


@app.group()
def policy() -> None:
    """What the retailer has decided, and what another decision would change."""


@policy.command("diff")
@click.option("--settings", "other", required=True, metavar="FILE", help="The settings with the other [policy].")
@click.option("--since", metavar="TIME", help="Only what messages from this time on speak of (ISO 8601).")
@click.option("--until", metavar="TIME", help="Up to this time (default: now).")
@click.option("--connection", metavar="NAME", help="Only what messages of this connection speak of.")
@click.option("--entity", metavar="KEY", help="Only this entity, such as order:shop:1001.")
@click.option("--limit", type=click.IntRange(min=1), help="No more entities than this.")
@json_option
def policy_diff(
    other: str,
    since: str | None,
    until: str | None,
    connection: str | None,
    entity: str | None,
    limit: int | None,
    wants_json: bool,
) -> None:
    """Run another policy over past traffic, and show what would differ; nothing is written."""
    from crossdock.cli import comparing
    from crossdock.store.inbox import Part

    part = Part(moment(since, "--since", "0001-01-01T00:00Z"), moment(until, "--until", None), connection, entity)
    whole = since is None and until is None and connection is None
    found = comparing.compared(other, part, whole=whole, limit=limit)
    tell(wants_json, comparing.as_builtins(found), comparing.as_text(found))


@app.group()
def campaign() -> None:
    """What newer rules would do about older facts: withheld, until a person lets it through."""


@campaign.command("propose")
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND", help="Only such promises, e.g. refund; may be repeated."
)
@click.option("--entity", "entities", multiple=True, metavar="KEY", help="Only of this entity; may be repeated.")
@click.option("--since", metavar="TIME", help="Only what was caused from this time on (ISO 8601).")
@by_option
@json_option
def campaign_propose(
    kinds: tuple[str, ...], entities: tuple[str, ...], since: str | None, by: str | None, wants_json: bool
) -> None:
    """List what is withheld, or would be under these settings: a dry run, with the digest to approve it by."""
    from crossdock.cli import campaigning
    from crossdock.settle.campaigning import Part

    began = None if since is None else moment(since, "--since", None)
    found = campaigning.proposed(Part(kinds=kinds, entities=entities, since=began), deciding_person(by))
    tell(wants_json, campaigning.proposed_as_builtins(found), campaigning.proposed_as_text(found))


@campaign.command("approve")
@click.argument("digest")
@click.option("--count-max", required=True, type=click.IntRange(min=1), help="No more acts than this.")
@click.option(
    "--money-max", "amounts", multiple=True, metavar="AMOUNT", help="No more money, e.g. '1000.00 USD'; one a currency."
)
@click.option("--hours", default=24, show_default=True, type=click.IntRange(1, 24 * 90), help="How long it holds.")
@by_option
@json_option
def campaign_approve(
    digest: str, count_max: int, amounts: tuple[str, ...], hours: int, by: str | None, wants_json: bool
) -> None:
    """Let a proposal's acts through, up to the caps. It takes somebody of the role `campaigns` in [people]."""
    from crossdock.cli import campaigning

    id_, found, expires_at = campaigning.approved(digest, deciding_person(by), count_max, amounts, hours)
    value = {"campaign": id_, **campaigning.proposed_as_builtins(found), "expires_at": expires_at}
    tell(wants_json, value, campaigning.approved_as_text(id_, found, expires_at))


@campaign.command("list")
@json_option
def campaign_list(wants_json: bool) -> None:
    """Every campaign: proposed, running, expired or done, and how far it is."""
    from crossdock.cli import campaigning

    found = campaigning.listed()
    tell(wants_json, campaigning.as_builtins(found), campaigning.as_text(found))


@app.command()
@click.argument("connector")
@click.option(
    "--stand-in", metavar="MODULE:NAME", default=None, help="Opens a system with a true ledger to count effects on."
)
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(1, 1000), help="Each in another order.")
@click.option("--seed", default=1, show_default=True, type=int, help="Decides the order of the trials.")
@json_option
def chaos(connector: str, stand_in: str | None, rounds: int, seed: int, wants_json: bool) -> None:
    """Strike a connector with every fault a system can answer with, over real HTTP. Exit code 1 on a violation.

    CONNECTOR is a built-in one's name or package.module:attribute; its examples must lie beside it.
    """
    from crossdock.cli import enduring

    found = enduring.endured(connector, stand_in, rounds, seed)
    tell(wants_json, enduring.as_builtins(found), enduring.as_text(found))
    sys.exit(EXIT_FOUND if found.violations else EXIT_OK)


@app.group("recovery", invoke_without_command=True)
@json_option
@click.pass_context
def recovery(context: click.Context, wants_json: bool) -> None:
    """Where the hub stands after its database was set back to a backup."""
    if context.invoked_subcommand is None:
        from crossdock.cli import recovering

        found = recovering.standing()
        tell(wants_json, recovering.as_builtins(found), recovering.as_text(found))


@recovery.command("begin")
@by_option
@json_option
def recovery_begin(by: str | None, wants_json: bool) -> None:
    """Say that the database was set back, where nothing told the hub: its file was restored with it, or is lost."""
    from crossdock.cli import deciding

    deciding.decided(deciding_person(by), lambda decider: decider.restored())
    tell(
        wants_json,
        {"stopped": True},
        "No act is done before: crossdock recovery go-on. Start the hub's processes anew.",
    )


@recovery.command("go-on")
@click.option(
    "--unswept", is_flag=True, help="Also where lists were not read whole since: they were told again otherwise."
)
@by_option
@json_option
def recovery_go_on(unswept: bool, by: str | None, wants_json: bool) -> None:
    """The sources have told again what was forgotten: acts are done, each looked for first where that can be.

    Refused while a list that can be read whole was not, since the database was set back.
    """
    from crossdock.cli import deciding

    deciding.decided(deciding_person(by), lambda decider: decider.go_on(unswept=unswept))
    tell(wants_json, {"goes_on": True}, "Acts are done again; see: crossdock recovery")


@app.command()
@by_option
@click.option(
    "--view-only", is_flag=True, help="They may look, and decide nothing but what their roles in [people] say."
)
@click.option("--address", metavar="URL", help="Where people reach the hub (default: hub.listen of the settings).")
@json_option
def console(by: str | None, view_only: bool, address: str | None, wants_json: bool) -> None:
    """Print a link into the console for one person (--by). It lets them in once, within half an hour."""
    from crossdock.cli import entering

    link = entering.link_for(deciding_person(by), view_only=view_only, address=address)
    tell(wants_json, {"console": link}, link)


@app.command()
@click.argument("promise", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the decision.")
@by_option
@json_option
def skip(promise: int, reason: str, by: str | None, wants_json: bool) -> None:
    """Have a promise left undone that only tells or shows something; PROMISE is its id, as in trace --json.

    It holds for what is promised now. With other contents it is owed again.
    """
    from crossdock.cli import deciding
    from crossdock.govern.waiving import waive

    slot = deciding.decided(deciding_person(by), lambda decider: waive(decider, promise, reason))
    tell(wants_json, {"skipped": slot}, f"{slot} is left undone.")
