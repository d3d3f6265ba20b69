"""The rules in force: code and policy, known by one digest, and since when they are live (S6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

import msgspec

from crossdock import __version__
from crossdock.govern.settings import Settings
from crossdock.kernel.ids import digest
from crossdock.promises.customers import owed_for_customer
from crossdock.promises.obligations import Obligation
from crossdock.promises.orders import owed_for_order
from crossdock.promises.policy import Policy
from crossdock.promises.standing import Standing
from crossdock.promises.waivers import without_waived
from crossdock.settle.reading import Targets
from crossdock.store import settling
from crossdock.store.database import Transaction

Owed = Callable[[Standing, Policy], Iterable[Obligation]]

_OWED: Mapping[str, Owed] = {"order": owed_for_order, "customer": owed_for_customer}


def owed(standing: Standing, policy: Policy) -> Iterable[Obligation]:
    """What an entity makes us owe, by its kind; other kinds owe nothing."""
    function = _OWED.get(standing.entity.split(":", 1)[0])
    return () if function is None else without_waived(standing, function(standing, policy))


@dataclass(frozen=True)
class Rules:
    """What decides what is owed."""

    policy: Policy
    targets: Targets
    code: bytes
    live_at: datetime
    owed: Owed = owed


async def live_rules(tx: Transaction, settings: Settings) -> Rules:
    """The rules of these settings; the first time they run, they go live now."""
    code = code_digest(settings.policy)
    live_at = await settling.go_live(tx, code, __version__)
    return Rules(settings.policy, _targets(settings), code, live_at)


async def rules_seen(tx: Transaction, settings: Settings) -> Rules:
    """The rules of these settings, without making them live: for those who only look."""
    return Rules(settings.policy, _targets(settings), code_digest(settings.policy), await settling.now(tx))


def code_digest(policy: Policy) -> bytes:
    """One digest of the rules' source and the policy, so that no change of either goes unseen."""
    package = resources.files("crossdock")
    sources = [
        file.read_bytes()
        for room in ("books", "canonical", "promises")
        for file in sorted(package.joinpath(room).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".py")
    ]
    # Tables of the settings in a fixed order: the same amounts written the other way round are no new policy.
    return digest(b"\0".join(sources) + msgspec.json.encode(policy, order="deterministic"))


def _targets(settings: Settings) -> Targets:
    declared = {name: connection.connector.capabilities for name, connection in settings.connections.items()}
    return Targets(
        normalise={
            (name, noun.__name__): capability.normalise
            for name, capabilities in declared.items()
            for noun, capability in capabilities.items()
            if capability.normalise is not None
        },
        shows={name: frozenset(capabilities) for name, capabilities in declared.items()},
        readable=frozenset(
            (name, kind)
            for name, connection in settings.connections.items()
            for kind, reads in connection.connector.reads.items()
            if reads.read is not None
        ),
    )
