"""One run: a seed's world trades while a seed's faults strike it, comes to rest, and is judged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import msgspec

from crossdock.kernel.moments import system_clock
from crossdock.simulators.retailer_books import books_of, disagreements
from tests.chaos.campaign.database import Cluster
from tests.chaos.campaign.day import live_a_day, live_a_plain_day
from tests.chaos.campaign.fault import Known, Side, by_side, drawn
from tests.chaos.campaign.faults import know_all
from tests.chaos.campaign.world import ERP_BURST, ERP_CALLS_PER_SECOND, World, luck, world
from tests.chaos.trading import API_KEY, ROOT

ORDERS, DAY_SECONDS, FAULTS_A_RUN = 8, 3.0, 30
REST_SECONDS_MAX = 60.0
"""After the last fault everything converges, waits for somebody with a deadline, or is in a case within this time."""
_STRIKING_SECONDS_MAX = 100.0
"""After 150 orders, of which one comes every 0.8 s, nobody orders any more: what strikes later strikes nothing."""
_LOOK_SECONDS = 0.4
_AMBIGUOUS = {
    "commit_then_drop": "ambiguous success: done, then the connection reset",
    "commit_then_status": "ambiguous success: done, then 502",
    "commit_then_timeout": "ambiguous success: done, then no answer in time",
    "garbage": "ambiguous success: done, then a broken answer",
    "late": "ambiguous failure: 502 or reset, and done later",
    "partial": "bulk call done in part, and the rest left out of the answer",
    "silent": "bulk call done, and some of it left out of the answer",
}
_WEBHOOKS = {
    "duplicated": "webhook doubled",
    "late": "webhook late or out of order",
    "dropped": "webhook lost",
    "forged": "webhook forged",
    "altered": "webhook altered on its way",
}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run; `findings` is empty when nothing was lost, doubled or unexplained."""

    seed: int
    wanted: str
    """Part of the names of the faults it drew from; empty for all."""
    at: str
    seconds: float
    rest_seconds: float | None
    """From the last fault until everything was at rest; None when it wasn't in time."""
    faults: dict[str, int]
    judged: dict[str, int]
    """How much there was to judge: orders, effects, calls, cents."""
    spent: dict[str, float] = {}
    """Seconds, by what they went to: starting, the day with its faults, coming to rest, judging."""
    strikes: int = 4
    """How many faults were begun, one of which may strike often."""
    findings: list[dict[str, str]]
    tryton: bool = False
    """Its ERP was a real one, and its day a plain one."""
    mended: str = ""
    """What was found to be wrong, where it has been put right since; added to the record by hand."""


async def run_once(
    cluster: Cluster,
    seed: int,
    *,
    faults: str = "",
    strikes: int = FAULTS_A_RUN,
    striking_seconds: float = _STRIKING_SECONDS_MAX,
    keep: Path | None = None,
    tryton: bool = False,
) -> Result:
    """One seed's run; `keep` is where its logs go when something was found. `tryton`: a plain day with the real ERP.

    `strikes` faults are drawn, of which those are begun that their turn comes to within `striking_seconds`.
    """
    know_all()
    spent, at = Spent(), system_clock().isoformat(timespec="seconds")
    striking_with = drawn(luck(seed, "faults"), strikes, faults)
    with tempfile.TemporaryDirectory(prefix="cdr") as folder:
        async with world(cluster, Path(folder), seed, tryton=tryton, faults=striking_with) as made:
            spent.on("starting")
            over = time.monotonic() + min(_STRIKING_SECONDS_MAX, striking_seconds)
            begun = await _trade_and_strike(made, seed, striking_with, over, tryton=tryton)
            spent.on("the day")
            await made.quiet()
            wrong = await _swept(made)
            rest_seconds = await at_rest(made, REST_SECONDS_MAX * (4 if tryton else 1))
            spent.on("coming to rest")
            verdict = await judged(made, rest_seconds, Path(folder, "evidence.json"))
            verdict["findings"] += [*wrong, *made.wrong]
            verdict["findings"] += await _differing_books(made) if tryton else []
            spent.on("judging")
            result = Result(
                seed=seed,
                wanted=faults,
                at=at,
                seconds=round(sum(spent.values()), 1),
                rest_seconds=None if rest_seconds is None else round(rest_seconds, 1),
                faults=struck(made),
                judged=verdict["judged"] | dict(made.measured),
                findings=verdict["findings"],
                spent={name: round(seconds, 1) for name, seconds in spent.items()},
                strikes=begun,
                tryton=tryton,
            )
            if result.findings and keep is not None:
                _keep(Path(folder), keep, verdict)
        return result


class NotJudged(RuntimeError):
    """The judge could not read what it has to judge; the text is its own."""


class Spent(dict[str, float]):
    """Seconds by what they went to, since the last time somebody said."""

    def __init__(self) -> None:
        super().__init__()
        self._since = time.monotonic()

    def on(self, what: str) -> None:
        now = time.monotonic()
        self[what], self._since = now - self._since, now


async def _trade_and_strike(at: World, seed: int, faults: Sequence[Known], over: float, *, tryton: bool) -> int:
    """The retailer trades until the last of the faults has struck; each side's go one after another. How many there were."""
    sides = [
        asyncio.create_task(strike(at, luck(seed, f"faults at {side}"), each, side, over))
        for side, each in by_side(faults).items()
    ]
    striking = asyncio.gather(*sides)
    try:
        if tryton:
            await live_a_plain_day(at, seed, ORDERS // 3, 1.0)
        else:
            await live_a_day(at, seed, ORDERS, DAY_SECONDS, striking.done)
        return sum(await striking)
    finally:
        for each in sides:
            each.cancel()


async def strike(at: World, chance: Random, faults: Sequence[Known], side: Side, over: float) -> int:
    """One after another, and none that its turn comes to when it is `over`; how many were begun, each of which ends by itself."""
    for nth, each in enumerate(faults):
        await asyncio.sleep(chance.uniform(0.2, 1.2))
        # Backups first: whoever waits for an operator to accept one lets the storms be measured.
        async with (
            at.backups if each.sets_back else contextlib.nullcontext(),
            at.steady if side == "hub" else contextlib.nullcontext(),
        ):
            if time.monotonic() > over:
                return nth
            await each.fault.inject(at, chance)
    return len(faults)


def struck(at: World) -> dict[str, int]:
    """How often each fault really struck, by what the report calls it."""
    counts = dict(at.struck)
    for kind in (each.kind for mischief in at.mischiefs.values() for each in mischief.struck):
        if kind in _AMBIGUOUS:
            counts[_AMBIGUOUS[kind]] = counts.get(_AMBIGUOUS[kind], 0) + 1
    for sender in at.senders.values():
        for field, name in _WEBHOOKS.items():
            if count := getattr(sender.counts, field):
                counts[name] = counts.get(name, 0) + count
    return {name: count for name, count in sorted(counts.items()) if count}


async def _swept(at: World) -> list[dict[str, str]]:
    """Sources that lost messages are read whole, as by the next sweep, so that nothing stays unheard; or it is said why not."""
    wrong: list[dict[str, str]] = []
    for name in [name for name, sender in at.senders.items() if sender.lost]:
        code, said = await at.ask("sweep", name, "--full")
        if code:
            wrong.append({"invariant": "Q7", "kind": "unexplained", "what": f"the sweep of {name}: {said[-500:]}"})
    return wrong


async def _differing_books(at: World) -> list[dict[str, str]]:
    """Where the real ERP's own books differ from what was sold, shipped and brought back; they are read over its own API."""
    books = await books_of(at.retailer)
    wrong = [each for book in books for each in disagreements(book, mails_lost=True)]
    return [{"invariant": "Q1", "kind": "unexplained", "what": f"Tryton: {each}"} for each in wrong]


async def at_rest(at: World, seconds_max: float) -> float | None:
    """Seconds until the hub says twice in a row that nothing is left to do for itself; None when it doesn't begin to in time."""
    began, calm_since = time.monotonic(), None
    while calm_since is not None or time.monotonic() - began < seconds_max:
        looked_at = time.monotonic()
        if not await _is_calm(at):
            calm_since = None
        elif calm_since is None:
            calm_since = looked_at
        else:
            return calm_since - began
        await asyncio.sleep(_LOOK_SECONDS)
    return None


async def _is_calm(at: World) -> bool:
    url, headers = f"{at.retailer.addresses['hub']}/v1", {"Authorization": f"Bearer {API_KEY}"}
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with at.trade.http.get(f"{url}/check", headers=headers, timeout=timeout) as answer:
            check = await answer.json()
        if answer.status != 200 or check["inbox"]["pending"] or check["states"]["in flight"]:
            return False
        for sale in at.trade.sales:
            async with at.trade.http.get(
                f"{url}/orders/{sale.entity}/record", headers=headers, timeout=timeout
            ) as answer:
                if answer.status == 200 and _moves(await answer.json()):
                    return False
    except (aiohttp.ClientError, TimeoutError):
        return False
    return True


def _moves(order: Mapping[str, Any]) -> bool:
    """Whether the hub or a clock of seconds does something about it next: sending, searching, trying a stopped lane."""
    standing = ("promised", "sealed", "sent", "accepted")
    return any(
        each["standing"].startswith(standing)
        or (each["standing"] == "may have happened" and "person" not in (each["next_actor"] or "").lower())
        # What it waited for is there: whoever keeps house lets it go.
        or (each["standing"].startswith("waits for") and all(need["met"] for need in each["needs"]))
        for each in order["promises"]
    )


async def judged(at: World, rest_seconds: float | None, keep: Path) -> dict[str, Any]:
    """What the judge says, which is a program apart and is told nothing but addresses and limits."""
    told = {
        "hub": f"{at.retailer.addresses['hub']}/v1",
        "key": API_KEY,
        "systems": {
            **{name: at.retailer.addresses[name] for name in ("shop", "wms", "psp", "till", "mail")},
            "erp": at.trade.erp.url if at.trade.erp else None,
            "desk": at.desk.url,
        },
        "limits": {"erp": {"calls_per_second": ERP_CALLS_PER_SECOND, "burst": ERP_BURST}} if at.trade.erp else {},
        "refunds_a_day": at.refunds_a_day,
        "mails_since": at.mails_since,
        "slept_seconds": at.slept_seconds,
        "stood_still": at.stood_still,
        "held_up": at.held_up,
        "forgotten": at.forgotten,
        "wrong_clock": at.wrong_clock,
        "rest_seconds": rest_seconds,
        "swept": True,
        "keep": str(keep),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.judge", "-",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    said, wrong = await process.communicate(json.dumps(told).encode())
    if not said:
        raise NotJudged(f"the judge ended with {process.returncode}: {wrong.decode()[-2000:]}")
    return json.loads(said)


def _keep(folder: Path, keep: Path, verdict: Mapping[str, Any]) -> None:
    keep.mkdir(parents=True, exist_ok=True)
    (keep / "verdict.json").write_text(json.dumps(verdict, indent=1))
    for file in (*folder.glob("hub-*.log"), folder / "evidence.json"):
        (keep / file.name).write_bytes(file.read_bytes())
