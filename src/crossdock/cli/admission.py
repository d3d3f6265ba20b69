"""The verbs of who may: consumers with their keys, and people with their roles. Completes the command."""

from __future__ import annotations

import click

from crossdock.cli.app import by_option, deciding_person, json_option, tell
from crossdock.cli.drifting import app

__all__ = ["app"]


@app.group()
def consumer() -> None:
    """Systems that use the API: their owners, scopes, quotas and keys."""


@consumer.command("add")
@click.argument("name")
@click.option("--owner", required=True, metavar="WHO", help="The person or team that answers for it.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, metavar="SCOPE", help="What it may do; may be repeated."
)
@click.option("--tenant", default="main", show_default=True, metavar="NAME", help="Whose orders it sees.")
@click.option(
    "--connection", default="", metavar="NAME", help="Only the orders of this channel, which it may submit to."
)
@click.option("--per-minute", default=600, show_default=True, type=click.IntRange(1, 1_000_000), help="Its quota.")
@by_option
@json_option
def consumer_add(
    name: str,
    owner: str,
    scopes: tuple[str, ...],
    tenant: str,
    connection: str,
    per_minute: int,
    by: str | None,
    wants_json: bool,
) -> None:
    """Add a consumer and show its first key, once; or change the owner, scopes and quota of one that is there."""
    from crossdock.cli import admitting
    from crossdock.store.callers import Consumer

    wanted = Consumer(name, owner.strip(), tenant, connection, sorted(set(scopes)), per_minute)
    made = admitting.registered(deciding_person(by), lambda registrar: admitting.added(registrar, wanted))
    said = f"{name} may: {' '.join(wanted.scopes)}." + (f"\n{_shown_once(made.whole)}" if made else "")
    tell(wants_json, {"consumer": name, "key": made.whole if made else None}, said)


@consumer.command("key")
@click.argument("name")
@by_option
@json_option
def consumer_key(name: str, by: str | None, wants_json: bool) -> None:
    """Make a second key and show it, once; both are live until one is revoked."""
    from crossdock.cli import admitting

    made = admitting.registered(deciding_person(by), lambda registrar: registrar.add_key(name))
    tell(wants_json, {"consumer": name, "key": made.whole}, _shown_once(made.whole))


def _shown_once(key: str) -> str:
    return f"{key}\nIt is not shown again; the hub keeps only its hash."


@consumer.command("revoke")
@click.argument("name")
@click.argument("prefix", required=False)
@click.option("--all", "all_", is_flag=True, help="End the consumer and all its keys, for good.")
@by_option
@json_option
def consumer_revoke(name: str, prefix: str | None, all_: bool, by: str | None, wants_json: bool) -> None:
    """Have the key PREFIX of a consumer open nothing any more, at once; tokens it was traded for neither."""
    from crossdock.cli import admitting
    from crossdock.cli.app import Failure

    if all_ is (prefix is not None):
        raise Failure("say either the PREFIX of a key or --all")
    if prefix is None:
        admitting.registered(deciding_person(by), lambda registrar: registrar.end(name))
        tell(wants_json, {"ended": name}, f"{name} and all its keys are ended.")
        return
    bare = prefix.removeprefix("cdk_").partition("_")[0]
    admitting.registered(deciding_person(by), lambda registrar: registrar.end_key(name, bare))
    tell(wants_json, {"revoked": bare}, f"Key {bare} of {name} is revoked.")


@consumer.command("list")
@json_option
def consumer_list(wants_json: bool) -> None:
    """Every consumer, its keys, and when each was used last."""
    from crossdock.cli import admitting

    found = admitting.listed()
    tell(wants_json, admitting.consumers_as_builtins(found), admitting.consumers_as_text(found))


@app.group()
def person() -> None:
    """People who sign in: their roles and passwords."""


@person.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, metavar="ROLE", help="viewer, operator, finance, engineer or admin; may be repeated.")  # noqa: E501 # fmt: skip
@click.option("--tenant", "tenants", multiple=True, metavar="NAME", help="Only this tenant's orders; may be repeated.")
@click.option("--keep-password", is_flag=True, help="Change roles and tenants only.")
@click.option("--password", envvar="CROSSDOCK_NEW_PASSWORD", hidden=True)
@by_option
@json_option
def person_add(
    name: str,
    roles: tuple[str, ...],
    tenants: tuple[str, ...],
    keep_password: bool,
    password: str | None,
    by: str | None,
    wants_json: bool,
) -> None:
    """Add somebody, or change somebody; asks for the password, or takes it from CROSSDOCK_NEW_PASSWORD."""
    from crossdock.cli import admitting
    from crossdock.store.callers import Person

    decider = deciding_person(by)
    given = (
        ""
        if keep_password
        else password or click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True)
    )
    wanted = Person(name.strip(), sorted(set(roles)), sorted(set(tenants)), given)
    is_new = admitting.employed(decider, lambda personnel: personnel.set(wanted))
    tell(wants_json, {"person": wanted.name, "new": is_new}, f"{wanted.name} is {' and '.join(wanted.roles)}.")


@person.command("end")
@click.argument("name")
@by_option
@json_option
def person_end(name: str, by: str | None, wants_json: bool) -> None:
    """Somebody can't sign in any more, and their tokens end at once."""
    from crossdock.cli import admitting

    admitting.employed(deciding_person(by), lambda personnel: personnel.end(name))
    tell(wants_json, {"ended": name}, f"{name} can't sign in any more.")


@person.command("list")
@json_option
def person_list(wants_json: bool) -> None:
    """Everybody who signs in, with roles and tenants."""
    from crossdock.cli import admitting

    found = admitting.people()
    tell(wants_json, admitting.people_as_builtins(found), admitting.people_as_text(found))
