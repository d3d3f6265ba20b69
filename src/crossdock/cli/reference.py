"""Every command and its options, as a page: `python -m crossdock.cli.reference --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from crossdock.cli.operating import app
from crossdock.govern.generated import write_or_check

PAGE = Path("docs/reference/cli.md")

_HEAD = """\
# The `crossdock` command

Generated from the command itself by `python -m crossdock.cli.reference --write`; don't edit it.
`crossdock COMMAND --help` says the same in a terminal.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *_command(app, "crossdock", None)]).rstrip() + "\n"


def _command(command: click.Command, name: str, above: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=above)
    yield f"## `{context.command_path}`"
    yield ""
    yield f"    {' '.join([context.command_path, *command.collect_usage_pieces(context)])}"
    yield ""
    yield from _told(command)
    yield from _options(command, context)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            under = command.get_command(context, each)
            if under is not None and not under.hidden:
                yield from _command(under, each, context)


def _told(command: click.Command) -> Iterator[str]:
    r"""The command's own text; what click keeps as it is (after `\b`) is kept here too."""
    for paragraph in (command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            yield f"```\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        else:
            yield " ".join(paragraph.split())
        yield ""


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    records = [record for each in options if (record := each.get_help_record(context))]
    if not records:
        return
    yield "| option | |"
    yield "| --- | --- |"
    for option, told in records:
        yield f"| `{option.replace('|', chr(92) + '|')}` | {' '.join(told.split()).replace('|', chr(92) + '|')} |"
    yield ""


def main() -> int:
    return write_or_check("crossdock.cli.reference", PAGE, page)


if __name__ == "__main__":
    sys.exit(main())
