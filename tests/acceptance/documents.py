"""Documents whose commands are run: their blocks, a terminal to run them in, and a loose comparison with what they show."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crossdock.simulators.ports import port_for_good
from crossdock.store.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORT = re.compile(r"\b848\d\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d(:\d\d)?")
_END = "\x1e"
_COMMAND_SECONDS_MAX = 60.0
_SHOWN_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Command:
    """One line after a `$`, and the lines shown below it."""

    text: str
    shown: tuple[str, ...]

    @property
    def only_looks(self) -> bool:
        """Whether it may be run again until the hub has come as far as the document shows."""
        looks = ("trace", "check", "cases", "doctor", "approvals", "books")
        return self.text.startswith(tuple(f"crossdock {verb}" for verb in looks))


@dataclass(frozen=True)
class Document:
    """A document on ports of its own: files by name, and commands, each in the order they are written."""

    files: dict[str, str]
    commands: list[Command]


def document(path: str) -> Document:
    """A document's tested blocks: ```<language> <file> is a file, ```console is commands; other blocks are not run."""
    text = (ROOT / path).read_text(encoding="utf-8")
    ports = {port: str(port_for_good()) for port in sorted(set(_PORT.findall(text)))}
    text = _PORT.sub(lambda found: ports[found[0]], text)
    blocks = _BLOCK.findall(text)
    commands = [command for language, _, body in blocks if language == "console" for command in _commands(body)]
    return Document({file: body for _, file, body in blocks if file}, commands)


def _commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        text, *shown = part.splitlines()
        yield Command(text, tuple(line for line in shown if line.strip()))


class Terminal:
    """A shell in a folder, with our commands on its path; what it leaves running in the background is its own."""

    def __init__(self, folder: Path) -> None:
        named = {name: value for name, value in os.environ.items() if not name.startswith("CROSSDOCK_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._shell = subprocess.Popen(
            ["/bin/bash"],
            cwd=folder,
            env={**named, "PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """The exit code, and what was printed."""
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f"{command}\nprintf '{_END}%s\\n' $?\n")
        self._shell.stdin.flush()
        said = ""
        while _END not in said:
            line = self._shell.stdout.readline()
            assert line, f"the shell ended at: {command}\n{said}"
            said += line
        output, _, code = said.partition(_END)
        return int(code), output

    def close(self) -> None:
        """End the shell and all that it started."""
        assert self._shell.stdin
        assert self._shell.stdout
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, how)
            except ProcessLookupError:
                break
            time.sleep(1.0)
        self._shell.wait()
        self._shell.stdin.close()
        self._shell.stdout.close()


@contextmanager
def at_a_terminal(what: Document) -> Iterator[Terminal]:
    """A terminal in an empty folder with the document's files in it; all that was started there is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="cdd", dir="/tmp"))  # short: a socket's path must stay under 107 bytes
    for name, body in what.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body, encoding="utf-8")
    terminal = Terminal(folder)
    try:
        yield terminal
    finally:
        terminal.close()
        if (folder / ".crossdock/postgres/postmaster.pid").exists():
            EmbeddedPostgres(folder / ".crossdock/postgres", "", started_here=False).stop()
        shutil.rmtree(folder, ignore_errors=True)


def follow(terminal: Terminal, command: Command) -> None:
    """Run a command as a reader would: it ends well, and every line that is shown is printed, if need be a little later."""
    until = time.monotonic() + (_SHOWN_SECONDS_MAX if command.only_looks else 0)
    while True:
        code, output = terminal.run(command.text)
        missing = [line for line in command.shown if not _is_in(line, output)]
        if code == 0 and not missing:
            return
        assert time.monotonic() < until, f"$ {command.text}\nended with {code}, without {missing}; it printed\n{output}"
        time.sleep(0.5)


def _is_in(line: str, output: str) -> bool:
    """Whether a line like it was printed: blanks, dates and times don't count, and … stands for anything."""
    pattern = ".*".join(map(re.escape, _loosely(line).split("…")))
    return any(re.search(pattern, _loosely(printed)) for printed in output.splitlines())


def _loosely(line: str) -> str:
    return " ".join(_MOMENT.sub("then", line).split())
