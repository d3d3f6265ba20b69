"""`crossdock demo`: it tells its story, its result is one JSON line, and it leaves no process behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.erp

SECONDS_MAX = 90.0
COMMAND = [sys.executable, "-m", "crossdock.main", "demo"]


def test_played_once_all_books_agree_and_the_last_line_says_so_in_json(tmp_path: Path) -> None:
    told = subprocess.run([*COMMAND, "--once", "--folder", str(tmp_path)], capture_output=True, text=True, timeout=180)
    *story, last = told.stdout.splitlines()
    result = json.loads(last)
    assert (told.returncode, result["ok"], result["disagreements"]) == (0, True, []), told.stdout + told.stderr
    assert (len(result["sales"]), len(result["shipments"]), result["mails"]) == (1, 2, 3)
    assert sorted(result["invoices"].values()) == ["43.78", "60.50"]
    assert (len(result["returns"]), list(result["refunds"].values())) == (1, ["16.50"])
    assert list(result["credit_memos"].values()) == ["16.50"]
    assert any("Tryton holds one sale" in line for line in story)
    assert running_in(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_any_way_it_leaves_no_process_behind(tmp_path: Path, how: signal.Signals) -> None:
    with demo(tmp_path) as process:
        assert process.stdout
        assert any("Running until Ctrl-C" in line for line in process.stdout)
        assert running_in(tmp_path)
        process.send_signal(how)
        process.wait(30)
    until = time.monotonic() + 30
    while (left := running_in(tmp_path)) and time.monotonic() < until:
        time.sleep(0.1)
    assert left == []


def test_stopped_while_it_is_starting_it_leaves_no_process_behind(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        until = time.monotonic() + SECONDS_MAX
        while not (tmp_path / "hub-1.log").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert running_in(tmp_path) == []


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stdout
        assert any("hub processes work" in line for line in process.stdout)
        second = subprocess.run(
            [*COMMAND, "--once", "--folder", str(tmp_path)], capture_output=True, text=True, timeout=60
        )
        assert second.returncode == 1
        assert "another one is running" in json.loads(second.stdout.splitlines()[-1])["failure"]
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that plays; killed if it is still there at the end."""
    command = [*COMMAND, "--folder", str(folder)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def running_in(folder: Path) -> list[str]:
    """The processes whose command names the folder, or whose working directory lies in it, as PostgreSQL's does."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = os.readlink(process / "cwd")
        except OSError:
            continue
        if process.name != str(os.getpid()) and (str(folder) in words or where.startswith(str(folder))):
            found.append(words)
    return found
