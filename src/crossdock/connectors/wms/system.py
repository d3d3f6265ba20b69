"""What a connection to a warehouse needs, and the connector its verbs are declared on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.link import Answer
from crossdock.connect.secrets import Secret
from crossdock.connectors.wms.door import door
from crossdock.kernel.faults import Fault, Refused


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`url` is the address before `/v1`; `webhook_secrets` holds several while they are being rotated."""

    url: str
    api_key: Secret
    webhook_secrets: tuple[Secret, ...] = ()
    timeout_seconds: float = 30.0
    calls_per_second: float = 20.0
    burst: int = 40


connector = Connector("wms", Settings, door=door)


def key_header(settings: Settings) -> Mapping[str, str]:
    return {"X-Api-Key": settings.api_key.reveal()}


def unexpected(answer: Answer) -> Fault:
    """A refusal of a whole call: of the address when there is no such endpoint, otherwise of what was sent."""
    if answer.status in (404, 405):
        return Refused(f"HTTP {answer.status}: no warehouse API at this address; check url")
    return answer.rejected()
