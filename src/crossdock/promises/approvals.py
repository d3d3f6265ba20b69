"""People's word on an act: bound to its amount, payee and cause, counted once a person, and only while it holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from crossdock.canonical.returns import Approval
from crossdock.kernel.ids import digest
from crossdock.kernel.money import AnyMoney
from crossdock.promises.standing import Standing


def digest_of(amount: AnyMoney, payee: str, cause: str) -> str:
    """What an approval is bound to, in 32 hex digits; any other amount, payee or cause is another."""
    return digest(msgspec.json.encode([amount.minor, amount.currency, payee, cause])).hex()


def approved(standing: Standing, digest: str, people: int, role: str) -> datetime | None:
    """Until when as many different people's approvals hold as are needed; None when they don't, or when one said no.

    Judged at the standing's time. Of more people than needed those whose word holds longest are counted.
    """
    words = [word for word in _latest_words(standing, digest) if word.role == role]
    if rejected(standing, digest) is not None:
        return None
    ends = sorted(
        (word.expires_at for word in words if word.verdict == "approved" and word.expires_at > standing.as_of),
        reverse=True,
    )
    return ends[people - 1] if 0 < people <= len(ends) else None


def rejected(standing: Standing, digest: str) -> Approval | None:
    """The first standing no: it doesn't run out, but whoever said it may change their mind."""
    refusals = [word for word in _latest_words(standing, digest) if word.verdict == "rejected"]
    return min(refusals, key=lambda word: (word.decided_at, word.by.casefold()), default=None)


def _latest_words(standing: Standing, digest: str) -> Iterator[Approval]:
    """Each person's last word on it; of two at one moment the no."""
    latest: dict[str, Approval] = {}
    for fact in standing.of("approval"):
        word: Approval = fact.body
        if word.digest != digest:
            continue
        held = latest.get(word.by.casefold())
        if held is None or _weight(word) > _weight(held):
            latest[word.by.casefold()] = word
    return iter(latest.values())


def _weight(word: Approval) -> tuple[datetime, bool, datetime, str, str, str]:
    """The last three only tell two of one moment apart, so that a rebuild in another order takes the same."""
    return (word.decided_at, word.verdict == "rejected", word.expires_at, word.role, word.by, word.note)
