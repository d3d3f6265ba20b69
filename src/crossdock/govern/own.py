"""The hub's own connections: what people decide and what comes in by the REST API, as facts like any others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.connector import Connector
from crossdock.connect.loading import load

PEOPLE = "people"
API = "api"
OWN_CONNECTOR = "people"
"""The built-in connector that translates both; settings can't name it."""


def own_connectors() -> Mapping[str, Connector[Any]]:
    """By connection; they have no target and no lane."""
    connector = load(OWN_CONNECTOR).connector
    return {PEOPLE: connector, API: connector}
