"""What the hub relies on in every connector, by the kit: one test for each of its checks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossdock.connect.conformance import Check, checks_for
from crossdock.connect.loading import built_in
from tests.contract import accounting
from tests.contract.accounting.service import stand_in

HERE = Path(__file__).parent
EXAMPLES = HERE / "accounting" / "examples"


def every_check() -> Iterator[Any]:
    """Those of the example connector, and of every built-in one that has no file of its own with a stand-in."""
    for name in built_in():
        if not (HERE / f"test_{name}_conformance.py").exists():
            for check in checks_for(name):
                yield pytest.param(check, id=f"{name}: {check.name}")
    for check in checks_for(accounting.connector, examples=EXAMPLES, stand_in=stand_in):
        yield pytest.param(check, id=f"accounting: {check.name}")


@pytest.mark.parametrize("check", [*every_check()])
async def test_conformance(check: Check) -> None:
    await check.run()


ONE_TEST_FILE = """\
from crossdock.connect.conformance import conformance_of
TestAccounting = conformance_of("tests.contract.accounting")
"""


@pytest.mark.parametrize(
    ("runner", "done"), [(["pytest", "-p", "no:cacheprovider"], "9 passed"), (["unittest"], "Ran 9 tests")]
)
def test_a_connectors_whole_test_file_is_two_lines(tmp_path: Path, runner: list[str], done: str) -> None:
    (tmp_path / "test_accounting.py").write_text(ONE_TEST_FILE)
    command = [sys.executable, "-m", *runner, "-k", "translation", "test_accounting.py"]
    search = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    ran = subprocess.run(command, cwd=tmp_path, env=search, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert done in ran.stdout + ran.stderr
