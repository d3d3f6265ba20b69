"""What a connection to a Stripe account needs, and the connector its verbs are declared on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import urlencode

import msgspec

from crossdock.connect.connector import Connector
from crossdock.connect.link import Answer, Link
from crossdock.connect.secrets import Secret
from crossdock.connectors.stripe.door import door_for
from crossdock.kernel.faults import Fault, Refused, Rejected, Transient

ORDER = re.compile(r"[!-~]{1,120}")
"""An order's id as payments name it in their metadata."""
API_VERSION = "2026-10-28.endive"
"""Pinned, so that an upgrade of the account changes no answer. Since 2025-03-31 a partial capture makes no refund object."""
_KEPT_MARK = "Idempotent-Replayed"
"""Stripe keeps what it answered a key first, a 500 included, and says `true` here whenever it repeats that."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One account. Its webhook endpoint is subscribed to `payment_intent.*`, `charge.*` and `refund.*`; what it is sent
    besides is ignored by name.
    """

    url: str = "https://api.stripe.com"
    """Stripe's address, unless a test stands in for it."""
    api_key: Secret
    """A secret or restricted key that may write payment intents and refunds, and read charges, disputes and events."""
    webhook_secrets: tuple[Secret, ...] = ()
    orders_of: str = ""
    """The connection whose orders are paid here; payments name them by `metadata.order`, the id without `#` or prefix."""
    settles_in: Annotated[str, msgspec.Meta(pattern="^([A-Z]{3})?$")] = ""
    """The currency the account is paid out in. What is taken or given back in another is read again for what it came to;
    empty: nothing is, and differences of exchange are not posted."""
    timeout_seconds: float = 30.0
    calls_per_second: float = 20.0
    """Stripe allows 100 a second, 25 in test mode."""
    burst: int = 40


connector = Connector("stripe", Settings)
connector.door = door_for(connector.topics)


class _Told(msgspec.Struct, frozen=True):
    type: str = ""
    code: str | None = None
    message: str | None = None
    param: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    error: _Told


async def get(path: str, link: Link[Settings]) -> Answer | None:
    """What is at the path; None when Stripe says that there is no such thing."""
    answer = await link.http.get(path, headers=_headers(link.settings))
    if answer.status == 404 and _told(answer).code == "resource_missing":
        return None
    if not answer.ok:
        raise fault_of(answer)
    return answer


async def post(path: str, fields: Iterable[tuple[str, str]], key: str, link: Link[Settings]) -> Answer:
    """Do it once per idempotency key; a refusal is raised as the fault it stands for."""
    headers = _headers(link.settings)
    headers |= {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": key}
    form = urlencode(list(fields)).encode()
    answer = await link.http.send("POST", path, form, headers=headers, kept_mark=_KEPT_MARK)
    if not answer.ok:
        raise fault_of(answer)
    return answer


def fault_of(answer: Answer) -> Fault:
    """What a 4xx stands for that isn't everybody's: nothing has happened in any of them."""
    told = _told(answer)
    detail = f"{told.code or told.type or answer.status}: {told.message or ''}"
    if answer.status == 409:  # another request with this key is under way, or somebody holds the object
        return Transient(f"HTTP 409: {detail}")
    if answer.status == 404 and not told.type:
        return Refused("HTTP 404: no Stripe API at this address; check url")
    if answer.status in (404, 400, 402) and told.type:
        return Rejected(detail, field=told.param)
    return answer.rejected()


def _told(answer: Answer) -> _Told:
    try:
        return msgspec.json.decode(answer.body, type=_Problem).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Told(message=answer.body[:200].decode(errors="replace"))


def _headers(settings: Settings) -> dict[str, str]:
    authorization: Mapping[str, str] = {"Authorization": f"Bearer {settings.api_key.reveal()}"}
    return {**authorization, "Stripe-Version": API_VERSION}
