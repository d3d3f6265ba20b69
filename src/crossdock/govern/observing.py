"""`[observe]` of the settings: what can be seen of a process from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from crossdock.connect.secrets import Secret
from crossdock.govern.shaping import BadSettings, shaped

_ADDRESS = {"listen": r".+:\d{1,5}", "traces": r"https?://\S+"}
_EXAMPLE = {"listen": "127.0.0.1:9464", "traces": "http://127.0.0.1:4318/v1/traces"}


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


def observe_from(told: object) -> ObserveSettings:
    observe = shaped(ObserveSettings, told, "observe")
    if not 0 <= observe.traces_share <= 1:
        raise BadSettings(f"observe.traces_share: {observe.traces_share} is not between 0 and 1")
    for key, address in (("listen", observe.listen), ("traces", observe.traces)):
        if address and not re.fullmatch(_ADDRESS[key], address):
            raise BadSettings(f"observe.{key}: {address!r} is no address; write for instance {_EXAMPLE[key]}")
    return observe
