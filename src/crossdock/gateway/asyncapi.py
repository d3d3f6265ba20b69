"""The events' description, AsyncAPI 3, generated: `python -m crossdock.gateway.asyncapi --write` (or `--check`)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from crossdock.canonical.nouns import FACTS
from crossdock.gateway.feed import WHAT, CloudEvent
from crossdock.gateway.openapi import VERSION
from crossdock.govern.generated import write_or_check

PAGE = Path("contracts/v1/asyncapi.json")

_SAID = {"recorded": "became known", "changed": "changed", "gone": "is no more"}
_REF = "#/components/schemas/{name}"


def document() -> bytes:
    """The whole description, as it is kept among the contracts."""
    types = {f"{kind}_{what}": f"crossdock.{kind}.{what}" for kind in sorted(FACTS) for what in WHAT}
    _, schemas = msgspec.json.schema_components([CloudEvent], ref_template=_REF)
    told: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Crossdock's events",
            "version": VERSION,
            "description": "What happened, as CloudEvents without personal data: read, or sent to whoever subscribed.",
            "license": {"name": "Apache 2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "events": {
                "address": "/v1/events",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
                "bindings": {"http": {}},
            },
            "deliveries": {
                "address": None,
                "description": "The url of a subscription; signed as Standard Webhooks has it, at least once.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in types},
            },
        },
        "operations": {
            "tellEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "bindings": {"http": {"method": "GET", "bindingVersion": "0.3.0"}},
            },
            "deliverEvents": {
                "action": "send",
                "channel": {"$ref": "#/channels/deliveries"},
                "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
            },
        },
        "components": {"messages": {name: _message(name, type_) for name, type_ in types.items()}, "schemas": schemas},
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def _message(name: str, type_: str) -> dict[str, Any]:
    kind, _, what = name.rpartition("_")
    only = {
        "type": "object",
        "properties": {"type": {"const": type_}, "data": {"properties": {"kind": {"const": kind}}}},
    }
    return {
        "name": type_,
        "summary": f"A fact of kind {kind} {_SAID[what]}.",
        "contentType": "application/json",
        "payload": {"allOf": [{"$ref": _REF.format(name="CloudEvent")}, only]},
    }


def main() -> int:
    return write_or_check("crossdock.gateway.asyncapi", PAGE, lambda: document().decode())


if __name__ == "__main__":
    sys.exit(main())
