"""`crossdock doctor`: what would lose data or keep the hub from working, each with its remedy."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from crossdock.cli.asking import ask
from crossdock.connect.secrets import Secret
from crossdock.govern.connections import Connection
from crossdock.govern.settings import Settings
from crossdock.store import health, recovery
from crossdock.store.database import Database

_CLOCK_SECONDS_MAX = 5.0
_DISK_BYTES_MIN = 2 * 1024**3
_SECRET_CHARACTERS_MIN = 16
_CONNECT_SECONDS = 3.0


class Finding(msgspec.Struct, frozen=True):
    """`bad` findings lose data or stop work; the others are for your information."""

    what: str
    bad: bool
    detail: str
    remedy: str = ""


def examined() -> list[Finding]:
    """Look at everything; the bad findings first."""
    return sorted(ask(_examine), key=lambda finding: not finding.bad)


async def _examine(database: Database, told: Settings) -> list[Finding]:
    async with database.transaction() as tx:
        settings = await health.durability(tx)
        database_time = await health.clock(tx)
        bytes_used, brakes, oldest = await health.size(tx), await health.brakes(tx), await health.oldest_pending(tx)
        last = await recovery.last_recovery(tx)
    findings = [
        *_durability(settings),
        _clock(database_time),
        *_disk(told),
        *_secrets(told),
        *_sealing(told),
        *_approvers(told),
    ]
    findings += [
        Finding("brake", True, f"{connection} is stopped: {reason}", "see: crossdock cases")
        for connection, reason in brakes
    ]
    if last is not None and last.go_on_at is None:
        detail = f"the database was set back to {last.restored_to:%Y-%m-%d %H:%M:%S} UTC, and no act is done"
        findings.append(Finding("restored", True, detail, "see: crossdock recovery"))
    findings.append(Finding("inbox", oldest > 60, f"the oldest pending message is {oldest:.0f} s old",
                            "start a hub process with the settle role: crossdock run"))  # fmt: skip
    findings.append(Finding("database", False, f"{bytes_used / 1e6:.0f} MB"))
    return findings + [await _reachable(each) for each in told.connections.values()]


def _durability(settings: dict[str, str]) -> Iterator[Finding]:
    """Settings with which a crash loses what was acknowledged."""
    wanted = {
        "fsync": ("on",),
        "full_page_writes": ("on",),
        "synchronous_commit": ("on", "remote_write", "remote_apply"),
    }
    for name, good in wanted.items():
        value = settings[name]
        yield Finding(name, value not in good, f"{name} = {value}", f"set {name} = on in postgresql.conf")
    idle = settings["idle_in_transaction_session_timeout"]
    yield Finding(
        "idle transactions", idle == "0", f"idle_in_transaction_session_timeout = {idle}",
        "set it to 60s: one forgotten transaction makes every claim slow",
    )  # fmt: skip


def _clock(database_time: datetime) -> Finding:
    apart = abs((datetime.now(UTC) - database_time).total_seconds())
    return Finding(
        "clock", apart > _CLOCK_SECONDS_MAX, f"{apart:.1f} s between this machine and the database",
        "run a time service (chrony, systemd-timesyncd) on both",
    )  # fmt: skip


def _disk(told: Settings) -> Iterator[Finding]:
    if told.database_url is None:
        free = shutil.disk_usage(told.data).free
        yield Finding("disk", free < _DISK_BYTES_MIN, f"{free / 1e9:.1f} GB free", "make room, or move hub.data")


def _secrets(told: Settings) -> Iterator[Finding]:
    for name, each in told.connections.items():
        if each.connector.door is not None and not each.webhook_secrets:
            yield Finding(
                "webhooks", True, f"{name} has no webhook secret, so every message is refused",
                f"set connections.{name}.webhook_secrets",
            )  # fmt: skip
        for key, secret in _all_secrets(each):
            if len(secret.reveal()) < _SECRET_CHARACTERS_MIN:
                detail = f"connections.{name}.{key} has fewer than {_SECRET_CHARACTERS_MIN} characters"
                yield Finding("secret", False, detail, "use a longer one where the system lets you choose")


def _sealing(told: Settings) -> Iterator[Finding]:
    if told.database_url is not None and not told.hub.sealing_keys:
        detail = f"secrets in the database are sealed with a key in {told.data}, which other machines don't have"
        yield Finding("sealing", False, detail, "name one in hub.sealing_keys, and the old one after it")


def _approvers(told: Settings) -> Iterator[Finding]:
    """Terms that ask for an approval which nobody may give."""
    for at, terms in enumerate(told.policy.returns):
        needed = 2 if terms.second_approver_over else 1 if terms.approve_over else 0
        if (there := len(told.people.get(terms.approver, ()))) < needed:
            detail = f"policy.returns[{at}] needs {needed} of {terms.approver}, and there are {there}"
            yield Finding("approvals", True, detail, f"name more people in people.{terms.approver}")


def _all_secrets(each: Connection) -> Iterator[tuple[str, Secret]]:
    for key in each.settings.__struct_fields__:
        value = getattr(each.settings, key)
        for one in value if isinstance(value, tuple) else (value,):  # pyright: ignore[reportUnknownVariableType]
            if isinstance(one, Secret):
                yield key, one


async def _reachable(each: Connection) -> Finding:
    """Whether anything listens at the connection's address; its credentials show at the first call."""
    host, port = _address(each)
    if not host:
        return Finding("connection", False, f"{each.name} has no address: it only sends")
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
        there = str(writer.get_extra_info("peername")[0])
        writer.close()
    except (OSError, TimeoutError) as error:
        remedy = f"check connections.{each.name}, the network, and whether the system is up"
        return Finding("connection", True, f"{each.name} at {host}:{port}: {error or 'no answer'}", remedy)
    if hasattr(each.settings, "url") and (why := each.reach.why_not(there)):
        remedy = "if that is right, name its network in outside.allow; until then nothing is sent there"
        return Finding("connection", True, f"{each.name} at {host}:{port} leads inside: {why}", remedy)
    return Finding("connection", False, f"{each.name} at {host}:{port} answers")


def _address(each: Connection) -> tuple[str, int]:
    url = getattr(each.settings, "url", None)
    if url is None:
        return str(getattr(each.settings, "host", "")), int(getattr(each.settings, "port", 0))
    parts = urlsplit(str(url))
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def as_text(found: list[Finding]) -> str:
    lines: list[str] = []
    for finding in found:
        lines.append(f"{'BAD ' if finding.bad else 'ok  '} {finding.what:<18} {finding.detail}")
        if finding.bad and finding.remedy:
            lines.append(f"     remedy: {finding.remedy}")
    return "\n".join(lines)
