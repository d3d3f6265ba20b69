"""A real Tryton ERP for tests and the demo: built once per machine, booted in about two seconds.

Everything here blocks; from async code call it through `asyncio.to_thread`. Tryton is GPL: it lives in an environment
and a process of its own, and this module speaks to it over HTTP only.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import platform
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROVISIONING = Path(__file__).parents[3] / "provisioning" / "tryton"
SCRIPT = PROVISIONING / "provision.py"
BOOT_SECONDS_MAX = 60.0

Say = Callable[[str], None]
Row = dict[str, Any]


class NotBooted(RuntimeError):
    """The ERP could not be prepared or started; the end of its output is below."""


# --- what it holds on its first day ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Product:
    """A product and its opening stock by location code; prices are decimal strings in USD, before tax."""

    sku: str
    name: str
    list_price: str
    stock: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Seed:
    """What the database is built from; a different seed is a different snapshot."""

    products: tuple[Product, ...] = (
        Product("TEE-BLK-M", "T-shirt, black, M", "20.00", {"MAIN": 100_000, "EAST": 100_000}),
        Product("MUG-01", "Mug", "9.90", {"MAIN": 100_000, "EAST": 100_000}),
        Product("CAP-RED", "Cap, red", "15.00", {"MAIN": 100_000, "EAST": 100_000}),
        Product("BAG-01", "Bag", "49.00", {"MAIN": 100_000, "EAST": 100_000}),
    )
    company: str = "Crossdock Outfitters"
    shop: str = "Web shop"
    warehouse: str = "WH"
    warehouse_name: str = "Warehouse"
    locations: Mapping[str, str] = field(default_factory=lambda: {"MAIN": "Main hall", "EAST": "East hall"})
    set_aside: Mapping[str, str] = field(
        default_factory=lambda: {"DAMAGED": "Damaged goods", "VENDOR": "Back to the vendor"}
    )
    """Places in the warehouse that parcels never leave from."""
    tax_rate: str = "0.10"
    user: str = "hub"
    password: str = "crossdock-demo"  # noqa: S105  # a fixture on the loopback address


SEED = Seed()


def silent(_: str) -> None:
    """Show no progress."""


# --- built once per machine --------------------------------------------------------------------------------------------


def prepare(seed: Seed = SEED, say: Say = silent) -> tuple[Path, Path]:
    """Build what is missing, once per machine however many ask at once: the ERP's Python, and a folder with a snapshot."""
    if not SCRIPT.exists():
        raise NotBooted(f"{PROVISIONING} is missing: the ERP is built from a checkout of the source")
    lock = (PROVISIONING / "requirements.txt").read_text()
    runtime = f"{sys.version_info.major}.{sys.version_info.minor} {platform.system()} {platform.machine()}"
    environment = once(f"env-{digest(lock, runtime)}", install, say)
    python = environment / "bin" / "python"

    seeded = json.dumps(asdict(seed), sort_keys=True)
    this_year = str(date.today().year)  # the snapshot's fiscal years are this one and the next
    key = digest(lock, runtime, SCRIPT.read_text(), seeded, this_year)
    return python, once(f"snapshot-{key}", partial(furnish, python, seeded), say)


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def once(name: str, build: Callable[[Path, Say], None], say: Say) -> Path:
    """A folder in the cache, whole or absent: built beside its place under a lock, then renamed."""
    cache = Path(os.environ.get("CROSSDOCK_CACHE") or "~/.cache/crossdock").expanduser() / "tryton"
    ready = cache / name
    if ready.exists():
        return ready
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{name}.lock", say):
        if ready.exists():
            return ready
        for leftover in cache.glob(f"{name}.partial-*"):  # a builder that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{name}.partial-", dir=cache))
        build(unfinished, say)
        unfinished.rename(ready)
    return ready


@contextmanager
def locked(path: Path, say: Say) -> Generator[None]:
    """Hold a file's lock; the kernel drops it when the holder dies."""
    with path.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("ERP: another process is building it, waiting")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def install(into: Path, say: Say) -> None:
    """Make the ERP's virtual environment: a few seconds with uv, some ten with pip."""
    requirements = ["--require-hashes", "-r", PROVISIONING / "requirements.txt"]
    python = into / "bin" / "python"
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    say(f"ERP: installing Tryton with {'uv' if uv else 'pip'}")
    if uv:
        run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, into], silent)
        run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *requirements], silent)
    else:
        run([sys.executable, "-m", "venv", into], silent)
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], silent)


def furnish(python: Path, seeded: str, into: Path, say: Say) -> None:
    """Build the database: ten seconds of one core."""
    run([python, "-I", SCRIPT, "build", into, "--parent", str(os.getpid())], say, feed=seeded)


def run(command: list[str | Path], say: Say, feed: str = "") -> None:
    """Run a step, passing on each line it prints."""
    printed: list[str] = []
    with tempfile.TemporaryFile("w+") as given:
        given.write(feed)
        given.seek(0)
        out, err = subprocess.PIPE, subprocess.STDOUT
        with subprocess.Popen(  # noqa: S603  # our own words and paths
            command, env=environ(), stdin=given, stdout=out, stderr=err, text=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                printed.append(line)
                say(f"ERP: {line.rstrip()}")
    if process.returncode:
        raise NotBooted(f"{command[0]} ended with {process.returncode}\n{''.join(printed[-20:])}")


def environ() -> dict[str, str]:
    """Our environment without what would change Tryton's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRYTON")}


# --- a running one -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tryton:
    """Where a running ERP answers; `facts` holds the ids that a test may want to know without asking."""

    url: str
    db: str
    user: str
    password: str
    pid: int
    facts: Mapping[str, Any]


class Erp:
    """One ERP on its own folder of data and its own port, which it keeps through every `kill` and `start`."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self._at: Tryton | None = None

    @property
    def at(self) -> Tryton:
        """Where it answers, or last answered."""
        if self._at is None:
            raise NotBooted("start it first")
        return self._at

    def start(self) -> Tryton:
        """Start the server on the data as they are, and wait until it answers."""
        if self._process and self._process.poll() is None:
            return self.at
        # -O leaves out Tryton's assertions, as its README here says.
        command = [self._python, "-I", "-O", SCRIPT, "serve", self._folder]
        command += ["--port", str(self._port), "--parent", str(os.getpid())]
        with (self._folder / "tryton.log").open("a") as log:
            # A session of its own: Ctrl-C in a terminal reaches us, and we stop it in our order.
            self._process = subprocess.Popen(  # noqa: S603  # our own words and paths
                command,
                env=environ(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        answer = self._first_line(self._process)
        self._port = answer["port"]
        facts: Row = json.loads((self._folder / "facts.json").read_text())
        url = f"http://127.0.0.1:{self._port}"
        self._at = Tryton(url, facts["database"], facts["user"], facts["password"], answer["pid"], facts)
        return self._at

    def _first_line(self, process: subprocess.Popen[str]) -> Row:
        """What the server says once it listens."""
        assert process.stdout
        waiting = select.poll()  # not `select`, which knows 1024 files only
        waiting.register(process.stdout, select.POLLIN)
        line = process.stdout.readline() if waiting.poll(BOOT_SECONDS_MAX * 1000) else ""
        if not line:
            self.kill()
            raise NotBooted("".join((self._folder / "tryton.log").read_text().splitlines(keepends=True)[-20:]))
        return json.loads(line)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.wait()
        assert process.stdout
        process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def boot(folder: Path, seed: Seed = SEED, say: Say = silent, *, fresh: bool = True) -> Erp:
    """Start an ERP on a copy of the snapshot in a folder; with `fresh=False`, on the data that are there already."""
    python, snapshot = prepare(seed, say)
    data = folder / "shop.sqlite"
    if fresh or not data.exists():
        say("ERP: copying the snapshot")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("shop.sqlite*"):  # a write-ahead log of other data would be replayed into these
            old.unlink()
        with gzip.open(snapshot / "shop.sqlite.gz") as packed, data.open("wb") as target:
            shutil.copyfileobj(packed, target)
        shutil.copyfile(snapshot / "facts.json", folder / "facts.json")
    erp = Erp(python, folder.resolve())
    say(f"ERP: answers at {erp.start().url}")
    return erp
