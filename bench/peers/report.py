"""`docs/peers.md`, made of the record of one run: `python -m bench.peers.report --write` (or `--check`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peers.runs import PATIENCE_SECONDS, TRAVEL_SECONDS
from crossdock.govern.generated import write_or_check

PAGE = Path("docs/peers.md")
RECORD = Path("docs/peers.jsonl")
_DOCUMENTED: Mapping[str, str] = {
    "Celery with Redis": "[Using Redis](https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/redis.html), "
    "[Configuration](https://docs.celeryq.dev/en/stable/userguide/configuration.html), "
    "[Redis persistence](https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/)",
    "DBOS": "[Queues](https://docs.dbos.dev/python/tutorials/queue-tutorial), "
    "[Configuration](https://docs.dbos.dev/python/reference/configuration), "
    "[Queue worker](https://docs.dbos.dev/python/examples/queue-worker)",
    "n8n": "[Queue mode](https://docs.n8n.io/hosting/scaling/queue-mode/), "
    "[its variables](https://docs.n8n.io/hosting/configuration/environment-variables/queue-mode/), "
    "[Executions](https://docs.n8n.io/hosting/configuration/environment-variables/executions/), "
    "[Webhook node](https://docs.n8n.io/integrations/builtin/core-nodes/n8n-nodes-base.webhook/), "
    "[Isolate n8n](https://docs.n8n.io/hosting/configuration/configuration-examples/isolation/)",
    "PgQueuer": "[Reliability](https://github.com/janbjorge/pgqueuer/blob/main/docs/guides/reliability.md), "
    "[Performance tuning](https://github.com/janbjorge/pgqueuer/blob/main/docs/guides/performance-tuning.md)",
}
"""Where each peer's own documentation says what was done here."""

_NOT_RECORDED = "Not measured in the run that this page was made of.\n"

Line = Mapping[str, Any]

_WHAT = """\
# The same orders by other means

<!-- Written by `python -m bench.peers.report --write` from peers.jsonl. Don't edit. -->

A shop tells of orders by signed webhooks of 12 kB; each is to be one sale in an ERP. `make bench BENCH=peers` has that done by
programs a small team might choose for it, and by Crossdock, one after the other in the same harness: the same webhooks
(`bench/load.py`: 3 % come twice, as shops repeat them), the same mapping (`bench/peers/programs/sale.py`, for n8n
`n8n/sale.js` beside it; a test holds both against what Crossdock sends), the same ERP (`bench/peers/erp.py`). Each program is
what its documentation shows: a web handler that proves the signature and enqueues, and workers that map and call; n8n is given a
workflow of five nodes that does the same (`n8n/workflow.json`). Each is measured as it comes, and tuned for durability by its own
documentation. The programs are in `bench/peers/programs`; what they need is locked beside them and installed outside the tree.

The judge knows what was answered 200 and what the ERP booked. This ERP keeps no keys: whoever calls twice has two sales. It can
be searched by the caller's reference; Crossdock does that where an answer was lost, the other programs, as documented, don't. An
ERP that keeps keys would take the second call of any of them as the first.
"""

_KILLED = """\
## kill -9

{orders} orders are acknowledged and wait. Then the workers start, and are killed with all their children when a quarter, a half
and three quarters of the orders are booked, or {patience:.0f} s after the strike before if they aren't; and started again at
once. A call takes {travel:.0f} ms and is booked in the middle of it. In the second table the door and the store (Redis or
PostgreSQL) are killed with them; the machine stays, and with it what the operating system was given to write.

n8n as it comes is one process, and no order waits for a worker there. They come in quarters, and it is killed when the last of a
quarter is acknowledged: what it has not booked by then is what a kill can cost.

*Killed at*: how many orders were booked then. *Lost*: acknowledged, not booked, and nobody holds it. *Held back*: not booked
{patience:.0f} s after the last strike, but still in the store. *Doubled*: booked more than once though the shop told of it once.
*By repeats*: booked more than once, and the shop told of it twice. *Last after*: seconds from the last strike until the last new
order was booked.
"""

_NOT = """\
## What this does not show

- One machine, {cores} cores, everything on it: load, door, workers, store and ERP. Orders a second depend on what else it does;
  compare processor time, and only within one table, whose runs were made in turn.
- Crossdock does more for an order than was asked here: it keeps the books, and an account per buyer at the ERP (known before the
  measured orders). The others do exactly what is asked.
- Three strikes in one run each. A zero here means none in {orders} orders, and no more.
- Each program is as small as its documentation's; a team may write a better one, with a search before each call, or a table of
  what was seen.
- n8n is an application, and what it does for its editor, history and statistics is measured with it. It answers before it proves
  the signature: a forged webhook is answered 200, too, and goes no further. It can also answer when its workflow has ended; then
  the shop's own repeats are the queue, and this shop repeats nothing that wasn't answered.
- n8n is the newest that runs on Node.js 20; later ones need 22 or 24. It is told of 8 orders at once, and not of 32 as the
  others are: when its database does not answer in time, it refuses whatever comes.
"""

_STRUCK_COLUMNS = ("killed at", "lost", "held back", "doubled", "by repeats", "last after")
_PARTS = ("door", "workers", "store", "workers and store", "all of it")
_RATE_COLUMNS = (
    "orders",
    "orders/s",
    "door, CPU-ms/order",
    *_PARTS[1:],
    "door and workers, MB",
    "wrong",
    "doubled by repeats",
)


def page(lines: Sequence[Line]) -> str:
    """The whole page, in Markdown."""
    machine = next(each for each in lines if each["metric"] == "machine")
    names = {"orders": machine["struck_orders"], "travel": 1000 * TRAVEL_SECONDS, "patience": PATIENCE_SECONDS}
    parts = [
        _WHAT,
        "\n".join(_where(machine)),
        "\n".join(_rates(lines, machine)),
        _KILLED.format(**names),
        "\n".join(_struck(lines)),
        "\n".join(_queued(lines)),
        "\n".join(_configurations(lines)),
        _NOT.format(cores=machine["cores"], **names),
    ]
    return "\n".join(parts)


def _where(machine: Line) -> Iterator[str]:
    yield "## Where and when\n"
    load = ", ".join(str(each) for each in machine["load"])
    yield (
        f"{machine['at'][:10]}, {machine['cores']} cores, {machine['memory_gb']} GB, niceness {machine['nice']}. Load averages "
        f"when it began, over 1, 5 and 15 minutes: {load}; above 0 other programs slow all of these down.\n"
    )


def _rates(lines: Sequence[Line], machine: Line) -> Iterator[str]:
    yield "## Without a fault\n"
    runs = max((len(each["runs"]) for each in lines if each["metric"] == "orders per second"), default=0)
    if not runs:
        yield _NOT_RECORDED
        return
    yield (
        f"{machine['rate_orders']:,} orders after as many to warm up, from the first webhook to the last sale, fewer where they "
        f"would take too long; the ERP answers at once. Runs of each: {runs}; the medians, and the lowest and highest beside the "
        "rate. Where one process does all, nothing can be said of its parts.\n"
    )
    yield f"| | | {' | '.join(_RATE_COLUMNS)} |\n| --- | ---{' | ---:' * len(_RATE_COLUMNS)} |"
    for who, found in _by_peer(lines).items():
        if "orders per second" in found:
            yield f"| {' | '.join(who)} | {' | '.join(_rate_cells(found))} |"
    yield ""


def _rate_cells(found: Mapping[str, Line]) -> Iterator[str]:
    speed = found["orders per second"]
    yield f"{speed['orders']:,}"
    yield f"{speed['value']:.0f} ({min(speed['runs']):.0f} to {max(speed['runs']):.0f})"
    yield from (f"{found[part]['value']:.1f}" if part in found else "" for part in _PARTS)
    yield f"{found['memory of door and workers']['value']:.0f}"
    wrong = found["wrong without a fault"]
    yield f"{sum(wrong['runs']):.0f}"
    yield f"{wrong['by_repeats']:.0f} of {wrong['orders']}"


def _struck(lines: Sequence[Line]) -> Iterator[str]:
    for killed in ("workers", "workers, door and store"):
        yield f"Killed: {killed}.\n"
        yield f"| | | {' | '.join(_STRUCK_COLUMNS)} |\n| --- | ---{' | ---:' * len(_STRUCK_COLUMNS)} |"
        for each in lines:
            if each["metric"] == "lost" and each["killed"] == killed:
                yield f"| {' | '.join(_struck_cells(each))} |"
        yield ""


def _struck_cells(line: Line) -> Iterator[str]:
    yield from (line["peer"], line["variant"])
    yield ", ".join(str(each) for each in line["killed_at"])
    for name in ("lost", "held_back", "doubled", "doubled_by_repeats"):
        yield f"**{line[name]}**" if line[name] else "0"
    yield f"{line['seconds']:.0f} s"


def _queued(lines: Sequence[Line]) -> Iterator[str]:
    yield "## Waiting\n"
    if not any(each["metric"] == "one more queued order" for each in lines):
        yield _NOT_RECORDED
        return
    yield "What one more order takes in the store while it waits: memory of a Redis, tables and indexes of a PostgreSQL.\n"
    yield "| | bytes | orders that waited |\n| --- | ---: | ---: |"
    for each in lines:
        if each["metric"] == "one more queued order":
            yield f"| {each['peer']} | {each['value']:,.0f} | {each['orders']:,} |"
        if each["metric"] == "one more order, settled and waiting for the ERP":
            yield f"| {each['peer']}, all that is owed worked out, and only the ERP missing | {each['value']:,.0f} | |"
    yield ""


def _configurations(lines: Sequence[Line]) -> Iterator[str]:
    yield "## Versions and configurations\n"
    for each in lines:
        if each["metric"] == "not measured":
            yield f"- **{each['peer']}, {each['variant']}**: not measured: {each['why']}"
        if each["metric"] == "configuration":
            versions = ", ".join(f"{name} {version}" for name, version in each["versions"].items())
            set_to = "; ".join(f"{name}: {value}" for name, value in each["configuration"].items())
            yield f"- **{each['peer']}, {each['variant']}** ({versions}). {set_to or 'Nothing set'}."
    yield ""
    yield "By their documentation: " + "; ".join(f"{peer}: {pages}" for peer, pages in _DOCUMENTED.items()) + ".\n"


def _by_peer(lines: Sequence[Line]) -> dict[tuple[str, str], dict[str, Line]]:
    found: dict[tuple[str, str], dict[str, Line]] = {}
    for each in lines:
        if "peer" in each:
            found.setdefault((each["peer"], each["variant"]), {})[each["metric"]] = each
    return found


def recorded(path: Path) -> list[Line]:
    """The lines of a record, as `make bench BENCH=peers` printed them."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    sys.exit(write_or_check("bench.peers.report", PAGE, lambda: page(recorded(RECORD))))
