"""`[connections.<name>]` of the settings: the connector's own, what the hub reads of every connection, and how it is swept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.loading import NoSuchConnector, load
from crossdock.connect.outward import Reach
from crossdock.connect.secrets import Secret
from crossdock.govern.own import API, OWN_CONNECTOR, PEOPLE
from crossdock.govern.shaping import BadSettings, shaped
from crossdock.govern.tenants import ONLY_TENANT

_PACE_KEYS = ("in_flight", "lanes", "bulk_max", "tenant", "owner", "runbook")
_HUB_KEYS = ("connector", *_PACE_KEYS, "sweep")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What the hub itself reads of every connection; all else is the connector's own."""

    in_flight: int = 16
    """Calls under way at once, in each lane of each process."""
    lanes: int = 1
    """Lanes of this connection in each process that delivers."""
    bulk_max: int | None = None
    """Fewer items a call than the connector could take; 1 makes bulk calls single."""
    calls_per_second: float | None = None
    burst: float = 10.0
    tenant: str = ONLY_TENANT
    """Whose it is: a name of `[tenants]`, where there are several."""
    owner: str = ""
    """Who looks after that system, shown where it stops."""
    runbook: str = ""
    """Where it says what to do then, `https://…`; a link on the console."""


class SweepTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connections.<name>.sweep]`: how what the connection lists is compared with what the hub holds; see sweep.md."""

    every_minutes: float = 15.0
    """How often changes are listed since the last time. The overlap is the connector's own (`overlap_seconds`)."""
    whole_every_hours: float = 24.0
    """How often everything is listed, of all ages."""
    kinds: tuple[str, ...] | None = None
    """Only these kinds; by default every kind that can be listed. An empty list sweeps nothing."""
    repairs_max: int = 100
    """So much that somebody edited there may be put right after one pass; beyond it the connection brakes, with one case."""
    gone_max: int = 25
    """So many things may be missing in a complete list; beyond it nothing is taken for gone, and the connection brakes."""
    believe_absence: bool = True
    """What a complete list lacks, and a read by its id does not find, is gone. False where the source hides what is old."""
    grace_seconds: float = 60.0
    """What changed less than this before a page was asked for is heard, and not called drift: its message may be on its way."""


@dataclass(frozen=True)
class Connection:
    """One account on one system."""

    name: str
    connector: Connector[Any]
    settings: msgspec.Struct
    pace: Pace
    sweep: SweepTerms = field(default_factory=SweepTerms)
    reach: Reach = field(default_factory=Reach)
    """Where its calls may go: to its own address, if that is not inside behind a name."""

    @property
    def tenant(self) -> str:
        return self.pace.tenant

    @property
    def webhook_secrets(self) -> list[bytes]:
        secrets = cast("tuple[Secret, ...]", getattr(self.settings, "webhook_secrets", ()))
        return [secret.reveal().encode() for secret in secrets]


def connection_from(name: str, told: object, reach: Reach) -> Connection:
    key = f"connections.{name}"
    if not isinstance(told, dict):
        raise BadSettings(f"{key} is no table; write [connections.{name}] with a connector in it")
    if not name.isidentifier() or not name.islower():
        raise BadSettings(f"{key}: a connection's name is lower-case letters, digits and _, for it is part of every id")
    table = cast("dict[str, Any]", told)
    if name in (PEOPLE, API):
        raise BadSettings(f"{key}: the hub itself is called so; give the connection another name")
    if table.get("connector") == OWN_CONNECTOR:
        raise BadSettings(f"{key}.connector: {OWN_CONNECTOR!r} is the hub's own, for what people decide")
    if "connector" not in table:
        raise BadSettings(f'{key}.connector is missing; write for instance connector = "shopify"')
    try:
        connector = load(str(table["connector"])).connector
    except NoSuchConnector as error:
        raise BadSettings(f"{key}.connector: {error}") from error
    own = {k: v for k, v in table.items() if k not in _HUB_KEYS}
    settings = shaped(connector.settings, own, key)
    declared = {
        "calls_per_second": getattr(settings, "calls_per_second", None),
        "burst": getattr(settings, "burst", 10.0),
    }
    pace = shaped(Pace, declared | {k: table[k] for k in _PACE_KEYS if k in table}, key)
    if pace.runbook and not pace.runbook.startswith(("https://", "http://")):
        raise BadSettings(f"{key}.runbook: write an address that begins with https://")
    named = {each: getattr(settings, each, "") for each in ("orders_of", "payments", "settles_in")}
    codes: Mapping[str, str] = getattr(settings, "location_codes", {})
    own_reach = reach.and_named(str(getattr(settings, "url", "")))
    connector = replace(connector, locations=codes, **named)
    return Connection(name, connector, settings, pace, _sweep(table, key, connector), own_reach)


def _sweep(table: Mapping[str, Any], key: str, connector: Connector[Any]) -> SweepTerms:
    terms = shaped(SweepTerms, table.get("sweep", {}), f"{key}.sweep")
    listed = sorted(kind for kind, reads in connector.reads.items() if reads.list or reads.whole)
    unknown = sorted(set(terms.kinds or ()) - set(listed))
    if unknown:
        told = f"it lists {', '.join(listed)}" if listed else "it lists nothing"
        raise BadSettings(f"{key}.sweep.kinds: {connector.name} has no list of {unknown[0]}; {told}")
    return terms


def check_named(connections: Mapping[str, Connection]) -> None:
    """Connections that another's settings name."""
    for name, each in connections.items():
        for key, meant in (("orders_of", "whose orders are meant"), ("payments", "that tells its money")):
            named = getattr(each.connector, key)
            if named and named not in connections:
                told = f"there is no connection {named}; name the one {meant}"
                raise BadSettings(f"connections.{name}.{key}: {told}")
