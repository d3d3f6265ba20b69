"""The events' description, AsyncAPI 3, generated: `python -m crossdock.gateway.asyncapi --write` (or `--check`)."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from crossdock.canonical.nouns import FACTS
from crossdock.gateway.feed import WHAT, CloudEvent
from crossdock.gateway.openapi import VERSION
from crossdock.govern.generated import write_or_check
from crossdock.store.subscriptions import TEST_TYPE

PAGE = Path("contracts/v1/asyncapi.json")

_SAID = {"recorded": "became known", "changed": "changed", "gone": "is no more"}
_REF = "#/components/schemas/{name}"
_TEST = "test"
_HEADERS = {
    "type": "object",
    "description": "Of a delivery; whoever reads the feed gets none of them.",
    "properties": {
        "webhook-id": {"type": "string", "description": "The event's id, the same on every repeat and replay."},
        "webhook-timestamp": {"type": "string", "description": "When this attempt was made, in seconds since 1970."},
        "webhook-signature": {
            "type": "string",
            "description": "By each live secret `v1,` and base64, separated by blanks, as Standard Webhooks has it.",
        },
        "traceparent": {"type": "string", "description": "W3C trace context, where the hub traces."},
    },
}


@cache
def document() -> bytes:
    """The whole description, as it is served and kept among the contracts."""
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
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*types, _TEST)},
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
        "components": {
            "messages": {name: _message(name, type_) for name, type_ in types.items()} | {_TEST: _test()},
            "schemas": schemas,
        },
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def _message(name: str, type_: str) -> dict[str, Any]:
    kind, _, what = name.rpartition("_")
    return _described(type_, kind, f"A fact of kind {kind} {_SAID[what]}.")


def _test() -> dict[str, Any]:
    return _described(TEST_TYPE, _TEST, "Says nothing: a subscriber asked for it, to see whether it arrives.")


def _described(type_: str, kind: str, says: str) -> dict[str, Any]:
    only = {
        "type": "object",
        "properties": {"type": {"const": type_}, "data": {"properties": {"kind": {"const": kind}}}},
    }
    return {
        "name": type_,
        "summary": says,
        "contentType": "application/json",
        "headers": _HEADERS,
        "payload": {"allOf": [{"$ref": _REF.format(name="CloudEvent")}, only]},
    }


def main() -> int:
    return write_or_check("crossdock.gateway.asyncapi", PAGE, lambda: document().decode())


if __name__ == "__main__":
    sys.exit(main())
