"""The verbs of whoever runs the hub: keys of what is sealed, and a bundle for those who help. Completes the command."""

from __future__ import annotations

import click

from crossdock.cli.app import by_option, deciding_person, json_option, tell
from crossdock.cli.partnering import app

__all__ = ["app"]


@app.group()
def secrets() -> None:
    """Secrets that the database keeps, sealed by `hub.sealing_keys`."""


@secrets.command("list")
@json_option
def secrets_list(wants_json: bool) -> None:
    """What is sealed, and whether the first key seals it; never the secrets."""
    from crossdock.cli import unsealing

    found = unsealing.kept()
    tell(wants_json, [each._asdict() for each in found], unsealing.as_text(found))


@secrets.command("rotate")
@click.option("--signing", is_flag=True, help="Also have another secret sign the API's tokens from the next start on.")
@by_option
@json_option
def secrets_rotate(signing: bool, by: str | None, wants_json: bool) -> None:
    """Have the first of `hub.sealing_keys` seal everything; after that the others can go."""
    from crossdock.cli import unsealing

    count = unsealing.rotated(deciding_person(by), signing=signing)
    said = f"{count} sealed anew." + (" Restart the hub's processes: another secret signs then." if signing else "")
    tell(wants_json, {"sealed_anew": count, "signing": signing}, said)


@app.command("support-bundle")
@click.option(
    "--out",
    "file",
    metavar="FILE",
    default="crossdock-support.zip",
    show_default=True,
    help="A file that is not there yet.",
)
@json_option
def support_bundle(file: str, wants_json: bool) -> None:
    """Write one file for whoever helps you: settings without secrets, counts, versions, statistics, recent faults.

    Nobody's personal data is in it; look for yourself before you send it: it is a zip of JSON.
    """
    from pathlib import Path

    from crossdock.cli import bundling
    from crossdock.cli.app import Failure

    if Path(file).exists():
        raise Failure(f"{file} is there already; name another with --out")
    names = bundling.bundled(Path(file))
    tell(wants_json, {"file": file, "parts": names}, f"{file} holds {', '.join(names)}.")
