"""`docs/reliability.md`, made of the record of finished runs: `python -m tests.chaos.campaign.report --write` (or `--check`)."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossdock.govern.generated import write_or_check
from tests.chaos.campaign.fault import FAULTS
from tests.chaos.campaign.faults import know_all
from tests.chaos.campaign.full import still_to_strike
from tests.chaos.campaign.planting import RECORD as PLANTED
from tests.chaos.campaign.planting import SHOWS, Caught, kept
from tests.chaos.campaign.record import Record, summed
from tests.chaos.campaign.running import REST_SECONDS_MAX, Result
from tests.chaos.plants import PLANTS

_SAID_MAX = 240
PAGE = Path("docs/reliability.md")
RECORD = Path("docs/reliability.jsonl")
_WHAT = """\
# What holds under faults, and how far that is proven

<!-- Written by `python -m tests.chaos.campaign.report --write` from reliability.jsonl. Don't edit. -->

`make chaos MINUTES=5` plays a retailer's day over and over: two hub processes on a PostgreSQL of their own, a shop, a payment
provider, a till, a warehouse, a mail server and an ERP's stand-in, all over real HTTP and SMTP, each with a ledger of what
really happened to it. Orders are placed, edited, cancelled, shipped, brought back and complained about, while faults strike.
After the last one everything has to come to rest within {rest:.0f} s.

Then a judge decides. It is a program apart (`python -m tests.chaos.judge`): it reads the ledgers and the hub's public API and
nothing else, imports nothing of the hub, and works out anew what was due, to the cent. It finds what was **lost**, what was
**doubled**, and what is **unexplained**: a case nobody's deed accounts for counts as much as an effect without one.

That it can find something is tested, too: `tests/chaos/test_judge.py` tampers with an order's ledgers in four dozen ways, and
hubs with bugs put in on purpose play the same days: see below.

Seeds decide who does what and which faults strike when; the machine decides the rest, so that a seed repeated
(`make chaos SEED=7`) meets the same faults, but not at the same microsecond.
"""

_JUDGED: Sequence[tuple[str, str, str]] = (
    (
        "S1",
        "at most one effect for each act",
        "on the targets' ledgers, by our key, by order and promise, and by count; what a target was set back over is done "
        "once more at most, or is a case, and money never goes twice",
    ),
    (
        "S2",
        "no account overdrawn",
        "at every entry of the provider's ledger: no more back than came in, and no more by us than was due at "
        "that moment; and on `GET /v1/accounts`",
    ),
    (
        "S3",
        "every call had an earlier intent with the same bytes",
        "ERP's and provider's entries against `GET /v1/orders/…/intents`: key, time, content",
    ),
    (
        "S4",
        "order and repetition of messages don't matter",
        "not from outside: by `tests/property`; Q7 judges what came of it",
    ),
    (
        "S5",
        "a replay opens nothing",
        "the whole inbox is replayed in the middle of runs, and S1 judged after it",
    ),
    (
        "S6",
        "nothing is done for facts older than the rules",
        "intents' rules against the times their causes were recorded",
    ),
    (
        "S7",
        "pins don't move",
        "every ERP posting of an order names its one sale",
    ),
    (
        "S8",
        "one unresolved act for each document",
        "intents, at rest; by the hub's own counter at other times",
    ),
    (
        "S9",
        "every message has a fate",
        "the sums of `GET /v1/check`; each order of the shop is known; no forgery was let in",
    ),
    (
        "S10",
        "every open promise has a next actor and a deadline",
        "`GET /v1/orders/…`",
    ),
    (
        "S11",
        "calls within the budget",
        "on the ERP's clock, in every while, over both processes; after a storm of 429 at least 95 % of what is allowed is "
        "used while a backlog waits, counting only time in which the machine had processors for it",
    ),
    (
        "S12",
        "every act explains itself",
        "each intent's cause is among the order's facts",
    ),
    (
        "Q1",
        "billed = what was kept",
        "each line's net and tax, from invoices and credit memos in the ERP's ledger; tax may differ by a cent "
        "where an edit changed what is rounded",
    ),
    (
        "Q2, Q3",
        "refunded = entitled, or people are told why",
        "buyers' entitlements from tills, edits, cancellations and allowances, against provider and till",
    ),
    (
        "Q6",
        "targets show what they should",
        "the ERP's number in the shop; the buyer's address at the warehouse",
    ),
    (
        "Q7",
        "a rebuild changes nothing",
        "`GET /v1/orders/…/rebuild` of every order",
    ),
    (
        "liveness",
        "all converges, or waits for somebody else, or is a case",
        "{rest:.0f} s after the last fault",
    ),
)
"""Invariant, what it promises, and how the judge decides it."""

_NOT = """\
## What this does not show

- Everything runs on one machine, with a disk that keeps what it was told to keep.
- Minutes stand for hours: leases, windows and travel times are short. Nothing here is as old as a real backlog.
- Lost webhooks are found by a sweep of each source after the day, as they would be by the next scheduled one. Until then the
  hub can't know what nobody told it, and may refund what a clerk already did: people are told, once it is known.
- Of the outside systems the shop (a source, and a target), the ERP's stand-in and the payment provider are restored from a
  backup, and an operator then does what docs/howto/restore.md says. The warehouse, the till and the mail server are not. The
  shop gives no number twice; one that numbers its orders anew after a restore has two orders of one name, and is not played.
- The earlier versions of the program that run beside this one are the latest of this repository's history, which share its
  tables; what they do differently differs from run to run.
- Clocks are put wrong for whole processes and for all of PostgreSQL. What was dated meanwhile is not held against its dates.
- The ERP of these runs is a stand-in. `make chaos ERP=tryton` plays plain days with the real one and compares its books, as do
  `make demo` and the tests marked `erp`.
- Two faults strike no day, and are tests of their own with one hub process each (`tests/chaos/environment`, `make nightly`, one
  of each in CI): a disk without room, ten times, and a kill in the midst of migrating, at ten places.
- How fast everything else goes while a fault lasts is not judged here: only that all comes to rest, and rightly.
"""


def page(results: Sequence[Result], caught: Mapping[str, Caught] | None = None) -> str:
    """The whole page, in Markdown."""
    know_all()
    sums = summed(results)
    parts = [
        _WHAT.format(rest=REST_SECONDS_MAX),
        "\n".join(_happened(results, sums)),
        "\n".join(_faults(results)),
        "\n".join(_judged()),
        "\n".join(_plants(caught or {})),
        _NOT,
    ]
    return "\n".join(parts)


def _happened(results: Sequence[Result], sums: Mapping[str, Any]) -> Iterator[str]:
    first, last = min(each.at for each in results), max(each.at for each in results)
    yield f"## What happened in {sums['runs']} runs\n"
    yield f"{first[:10]} to {last[:10]}, {sums['seconds'] / 60:.0f} minutes, {sum(sums['faults'].values()):,} faults.\n"
    yield "| judged | |\n| --- | ---: |"
    yield from (f"| {name} | {count:,} |" for name, count in sums["judged"].items())
    rest, spent = sums["rest_seconds"], sums["spent"]
    if rest:
        yield f"| seconds to rest, median and most | {rest['p50']:.1f}, {rest['max']:.1f} |"
    yield ""
    if spent:
        whole = sum(spent.values())
        shares = ", ".join(f"{name} {100 * seconds / whole:.0f} %" for name, seconds in spent.items())
        yield f"Of a run's time: {shares}. Faults of the hub's side, of the systems' and of messages strike at the same time.\n"
    yield from _found(results)


def _found(results: Sequence[Result]) -> Iterator[str]:
    found = [each for each in results if each.findings]
    if not found:
        yield f"**Nothing was lost, doubled or unexplained.** {_bound(len(results), 'runs')}\n"
        return
    since = len(_since_the_last_finding(results))
    yield f"**Something was found in {len(found)} of {len(results)} runs, and nothing in the {since} since the last of them.**\n"
    for each in found:
        first, more = each.findings[0], len(each.findings) - 1
        said = f"{first['invariant']} {first['kind']}: {first['what']}"[:_SAID_MAX].replace("\n", " ")
        yield f"- seed {each.seed}: {said}{f' (and {more} more)' if more else ''}"
        yield f"  - {each.mended or '**not mended**'}"
    yield ""


def _since_the_last_finding(results: Sequence[Result]) -> list[Result]:
    last = max((each.at for each in results if each.findings), default="")
    return [each for each in results if each.at > last]


def _faults(results: Sequence[Result]) -> Iterator[str]:
    struck, since = Counter[str](), Counter[str]()
    for each in results:
        struck.update(each.faults)
    for each in _since_the_last_finding(results):
        since.update(each.faults)
    yield "## The faults\n"
    yield "No failure in n trials bounds the rate of failures below 3/n, at 95 %; no count here proves more than that.\n"
    yield "| fault | struck | since the last finding | so its rate of harm is below |\n| --- | ---: | ---: | ---: |"
    for name, count in sorted(struck.items()):
        yield f"| {name} | {count:,} | {since[name]:,} | {_rate(since[name])} |"
    yield ""
    yield _full(struck)


def _full(struck: Mapping[str, int]) -> str:
    left = still_to_strike(struck)
    if not left:
        return "Every fault has struck as often as a full campaign asks for (`make chaos FULL=1`).\n"
    counts = {name: FAULTS[name].fault.count for name in left}
    told = "; ".join(f"{name} ({counts[name] - more:,} of {counts[name]:,})" for name, more in left.items())
    return f"Short of what a full campaign (`make chaos FULL=1`) asks for: {told}.\n"


def _judged() -> Iterator[str]:
    yield "## How each promise is judged\n"
    yield "| | promise | judged |\n| --- | --- | --- |"
    for name, promise, how in _JUDGED:
        yield f"| {name} | {promise} | {how} |".format(rest=REST_SECONDS_MAX)
    yield ""


def _plants(caught: Mapping[str, Caught]) -> Iterator[str]:
    yield "## Bugs put in on purpose\n"
    yield (
        "`python -m tests.chaos.campaign.planting` plays days with one bug each in every hub process, struck by the faults at"
        " which it can show. It counts as caught when the judge says what such a bug does, and says nothing of the kind about a"
        " healthy hub on the same day, struck by the same faults. Each has a day of its own, too (`tests/chaos/plants`).\n"
    )
    yield "| bug | a careless hub | caught by | run | the judge said |\n| --- | --- | --- | ---: | --- |"
    for name, plant in PLANTS.items():
        yield f"| {name} | {(plant.__doc__ or '').strip()} | {_how(name, caught.get(name))} |"
    yield ""


def _how(plant: str, caught: Caught | None) -> str:
    """A hunt counts by the faults that the bug is hunted with today, and by days that were judged, a healthy one among them."""
    of_today = caught is not None and caught.faults == SHOWS[plant].faults
    if caught is None or not of_today or not (caught.struck_when_healthy if caught.seed is not None else caught.runs):
        return "not played | | "
    if caught.seed is None:
        return f"{caught.faults} | none of {caught.runs} | **nothing**"
    said = caught.finding["what"].replace("|", "\\|")
    return f"{caught.faults} | {caught.runs} | {caught.finding['invariant']}: {said}"


def _bound(count: int, of_what: str) -> str:
    return f"None in {count} puts the share of {of_what} in which something would be below {_rate(count)}, at 95 %."


def _rate(count: int) -> str:
    """The rule of three, in per cent with two digits; so few trials that it bounds nothing have none."""
    if count <= 3:
        return "too few to tell"
    return f"{300 / count:.0f} %" if count <= 30 else f"{300 / count:.2g} %"


if __name__ == "__main__":
    sys.exit(write_or_check("tests.chaos.campaign.report", PAGE, lambda: page(Record(RECORD).results(), kept(PLANTED))))
