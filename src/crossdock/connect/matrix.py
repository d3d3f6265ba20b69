"""What every built-in connector can do, as a page: `python -m crossdock.connect.matrix --write` (or `--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from crossdock.canonical.nouns import NAMES
from crossdock.connect.connector import Capability, Connector
from crossdock.connect.effects import Blind, Effect, Keyed, Searchable
from crossdock.connect.loading import built_in, load

PAGE = Path("docs/reference/connectors.md")

_HEAD = """\
# What the connectors can do

Generated from their declarations by `python -m crossdock.connect.matrix --write`; don't edit it.

- **act**: cause this effect once. **state**: make the target equal this; doing it twice does no harm.
- **effect**: what the target offers to make an act happen once. *Keyed*: it keeps our key, so the act is sent again with the
  same key. *Searchable*: it can be searched by our reference, so the hub waits, looks, and sends only if the act is absent.
  *Blind*: neither, so an unknown outcome is a person's to decide.
- **at once**: how many go in one call. **asks**: the hub can ask what became of an act that was only accepted.
"""


def page() -> str:
    """The whole page, in Markdown."""
    connectors = [load(name).connector for name in built_in()]
    return "\n".join([_HEAD, *(line for connector in connectors for line in _section(connector))])


ACTS = ("verb", "noun", "effect", "at once", "found again", "asks")
READS = ("reads", "one by id", "changes since a cursor", "all of it", "counts")


def acts_of(connector: Connector[Any]) -> list[Sequence[str]]:
    """What it does, a row for each noun, in the columns of `ACTS`."""
    return [_capability(connector, capability) for capability in _sorted(connector)]


def reads_of(connector: Connector[Any]) -> list[Sequence[str]]:
    """What can be read of it, a row for each kind, in the columns of `READS`."""
    return [
        (kind, _yes(reads.read), _yes(reads.list), _yes(reads.whole), _yes(reads.count))
        for kind, reads in sorted(connector.reads.items())
    ]


def _section(connector: Connector[Any]) -> Iterator[str]:
    yield f"## {connector.name}"
    yield ""
    if connector.capabilities:
        rows = [(verb, f"`{noun}`", *more) for verb, noun, *more in acts_of(connector)]
        yield from _table(ACTS, rows)
    if connector.reads:
        yield from _table(READS, [(f"`{kind}`", *more) for kind, *more in reads_of(connector)])
    if connector.asks:
        yield f"Answers at once: {', '.join(f'`{NAMES[noun]}`' for noun in sorted(connector.asks, key=NAMES.__getitem__))}."
    yield f"Webhooks: {'checked by signature' if connector.door else 'none'}."
    yield f"Topics: {', '.join(f'`{topic}`' for topic in sorted(connector.topics)) or 'none'}."
    yield ""


def _capability(connector: Connector[Any], capability: Capability) -> Sequence[str]:
    noun = capability.noun
    effects = ", then ".join(map(_effect, capability.effects)) or "repeatable"
    found, asked = _yes(connector.finders.get(noun)), _yes(connector.inquiries.get(noun))
    return (capability.verb, NAMES.get(noun, noun.__name__), effects, str(capability.bulk), found, asked)


def _sorted(connector: Connector[Any]) -> list[Capability]:
    return sorted(connector.capabilities.values(), key=lambda each: (each.verb, NAMES.get(each.noun, "")))


def _effect(effect: Effect) -> str:
    match effect:
        case Keyed():
            return "Keyed for ever" if effect.window is None else f"Keyed for {_spelt(effect.window)}"
        case Searchable():
            return f"Searchable by {effect.by} (quiet for {_spelt(effect.quiet_period)})"
        case Blind():
            return "Blind"


def _spelt(span: timedelta) -> str:
    seconds = span.total_seconds()
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds / length:g} {name}"
    return f"{seconds:g} seconds"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""


def _yes(given: object) -> str:
    return "yes" if given else "–"


def main() -> int:
    """Write the page, or tell that it has drifted: exit code 1 then."""
    parser = argparse.ArgumentParser(description="The connectors' capability matrix, from their declarations.")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--write", action="store_true", help="write the page")
    either.add_argument("--check", action="store_true", help="exit 1 when the page differs from the declarations")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page's file (default: %(default)s)")
    given = parser.parse_args()
    if given.write:
        given.page.write_text(page(), encoding="utf-8")
        return 0
    if given.page.exists() and given.page.read_text(encoding="utf-8") == page():
        return 0
    print(f"{given.page} has drifted; run `python -m crossdock.connect.matrix --write`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
