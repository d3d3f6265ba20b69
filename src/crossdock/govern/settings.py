"""The hub's settings: one TOML file, secrets by reference, checked whole at start with errors that name the key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.loading import NoSuchConnector, load
from crossdock.connect.outward import Reach
from crossdock.connect.secrets import Secret
from crossdock.govern.outside import SubscriptionSettings, reach_from, subscriptions_from
from crossdock.govern.own import API, OWN_CONNECTOR, PEOPLE, own_connectors
from crossdock.govern.people import People, people_from
from crossdock.govern.policies import policy_from
from crossdock.govern.shaping import BadSettings, plain, shaped
from crossdock.promises.policy import Policy

DATABASE_VARIABLE = "CROSSDOCK_DATABASE_URL"
FILE_VARIABLE = "CROSSDOCK_CONFIG"
OBSERVE_VARIABLE = "CROSSDOCK_OBSERVE"
FILE_DEFAULT = "crossdock.toml"
ONLY_TENANT = "main"
"""Whose everything is where the settings name no tenants."""


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[hub]`: where the hub listens and keeps its things."""

    listen: str = "127.0.0.1:8480"
    """Address and port for webhooks; port 0 takes a free one. Keep it on loopback and let a proxy end TLS in front."""
    data: str = ".crossdock"
    """The folder of the hub's own PostgreSQL, from the folder of this file. Short: a socket's path has at most 107 bytes."""
    database_url: str | None = None
    """PostgreSQL to use; without it the hub starts its own under `data`. `CROSSDOCK_DATABASE_URL` goes first."""
    keep_inbox_days: int = 30
    """How long raw messages and failed attempts are kept; facts, intents, receipts and decisions stay."""
    message_bytes_max: int = 2 * 1024 * 1024
    """A longer message is answered, quarantined, and only its start is kept."""
    lease_seconds: float = 10.0
    """After a process has been silent for this long, others take over what it was settling."""
    call_lease_seconds: float = 60.0
    """How long a process has for one batch of calls; nothing is sent after it. Longer than every `timeout_seconds`."""
    probe_seconds: float = 2.0
    """How long after an outage one call tries whether the system is back; 1.5 times longer each time, up to a minute."""
    settle_batch: int = 300
    """Messages translated, and entities settled, in one transaction."""
    deliver_batch: int = 200
    """Promises claimed in one round of a lane."""
    drain_seconds: float = 0.0
    """After SIGTERM it goes on for so long, and says at `/readyz` that it leaves, for whoever sends it requests to hear of it."""
    sealing_keys: tuple[Secret, ...] = ()
    """What secrets in the database are sealed with, at least 32 random characters each: the first seals, all of them open,
    so that they can be changed (`crossdock secrets rotate`). Without any the hub makes one, in the file `sealing-key` under
    `data`; hubs on several machines need it here."""


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[api]`: the REST API, under `/v1` of the same address as the webhooks."""

    secrets: tuple[Secret, ...] = ()
    """What tokens are signed with, at least 32 characters each: the first signs, all of them prove, so that they can
    be changed. Without any the hub makes one and keeps it in its database, sealed."""
    token_seconds: int = 900
    """How long a token holds."""
    person_per_minute: int = 600
    """How many requests a person may send in a minute; consumers have quotas of their own."""
    deprecated: dict[str, Deprecation] = {}
    """Operations that are to go: see `[api.deprecated.<operation>]`."""


class Deprecation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[api.deprecated.<operation>]`: an operation, by its name in the description, that is to go."""

    since: datetime
    """From when on it should not be asked for any more; said with each of its answers (`Deprecation`)."""
    sunset: datetime | None = None
    """From when on it may be gone (`Sunset`)."""
    more: str = ""
    """The address of a page that explains what to ask instead (`Link`)."""


class ObserveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[observe]`: what can be seen of each process from outside; see observe.md."""

    listen: str = ""
    """Address and port of this process's `/metrics`, `/healthz` and `/readyz`; empty: none. Nobody is asked there who they are:
    keep it on loopback or a network of your own. `CROSSDOCK_OBSERVE` goes first, for several processes with one file."""
    traces: str = ""
    """Where OpenTelemetry traces go, by OTLP over HTTP: `http://127.0.0.1:4318/v1/traces`. Empty: none are made."""
    traces_headers: Mapping[str, Secret] = {}
    """What is sent along, such as the collector's key."""
    traces_share: float = 1.0
    """So much of all traces is kept, each whole or not at all."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged, one JSON object a line, to standard error."""


class Governance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[governance]`: which changes take a second person's yes, and whose counts."""

    two_people: tuple[Literal["contracts", "mappings", "policies"], ...] = ("contracts", "mappings")
    """`contracts`: every version of a partner's contract; `mappings`: another name for what has one already (a first name
    takes one person); `policies`: no process starts under a policy that two people have not allowed."""
    approvers: tuple[str, ...] = ("changes", "operator", "engineer", "admin")
    """The roles whose people may say yes to what somebody else asks for."""
    hours: int = 72
    """How long a request waits; after that it is asked for anew."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[tenants.<name>]`: whose orders these are; consumers of one tenant see nothing of another's."""

    brand: str = ""
    """What buyers know it as."""
    legal_entity: str = ""
    """Who it is before the law."""


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


@dataclass(frozen=True)
class Settings:
    """Everything a hub is told."""

    file: Path
    hub: HubSettings
    policy: Policy
    connections: Mapping[str, Connection]
    api: ApiSettings = field(default_factory=ApiSettings)
    governance: Governance = field(default_factory=Governance)
    people: People = field(default_factory=dict[str, tuple[str, ...]])
    tenants: Mapping[str, Tenant] = field(default_factory=lambda: {ONLY_TENANT: Tenant()})
    observe: ObserveSettings = field(default_factory=ObserveSettings)
    reach: Reach = field(default_factory=Reach)
    """Where receivers that others name may lie."""
    subscriptions: SubscriptionSettings = field(default_factory=SubscriptionSettings)

    @property
    def translators(self) -> Mapping[str, Connector[Any]]:
        """Who translates what comes in by each connection, the hub's own included."""
        return {**{name: each.connector for name, each in self.connections.items()}, **own_connectors()}

    @property
    def data(self) -> Path:
        return (self.file.parent / self.hub.data).resolve()

    @property
    def observed_at(self) -> str:
        return os.environ.get(OBSERVE_VARIABLE, self.observe.listen)

    @property
    def database_url(self) -> str | None:
        return os.environ.get(DATABASE_VARIABLE) or self.hub.database_url


_SECTIONS = frozenset(
    "hub roles policy people api governance observe tenants outside subscriptions connections".split()
)
_SECRET_CHARACTERS_MIN = 32
_ADDRESS = {"listen": r".+:\d{1,5}", "traces": r"https?://\S+"}
_EXAMPLE = {"listen": "127.0.0.1:9464", "traces": "http://127.0.0.1:4318/v1/traces"}
_PACE_KEYS = ("in_flight", "lanes", "bulk_max", "tenant", "owner", "runbook")
_HUB_KEYS = ("connector", *_PACE_KEYS, "sweep")


def settings_file(given: str | None) -> Path:
    """The file to read: as given, else `CROSSDOCK_CONFIG`, else ./crossdock.toml."""
    return Path(given or os.environ.get(FILE_VARIABLE) or FILE_DEFAULT)


def read_settings(file: Path) -> Settings:
    """Read and check the settings; `BadSettings` names the first key that is wrong, and the remedy."""
    return settings_from(_parsed(file), file)


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except FileNotFoundError as error:
        raise BadSettings(
            f"there is no {file}; write one (see docs/howto/configure.md) or name it with --config"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file} is not TOML: {error}") from error


def settings_from(told: Mapping[str, Any], file: Path) -> Settings:
    """Settings from a parsed TOML document."""
    if unknown := sorted(told.keys() - _SECTIONS):
        raise BadSettings(f"{unknown[0]}: no such section; there are {', '.join(sorted(_SECTIONS))}")
    hub = _hub(told.get("hub", {}))
    policy = policy_from(_table(told, "policy"), told.get("roles", {}))
    reach = reach_from(told.get("outside", {}))
    connections = {name: _connection(name, each, reach) for name, each in told.get("connections", {}).items()}
    _check_roles(policy, connections)
    _check_named(connections)
    tenants = shaped(dict[str, Tenant], _table(told, "tenants"), "tenants") or {ONLY_TENANT: Tenant()}
    _check_tenants(tenants, connections)
    api, people = _api(told.get("api", {})), people_from(told.get("people", {}))
    governance = shaped(Governance, _table(told, "governance"), "governance")
    observe, terms = _observe(told.get("observe", {})), subscriptions_from(told.get("subscriptions", {}))
    settings = Settings(file, hub, policy, connections, api=api, people=people, tenants=tenants, observe=observe)
    return replace(settings, governance=governance, reach=reach, subscriptions=terms)


def _table(told: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = told.get(section, {})
    if not isinstance(found, dict):
        raise BadSettings(f"{section} is no table; write [{section}]")
    return cast("dict[str, Any]", found)


def _hub(told: object) -> HubSettings:
    hub = shaped(HubSettings, told, "hub")
    _check_long_enough("hub.sealing_keys", hub.sealing_keys)
    return hub


def _check_long_enough(key: str, secrets: Sequence[Secret]) -> None:
    for at, secret in enumerate(secrets):
        if len(secret.reveal()) < _SECRET_CHARACTERS_MIN:
            raise BadSettings(f"{key}[{at}]: it has at least {_SECRET_CHARACTERS_MIN} characters; make a random one")


def _api(told: object) -> ApiSettings:
    api = shaped(ApiSettings, told, "api")
    _check_long_enough("api.secrets", api.secrets)
    if not 60 <= api.token_seconds <= 24 * 3600:
        raise BadSettings(f"api.token_seconds: {api.token_seconds} is not between a minute and a day")
    for name, each in api.deprecated.items():
        if each.sunset is not None and each.sunset < each.since:
            raise BadSettings(f"api.deprecated.{name}.sunset: nothing is gone before it is deprecated")
        if not each.more.isascii() or {*'<>"\\\r\n '} & {*each.more}:
            raise BadSettings(f"api.deprecated.{name}.more: an address has no blanks, quotes and brackets")
    return api


def _observe(told: object) -> ObserveSettings:
    observe = shaped(ObserveSettings, told, "observe")
    if not 0 <= observe.traces_share <= 1:
        raise BadSettings(f"observe.traces_share: {observe.traces_share} is not between 0 and 1")
    for key, address in (("listen", observe.listen), ("traces", observe.traces)):
        if address and not re.fullmatch(_ADDRESS[key], address):
            raise BadSettings(f"observe.{key}: {address!r} is no address; write for instance {_EXAMPLE[key]}")
    return observe


def policy_in(file: Path, live: Settings) -> Policy:
    """The policy of another file, which need not tell more than `[policy]`; its roles are the live ones unless it has some."""
    return _policy_told(_parsed(file), live)


def policy_of_text(text: str, live: Settings) -> Policy:
    """The policy of a text as `policy_in` reads files."""
    try:
        return _policy_told(tomllib.loads(text), live)
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"this is not TOML: {error}") from error


def _policy_told(told: Mapping[str, Any], live: Settings) -> Policy:
    roles: object = told.get("roles", msgspec.to_builtins(live.policy.roles))
    policy = policy_from(_table(told, "policy"), roles)
    others = {name: name for name in _table(told, "connections")}
    _check_roles(policy, {**live.connections, **others})
    return policy


def _connection(name: str, told: object, reach: Reach) -> Connection:
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


def _check_roles(policy: Policy, connections: Mapping[str, object]) -> None:
    for role in policy.roles.__struct_fields__:
        name = getattr(policy.roles, role)
        if name is not None and name not in connections:
            known = ", ".join(sorted(connections)) or "none"
            raise BadSettings(f"roles.{role}: there is no connection {name}; connections are {known}")


def _check_named(connections: Mapping[str, Connection]) -> None:
    """Connections that another's settings name."""
    for name, each in connections.items():
        for key, meant in (("orders_of", "whose orders are meant"), ("payments", "that tells its money")):
            named = getattr(each.connector, key)
            if named and named not in connections:
                told = f"there is no connection {named}; name the one {meant}"
                raise BadSettings(f"connections.{name}.{key}: {told}")


def _check_tenants(tenants: Mapping[str, Tenant], connections: Mapping[str, Connection]) -> None:
    for name, each in connections.items():
        if each.tenant not in tenants:
            raise BadSettings(
                f"connections.{name}.tenant: there is no tenant {each.tenant}; tenants are {', '.join(sorted(tenants))}"
            )


def shown(settings: Settings) -> dict[str, Any]:
    """The settings as the hub reads them, for people: defaults included, secrets hidden."""
    return {
        "file": str(settings.file),
        "hub": plain(settings.hub) | {"database_url": _without_password(settings.database_url)},
        "policy": plain(settings.policy),
        "people": settings.people,
        "api": plain(settings.api),
        "observe": plain(settings.observe),
        "governance": plain(settings.governance),
        "tenants": {name: plain(each) for name, each in settings.tenants.items()},
        "outside": {"allow": list(map(str, settings.reach.allow))},
        "subscriptions": plain(settings.subscriptions),
        "connections": {
            name: {
                "connector": each.connector.name,
                **plain(each.pace),
                **plain(each.settings),
                "sweep": plain(each.sweep),
            }
            for name, each in settings.connections.items()
        },
    }


def _without_password(url: str | None) -> str | None:
    return (
        None
        if url is None
        else re.sub(r"(://[^:/@]*):[^@]*@", r"\1:····@", re.sub(r"password=\S+", "password=····", url))
    )
