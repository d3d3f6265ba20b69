"""The hub's settings: one TOML file, secrets by reference, checked whole at start with errors that name the key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.outward import Reach
from crossdock.connect.secrets import Secret
from crossdock.govern.api_settings import ApiSettings, api_from
from crossdock.govern.connections import Connection, check_named, connection_from
from crossdock.govern.observing import ObserveSettings, observe_from
from crossdock.govern.outside import SubscriptionSettings, reach_from, subscriptions_from
from crossdock.govern.own import own_connectors
from crossdock.govern.people import People, people_from
from crossdock.govern.policies import policy_from
from crossdock.govern.shaping import BadSettings, check_long_enough, plain, shaped
from crossdock.govern.tenants import ONLY_TENANT, Tenant
from crossdock.promises.policy import Policy

DATABASE_VARIABLE = "CROSSDOCK_DATABASE_URL"
FILE_VARIABLE = "CROSSDOCK_CONFIG"
OBSERVE_VARIABLE = "CROSSDOCK_OBSERVE"
FILE_DEFAULT = "crossdock.toml"


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


class Governance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[governance]`: which changes take a second person's yes, and whose counts."""

    two_people: tuple[Literal["contracts", "mappings", "policies"], ...] = ("contracts", "mappings")
    """`contracts`: every version of a partner's contract; `mappings`: another name for what has one already (a first name
    takes one person); `policies`: no process starts under a policy that two people have not allowed."""
    approvers: tuple[str, ...] = ("changes", "operator", "engineer", "admin")
    """The roles whose people may say yes to what somebody else asks for."""
    hours: int = 72
    """How long a request waits; after that it is asked for anew."""


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
    connections = {name: connection_from(name, each, reach) for name, each in told.get("connections", {}).items()}
    _check_roles(policy, connections)
    check_named(connections)
    tenants = shaped(dict[str, Tenant], _table(told, "tenants"), "tenants") or {ONLY_TENANT: Tenant()}
    _check_tenants(tenants, connections)
    api, people = api_from(told.get("api", {})), people_from(told.get("people", {}))
    governance = shaped(Governance, _table(told, "governance"), "governance")
    observe, terms = observe_from(told.get("observe", {})), subscriptions_from(told.get("subscriptions", {}))
    settings = Settings(file, hub, policy, connections, api=api, people=people, tenants=tenants, observe=observe)
    return replace(settings, governance=governance, reach=reach, subscriptions=terms)


def _table(told: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    found = told.get(section, {})
    if not isinstance(found, dict):
        raise BadSettings(f"{section} is no table; write [{section}]")
    return cast("dict[str, Any]", found)


def _hub(told: object) -> HubSettings:
    hub = shaped(HubSettings, told, "hub")
    check_long_enough("hub.sealing_keys", hub.sealing_keys)
    return hub


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


def _check_roles(policy: Policy, connections: Mapping[str, object]) -> None:
    for role in policy.roles.__struct_fields__:
        name = getattr(policy.roles, role)
        if name is not None and name not in connections:
            known = ", ".join(sorted(connections)) or "none"
            raise BadSettings(f"roles.{role}: there is no connection {name}; connections are {known}")


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
