"""The judge shares nothing with the hub it judges."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.chaos.hubs import ROOT

JUDGE = ROOT / "tests" / "chaos" / "judge"


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_the_judge_imports_nothing_but_itself_and_the_standard_library() -> None:
    files = sorted(JUDGE.glob("*.py"))
    assert len(files) > 4
    for file in files:
        for name in _imported(file):
            root = name.split(".")[0]
            assert root in sys.stdlib_module_names or name.startswith("tests.chaos.judge"), f"{file.name}: {name}"


def test_no_module_of_the_hub_is_loaded_where_the_judge_runs() -> None:
    code = "import sys, tests.chaos.judge.__main__; print([m for m in sys.modules if m.startswith('crossdock')])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
