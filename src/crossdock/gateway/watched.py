"""A process that can be watched: its logs, metrics and traces turned on for as long as it runs."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from crossdock import __version__
from crossdock.gateway.health import Health, Lookout
from crossdock.gateway.serving import served
from crossdock.govern.settings import Settings
from crossdock.govern.workflows import limits_of
from crossdock.observe import metrics, spans
from crossdock.observe.spans import Spans
from crossdock.store.database import Database
from crossdock.store.leases import Leases


@dataclass(frozen=True)
class Watched:
    """`address` is where its metrics and health are told; empty: nowhere."""

    health: Health
    address: str


@contextlib.asynccontextmanager
async def watched(settings: Settings, database: Database, leases: Leases) -> AsyncGenerator[Watched]:
    """Turned on as the settings say, until the block ends; spans on their way are sent first."""
    health = Health(database)
    if settings.observe.traces:
        _trace(settings, leases)
    try:
        if not settings.observed_at:
            yield Watched(health, "")
            return
        limits = limits_of(settings.policy.deadlines)
        metrics.turn_on(__version__, {each.name: (each.workflow, each.minutes) for each in limits})
        async with Database(database.url, connections_max=1) as reports:
            lookout = Lookout(health, reports, {"loops": database, "reports": reports}, leases)
            async with served(lookout, settings.observed_at) as at:
                yield Watched(health, at.address)
    finally:
        metrics.turn_off()
        spans.turn_off()


def _trace(settings: Settings, leases: Leases) -> None:
    # Half a second of imports that only those wait for who want traces.
    from crossdock.observe.exporting import by_http

    observe = settings.observe
    headers = {name: secret.reveal() for name, secret in observe.traces_headers.items()}
    about = {
        "service.name": "crossdock",
        "service.version": __version__,
        "service.instance.id": leases.owner,
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    spans.turn_on(Spans(by_http(observe.traces, headers), observe.traces_share, about))
