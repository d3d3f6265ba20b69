"""`[api]` of the settings: who is let in to the REST API, for how long, and which of its operations are to go."""

from __future__ import annotations

from datetime import datetime

import msgspec

from crossdock.connect.secrets import Secret
from crossdock.govern.shaping import BadSettings, check_long_enough, shaped


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


def api_from(told: object) -> ApiSettings:
    api = shaped(ApiSettings, told, "api")
    check_long_enough("api.secrets", api.secrets)
    if not 60 <= api.token_seconds <= 24 * 3600:
        raise BadSettings(f"api.token_seconds: {api.token_seconds} is not between a minute and a day")
    for name, each in api.deprecated.items():
        if each.sunset is not None and each.sunset < each.since:
            raise BadSettings(f"api.deprecated.{name}.sunset: nothing is gone before it is deprecated")
        if not each.more.isascii() or {*'<>"\\\r\n '} & {*each.more}:
            raise BadSettings(f"api.deprecated.{name}.more: an address has no blanks, quotes and brackets")
    return api
