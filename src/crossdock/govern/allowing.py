"""Policies as they go live: each kept with its moment, and, where the settings say so, only those that two people want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from crossdock.govern.settings import Settings
from crossdock.govern.shaping import BadSettings
from crossdock.kernel.ids import digest
from crossdock.promises.policy import Policy
from crossdock.store import governing
from crossdock.store.database import Transaction


class PolicyWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Another policy, by its digest, and what a dry run said it would change."""

    digest: str
    policy: Any
    differences: Any = None


def digest_of(policy: Policy) -> str:
    return digest(msgspec.json.encode(policy, order="deterministic")).hex()


async def keep_policy(tx: Transaction, settings: Settings) -> None:
    """Note that a hub runs under this policy; `BadSettings` when it takes two people's yes and has not got it."""
    own = digest_of(settings.policy)
    ran, any_, allowed = await governing.policy_known(tx, own)
    if any_ and not ran and not allowed and "policies" in settings.governance.two_people:
        raise BadSettings(
            f"policy: two people have to want this policy ({own[:16]}) before a process may start under it;"
            " ask with: crossdock policy propose, and have somebody else approve it: crossdock changes approve"
        )
    if not ran:
        await governing.keep_policy(tx, own, msgspec.json.encode(settings.policy))


def differing(was: Any, now: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of everything that differs between two policies as JSON has them."""
    if isinstance(was, dict) and isinstance(now, dict):
        before, after = cast("Mapping[str, Any]", was), cast("Mapping[str, Any]", now)
        for name in sorted(before.keys() | after.keys()):
            yield from differing(before.get(name), after.get(name), f"{at}.{name}".lstrip("."))
    elif isinstance(was, list) and isinstance(now, list):
        first, second = cast("list[Any]", was), cast("list[Any]", now)
        for nth in range(max(len(first), len(second))):
            one, other = (each[nth] if nth < len(each) else None for each in (first, second))
            yield from differing(one, other, f"{at}[{nth}]")
    elif was != now:
        yield at, was, now
