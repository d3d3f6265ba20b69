"""`crossdock chaos` strikes a connector with every fault, and says which of its answers the hub must not be given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.chaos.hubs import ROOT

STAND_IN = ("--stand-in", "tests.contract.accounting.service:stand_in")


def chaos(*words: str) -> tuple[int, Any, str]:
    """Exit code, what was printed as JSON, and what went to standard error."""
    ran = subprocess.run(
        [sys.executable, "-m", "crossdock.main", "chaos", *words, "--json"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    return ran.returncode, json.loads(ran.stdout) if ran.stdout else None, ran.stderr


def test_a_sound_connector_holds_over_rounds_in_different_orders() -> None:
    code, told, _ = chaos("tests.contract.accounting:connector", *STAND_IN, "--rounds", "2", "--seed", "7")
    assert (code, told["violations"], told["rounds"], told["seed"]) == (0, [], 2, 7)
    assert told["counted_on_a_ledger"]
    assert told["trials"] > 200


def test_a_connector_that_hopes_is_told_which_lost_answers_it_takes_for_nothing() -> None:
    code, told, _ = chaos("tests.contract.accounting.hopeful:connector", *STAND_IN)
    assert code == 1
    violated = {each["trial"] for each in told["violations"]}
    assert "act sales_order: after commit_then_drop nobody knows, and it happened once" in violated
    assert any("meets a time-out" in trial for trial in violated)
    assert all("sales_order" in trial for trial in violated)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing_of_that_name",), "there is no connector 'nothing_of_that_name'"),
        (("wms", "--stand-in", "nowhere:warehouse"), "can't be imported: No module named 'nowhere'"),
        (("wms", "--stand-in", "tests.chaos.hubs:SECRET"), "has nothing to call as 'SECRET'"),
    ],
)
def test_what_can_not_be_found_is_said_in_a_line(words: tuple[str, ...], said: str) -> None:
    code, told, error = chaos(*words)
    assert (code, told) == (2, None)
    assert said in error
    assert len(error.splitlines()) == 1
