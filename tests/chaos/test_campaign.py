"""A slice of the campaign, one family of faults a run: nothing is lost, doubled or unexplained. `make chaos` is the whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from tests.chaos.campaign.__main__ import is_time_for_another, striking_seconds
from tests.chaos.campaign.database import Cluster, cluster
from tests.chaos.campaign.desk import Desk
from tests.chaos.campaign.fault import FAULTS, SEPARATOR, Known, by_side, drawn, not_here
from tests.chaos.campaign.faults import know_all
from tests.chaos.campaign.faults.processes import exchange
from tests.chaos.campaign.faults.throttled import Seen, Share, refused_at_most, share_of, starved_seconds
from tests.chaos.campaign.full import next_ones, still_to_strike
from tests.chaos.campaign.planting import SHOWS, Caught, keep, kept
from tests.chaos.campaign.record import Record, summed
from tests.chaos.campaign.report import page
from tests.chaos.campaign.running import Result, run_once, strike
from tests.chaos.campaign.world import CRASHED, UNENDED, World, luck
from tests.chaos.plants import PLANTS

FAMILIES = ["kill", "PostgreSQL", "ambiguous", "webhooks"]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.mark.chaos
@pytest.mark.slice
@pytest.mark.parametrize(("seed", "faults"), list(enumerate(FAMILIES, start=1)))
async def test_nothing_is_lost_doubled_or_unexplained(server: Cluster, seed: int, faults: str) -> None:
    result = await run_once(server, seed, faults=faults, strikes=2)
    assert result.findings == []
    assert result.rest_seconds is not None
    assert result.faults
    assert result.judged["effects at targets"] > 20


def _result(seed: int, **rest: object) -> Result:
    given = {"faults": {"kill": 2}, "judged": {"orders": 10}, "findings": [], "rest_seconds": 1.5, "seconds": 15.0}
    return Result(seed=seed, wanted="", at="2026-11-22T08:00:00+00:00", **{**given, **rest})


def test_a_record_goes_on_after_its_last_run_and_forgets_a_line_that_was_cut_short(tmp_path: Path) -> None:
    record = Record(tmp_path / "deep" / "record.jsonl")
    assert record.next_seed() == 1
    for seed in (1, 2):
        record.add(_result(seed))
    with record.file.open("ab") as file:
        file.write(b'{"seed": 3, "wanted": ')
    assert [result.seed for result in record.results()] == [1, 2]
    assert Record(record.file).next_seed() == 3
    assert summed(record.results())["faults"] == {"kill": 4}


def test_the_report_claims_a_bound_only_of_what_struck_since_something_was_found() -> None:
    assert "| kill | 300 | 300 | 1 % |" in page([_result(1, faults={"kill": 300})])
    wrong = _result(2, findings=[{"invariant": "S1", "kind": "doubled", "what": "an order"}] * 3)
    told = page([_result(1, faults={"kill": 300}), wrong])
    assert "seed 2: S1 doubled: an order (and 2 more)\n  - **not mended**" in told
    assert "Nothing was lost" not in told
    assert "| kill | 302 | 0 | too few to tell |" in told
    later = replace(_result(3, faults={"kill": 30}), at="2026-11-23T08:00:00+00:00")
    told = page([_result(1), replace(wrong, mended="It counts twice now."), later])
    assert "nothing in the 1 since the last of them" in told
    assert "  - It counts twice now." in told
    assert "| kill | 34 | 30 | 10 % |" in told


def test_a_full_campaign_draws_what_is_furthest_from_its_count_of_each_side_until_all_is_played() -> None:
    know_all()
    first = next_ones({})
    wanted = {each.name for each in drawn(luck(1, "faults"), 100, first)}
    assert wanted == set(first.split(SEPARATOR))
    assert {each.side for each in drawn(luck(1, "faults"), 100, first)} == {"hub", "systems", "messages"}
    short = "PostgreSQL crashed"
    struck = {name: each.fault.count for name, each in FAULTS.items()}
    struck |= {"ambiguous success: done, then the connection reset": 2000, "webhook doubled": 2000, "webhook lost": 400}
    assert next_ones(struck) == ""
    assert still_to_strike({**struck, short: 60}) == {short: 10}
    most = next_ones({**struck, short: 60}).split(SEPARATOR)
    assert most[0] == short
    assert {FAULTS[name].side for name in most} == {"hub", "systems", "messages"}


def test_a_seed_draws_the_same_faults_again_and_a_campaign_draws_them_all() -> None:
    know_all()
    for seed in (1, 2, 3):
        once, again = (drawn(luck(seed, "faults"), 4) for _ in range(2))
        assert [each.name for each in once] == [each.name for each in again]
    seen = {each.name for seed in range(300) for each in drawn(luck(seed, "faults"), 4)}
    assert seen == FAULTS.keys() - not_here().keys()


def test_every_plant_is_hunted_with_faults_that_there_are_and_a_record_keeps_the_last_hunt(tmp_path: Path) -> None:
    know_all()
    assert SHOWS.keys() == PLANTS.keys()
    for name, shows in SHOWS.items():
        for part in shows.faults.split(SEPARATOR):
            assert any(part in fault for fault in FAULTS), f"{name}: {part}"
    record = tmp_path / "plants.jsonl"
    said = {"invariant": "S5", "kind": "doubled", "what": "twice | in the inbox"}
    faults = SHOWS["no_dedup"].faults
    for seed, healthy in ((None, {}), (2, {}), (3, {"webhook doubled": 9})):
        made = Caught(plant="no_dedup", at="", runs=1, faults=faults, seed=seed, finding=said)
        keep(record, replace(made, struck_when_healthy=healthy))
        assert (f"| {faults} | 1 | S5: twice" in page([_result(1)], kept(record))) is bool(healthy)
    assert [each.seed for each in kept(record).values()] == [3]
    told = page([_result(1)], kept(record) | {"no_fencing": _in_vain(SHOWS["no_fencing"].faults, 4)})
    assert f"| {SHOWS['no_fencing'].faults} | none of 4 | **nothing** |" in told
    for stale in (_in_vain("other faults", 4), _in_vain(SHOWS["no_fencing"].faults, 0)):
        assert "**nothing**" not in page([_result(1)], kept(record) | {"no_fencing": stale})
    assert f"| {faults} | 1 | S5: twice \\| in the inbox |" in told


def _in_vain(faults: str, runs: int) -> Caught:
    return Caught(plant="no_fencing", at="", runs=runs, faults=faults)


def test_faults_of_all_sides_are_drawn_and_each_side_keeps_their_order() -> None:
    know_all()
    faults = drawn(luck(1, "faults"), 30)
    sides = by_side(faults)
    assert all(sides.values())
    assert [each for each in faults if each.side == "hub"] == sides["hub"]


def test_too_few_trials_are_not_called_a_bound() -> None:
    told = page([_result(1, faults={"rare": 3, "some": 30, "many": 20_000})])
    assert "| rare | 3 | 3 | too few to tell |" in told
    assert "| some | 30 | 30 | 10 % |" in told
    assert "| many | 20,000 | 20,000 | 0.015 % |" in told


# ---- a day ends, whatever strikes it


class _Slow:
    """Takes a while, and says how many of it there were at most at once."""

    name, count = "slow", 1

    def __init__(self) -> None:
        self.now = self.most = 0

    async def inject(self, world: World, random: Random) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.1)
        self.now -= 1


def _world(answer: str = "", seconds: float = 0.0) -> World:
    """One in which an operator's commands end like that; there is no hub in it."""

    async def ask(*_: str) -> tuple[int, str]:
        await asyncio.sleep(seconds)
        return 1, answer

    trade: Any = SimpleNamespace(retailer=SimpleNamespace(ask=ask))
    nowhere: Any = None
    return World(nowhere, trade, Desk(), seed=1)


async def test_no_fault_is_begun_when_the_time_for_striking_is_over_and_only_begun_ones_are_counted() -> None:
    slow = Known(_Slow(), "messages", None, str)
    over = time.monotonic() + 1.5
    begun = await strike(_world(), Random(1), [slow] * 30, "messages", over)
    assert 1 <= begun < 8
    assert time.monotonic() < over + 1.5


async def test_two_sides_never_set_something_back_at_once() -> None:
    slow, world = _Slow(), _world()
    back = Known(slow, "messages", None, str, sets_back=True)
    over = time.monotonic() + 30
    async with asyncio.timeout(20):
        each = [strike(world, Random(1), [back] * 2, side, over) for side in ("hub", "messages")]
        assert await asyncio.gather(*each) == [2, 2]
    assert slow.most == 1


def test_half_of_what_is_left_is_for_striking_and_another_run_has_time_for_the_longest_there_was() -> None:
    assert striking_seconds(300) == 150
    assert striking_seconds(2) > 0
    results = [_result(seed, seconds=seconds) for seed, seconds in ((1, 120.0), (2, 40.0))]
    assert is_time_for_another(results, 130)
    assert not is_time_for_another(results, 100)


@pytest.mark.parametrize(
    ("world", "code"), [(_world(seconds=5), UNENDED), (_world("Traceback (most recent call last):\n ..."), CRASHED)]
)
async def test_a_command_that_does_not_end_or_crashes_is_a_finding_and_no_answer(world: World, code: int) -> None:
    world.command_seconds_max = 0.2
    assert (await world.ask("recheck", "shop"))[0] == code
    assert len(world.wrong) == 1


# ---- how much of what a target allows is used while a backlog waits


def _share(calls_per_second: float, starved: float = 0.0, backlog: int = 30, late: float = 0.0) -> Share | None:
    """A backlog that went down for four seconds at ten calls a second allowed, four at once."""
    seen = Seen([(nth / 10, backlog) for nth in range(41)], [(2.0, starved)])
    calls = [nth / 100 for nth in range(4)] + [0.1 + nth / calls_per_second for nth in range(200)]
    return share_of([late + at for at in calls], seen, rate=10.0, burst=4.0, resumed_by=1.0)


def _is_too_little(share: Share | None) -> bool:
    assert share is not None
    return share.is_too_little


def test_a_limit_that_is_used_up_is_no_finding_and_one_that_is_used_by_half_is() -> None:
    assert not _is_too_little(_share(10.0))
    assert not _is_too_little(_share(9.8))
    assert _is_too_little(_share(8.5))
    assert _is_too_little(_share(5.0))


def test_whoever_resumes_late_or_hardly_calls_at_all_does_not_use_what_is_allowed() -> None:
    assert not _is_too_little(_share(10.0, late=0.8))
    for late in (2.0, 60.0):
        assert _is_too_little(_share(10.0, late=late))


def test_time_in_which_the_machine_was_busy_is_not_held_against_it_and_a_short_while_says_nothing() -> None:
    assert _is_too_little(_share(5.0))
    assert not _is_too_little(_share(5.0, starved=2.1))
    assert not _is_too_little(_share(5.0, starved=3.0))


def test_who_waits_for_the_processor_at_the_same_time_waits_once() -> None:
    assert starved_seconds(0.1, {1: 2.0, 2: 5.0}, {1: 2.25, 2: 5.5, 3: 7.0}) == 0.5
    assert starved_seconds(0.25, {1: 2.0}, {1: 2.125}) == 0.25
    assert starved_seconds(0.25, {}, {}) == 0.25


def test_without_a_backlog_nothing_is_measured() -> None:
    assert _share(5.0, backlog=3) is None


def test_whoever_goes_on_calling_a_target_that_wants_no_calls_is_found() -> None:
    assert refused_at_most(6.0) < 6.0 * 12


async def test_a_process_that_stops_at_its_point_before_it_works_is_not_waited_for(tmp_path: Path) -> None:
    marker, old, new = tmp_path / "struck", _Process(), _Process()

    class Stopping:
        hubs: ClassVar[list[_Process]] = [old, old]
        retailer = SimpleNamespace(lifeline=SimpleNamespace(untie=lambda pid: None))

        async def start_hub(self, roles: object, environment: object) -> None:
            self.hubs.append(new)
            marker.touch()
            await asyncio.sleep(3600)

    armed = {"CROSSDOCK_STOP_AT": "call:before", "CROSSDOCK_CHECKPOINT_MARKER": str(marker)}
    async with asyncio.timeout(20):
        await exchange(Stopping(), 1, armed)  # type: ignore[arg-type]
    assert Stopping.hubs == [old, new]


class _Process:
    pid = 0

    def stop(self) -> None: ...
