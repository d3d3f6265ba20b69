"""Brakes: a lane that stops as a whole, with one case, instead of failing promise by promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crossdock.store import cases
from crossdock.store.cases import Raised
from crossdock.store.database import Transaction, rows
from crossdock.store.statements import load

_SQL = load("deliver")
_PROBE_SECONDS = 2.0

Permit = Literal["free", "probe", "braked"]

_TITLES = {
    "outage": ("can't be reached", "Nothing to do: the hub tries one call now and then, and goes on by itself."),
    "refused": (
        "refuses our credentials or rights",
        "Renew the credentials or rights, then run: crossdock release {connection}",
    ),
    "regression": (
        "was set back to an earlier state",
        "Find out what was restored, then accept its state: crossdock epoch {connection}",
    ),
    "blast": (
        "differs from what we hold by more than a sweep may put right",
        "Look at: crossdock drift --connection {connection}. Then let it go on: crossdock release {connection}; and where the"
        " differences are right: crossdock sweep {connection} --full --repairs-max N --gone-max N",
    ),
}


@dataclass(frozen=True, slots=True)
class Brake:
    """`kind` is outage (lifted by the hub), refused, regression or blast (lifted by a person)."""

    connection: str
    kind: Literal["outage", "refused", "regression", "blast"]
    reason: str

    @property
    def cause(self) -> str:
        return f"brake:{self.connection}"

    def case(self) -> Raised:
        title, remedy = _TITLES[self.kind]
        return Raised(
            self.cause, "brake", f"{self.connection} {title}", remedy.format(connection=self.connection), self.reason
        )


async def apply_brake(tx: Transaction, brake: Brake, probe_seconds: float = _PROBE_SECONDS) -> bool:
    """Stop the lane with one case; answers True when it was running."""
    parameters = {
        "connection": brake.connection,
        "kind": brake.kind,
        "reason": brake.reason,
        "probe_seconds": probe_seconds,
    }
    stopped = bool(await rows(tx, _SQL["brake"], parameters))
    if stopped:
        await cases.raise_cases(tx, [brake.case()])
    return stopped


async def lift_brake(tx: Transaction, connection: str, by: str) -> bool:
    """Let the lane go on and close its case; answers True when it was stopped."""
    [(lifted,)] = await rows(tx, _SQL["lift_brake"], {"connection": connection})
    if lifted:
        await cases.close(tx, f"brake:{connection}", by)
    return bool(lifted)


async def permit(tx: Transaction, connection: str, probe_seconds: float = _PROBE_SECONDS) -> Permit:
    """Whether the lane may call now; a probe is granted to one process at a time."""
    return (await rows(tx, _SQL["permit"], {"target": connection, "probe_seconds": probe_seconds}))[0][0]


async def stopped_by(tx: Transaction, connection: str) -> str | None:
    """The kind of brake a lane is stopped by, if it is."""
    found = await rows(tx, _SQL["stopped_by"], {"connection": connection})
    return found[0][0] if found else None
