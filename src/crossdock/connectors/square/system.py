"""What a connection to Square needs, and the connector its verbs are declared on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.link import Answer
from crossdock.connect.secrets import Secret
from crossdock.connectors.square.door import door
from crossdock.kernel.faults import Fault, Refused

VERSION = "2025-10-16"
"""The dated version of Square's API that the wire types were written from."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`url` is the address before `/v2`; `locations` are Square's ids of the shops, which a search of orders must name.

    A webhook secret is a subscription's signature key, a blank, and its notification URL as Square has it: Square signs both.
    """

    url: str = "https://connect.squareup.com"
    access_token: Secret
    locations: tuple[str, ...]
    stores: dict[str, str] = {}
    """Our code of a location to Square's id of the shop, where they differ."""
    webhook_secrets: tuple[Secret, ...] = ()
    timeout_seconds: float = 30.0
    # Square publishes no limit, only the advice to slow down on 429.
    calls_per_second: float = 10.0
    burst: int = 20
    overlap_seconds: float = 60.0

    @property
    def location_codes(self) -> Mapping[str, str]:
        """Our codes by Square's ids of the shops."""
        return {id_: code for code, id_ in self.stores.items()}


connector = Connector("square", Settings, door=door)


def headers(settings: Settings) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {settings.access_token.reveal()}", "Square-Version": VERSION}


def unexpected(answer: Answer) -> Fault:
    """A refusal of a whole call: of the address when there is no such endpoint, otherwise of what was sent."""
    if answer.status in (404, 405):
        return Refused(f"HTTP {answer.status}: no Square API at this address; check url")
    return answer.rejected()
