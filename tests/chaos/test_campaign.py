"""A slice of the campaign, one family of faults a run: nothing is lost, doubled or unexplained. `make chaos` is the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.campaign.database import Cluster, cluster
from tests.chaos.campaign.fault import FAULTS, by_side, drawn, not_here
from tests.chaos.campaign.faults import know_all
from tests.chaos.campaign.planting import SHOWS, Caught, keep, kept
from tests.chaos.campaign.record import Record, summed
from tests.chaos.campaign.report import page
from tests.chaos.campaign.running import Result, run_once
from tests.chaos.campaign.world import luck
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


def test_the_report_claims_no_bound_when_something_was_found() -> None:
    assert "| kill | 300 | 1 % |" in page([_result(1, faults={"kill": 300})])
    found = {"invariant": "S1", "kind": "doubled", "what": "an order"}
    told = page([_result(1, faults={"kill": 300}), _result(2, findings=[found])])
    assert "seed 2, S1, doubled: an order" in told
    assert "Nothing was lost" not in told
    assert "1 %" not in told


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
        for part in shows.faults.split(","):
            assert any(part.strip() in fault for fault in FAULTS), f"{name}: {part}"
    record = tmp_path / "plants.jsonl"
    said = {"invariant": "S5", "kind": "doubled", "what": "twice | in the inbox"}
    for seed in (None, 3):
        keep(record, Caught(plant="no_dedup", at="", runs=1, faults="webhooks", seed=seed, finding=said))
    assert [each.seed for each in kept(record).values()] == [3]
    told = page([_result(1)], kept(record) | {"no_fencing": _in_vain(SHOWS["no_fencing"].faults, 4)})
    assert f"| {SHOWS['no_fencing'].faults} | none of 4 | **nothing** |" in told
    for stale in (_in_vain("other faults", 4), _in_vain(SHOWS["no_fencing"].faults, 0)):
        assert "**nothing**" not in page([_result(1)], kept(record) | {"no_fencing": stale})
    assert "| webhooks | 1 | S5: twice \\| in the inbox |" in told


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
    assert "| rare | 3 | too few to tell |" in told
    assert "| some | 30 | 10 % |" in told
    assert "| many | 20,000 | 0.015 % |" in told
