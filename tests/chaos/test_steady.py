"""Half a minute of steady load with everything switched on; `make chaos STEADY=60` is the hour of it."""

from __future__ import annotations

import pytest

from bench.steady import Length, played


@pytest.mark.chaos
@pytest.mark.slice
def test_nothing_grows_under_steady_load_nor_while_a_report_holds_a_snapshot() -> None:
    figures = played(Length(seconds=20, rate=25))
    assert [each for each in figures if not each.holds] == []
