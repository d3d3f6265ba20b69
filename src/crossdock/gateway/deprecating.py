"""What is to go: said with each answer (RFC 9745, RFC 8594), and marked in the description."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import format_datetime
from typing import Any

import msgspec

from crossdock.gateway.catalogue import BY_NAME
from crossdock.gateway.openapi import document
from crossdock.govern.api_settings import Deprecation
from crossdock.govern.settings import Settings
from crossdock.govern.shaping import BadSettings


def check_deprecated(settings: Settings) -> None:
    """`BadSettings` names an operation that there is none of."""
    for name in settings.api.deprecated:
        if name not in BY_NAME:
            known = ", ".join(sorted(BY_NAME))
            raise BadSettings(f"api.deprecated.{name}: there is no such operation; there are {known}")


def headers_of(deprecation: Deprecation) -> Mapping[str, str]:
    told = {"Deprecation": f"@{int(deprecation.since.timestamp())}"}
    if deprecation.sunset is not None:
        told["Sunset"] = format_datetime(deprecation.sunset.astimezone(UTC), usegmt=True)
    if deprecation.more:
        rels = "deprecation" if deprecation.sunset is None else "deprecation sunset"
        told["Link"] = f'<{deprecation.more}>; rel="{rels}"'
    return told


def described(deprecations: Mapping[str, Deprecation]) -> bytes:
    """The API's description, with what is to go at this hub marked."""
    if not deprecations:
        return document()
    told: dict[str, Any] = msgspec.json.decode(document())
    for name, each in deprecations.items():
        route = BY_NAME[name]
        operation = told["paths"][route.path][route.method.lower()]
        operation["deprecated"] = True
        if each.sunset is not None:
            operation["x-sunset"] = f"{each.sunset.astimezone(UTC):%Y-%m-%d}"
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"
