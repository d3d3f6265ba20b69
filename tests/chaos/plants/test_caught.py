"""Every plant is caught by what it does to the outside, and the same day with a healthy hub leaves nothing to say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plants import PLANTS
from tests.chaos.plants.scene import Scene
from tests.chaos.plants.scenes import SCENES
from tests.standin.target import Target

pytestmark = pytest.mark.chaos

FAST = ("no_dedup", "no_quiet_period", "retry_on_blind")
"""Those that every check plays."""


def test_there_is_a_scene_for_every_plant() -> None:
    assert SCENES.keys() == PLANTS.keys()
    assert len(PLANTS) >= 15


def plays() -> list[object]:
    return [pytest.param(name, marks=[pytest.mark.slice] if name in FAST else []) for name in PLANTS]


@pytest.mark.parametrize("plant", plays())
async def test_a_hub_with_this_bug_is_caught(database_url: str, tmp_path: Path, plant: str) -> None:
    async with Target().serve() as target:
        complaints = await SCENES[plant].play(Scene(plant, database_url, tmp_path, target))
    assert [each for each in complaints if SCENES[plant].cry in each], complaints


@pytest.mark.parametrize("plant", plays())
async def test_the_same_day_with_a_healthy_hub_is_clean(database_url: str, tmp_path: Path, plant: str) -> None:
    async with Target().serve() as target:
        assert await SCENES[plant].play(Scene("", database_url, tmp_path, target)) == []
