"""Prometheus' own word on what is written for it: `promtool`, which Debian has in its package `prometheus`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

RULES = Path(__file__).parents[1] / "deploy/prometheus/crossdock.rules.yml"


def promtool(*words: str, given: bytes = b"") -> str:
    """What it says; whoever has none skips the test that asks."""
    if (program := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed; on Debian: apt-get install --no-install-recommends prometheus")
    said = subprocess.run([program, *words], input=given, stdout=-1, stderr=-2, timeout=60, check=False)
    text = said.stdout.decode()
    assert said.returncode == 0, text
    return text
