"""The policy as the settings tell it, checked beyond its types: amounts are amounts, and versions of terms don't coincide."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from crossdock.govern.shaping import BadSettings, shaped
from crossdock.kernel.money import from_decimal
from crossdock.promises.policy import Policy
from crossdock.promises.terms import Recognition, ReturnTerms

_AMOUNTS = ("fee", "approve_over", "second_approver_over", "daily_refunds_max")
_CURRENCY = re.compile("[A-Z]{3}")


def policy_from(told: Mapping[str, object], roles: object) -> Policy:
    """`[policy]` and `[roles]`; `BadSettings` names the key that is wrong."""
    _check_currencies(told.get("returns"))
    policy = shaped(Policy, {**told, "roles": roles}, "policy")
    for at, terms in enumerate(policy.returns):
        _check_terms(terms, f"policy.returns[{at}]")
    _check_versions(policy.returns, "policy.returns")
    _check_versions(policy.recognition, "policy.recognition")
    for at, recognition in enumerate(policy.recognition):
        if recognition.transit_days < 1:
            key = f"policy.recognition[{at}].transit_days"
            raise BadSettings(f"{key}: {recognition.transit_days} is too little; write 1 or more")
    for name in ("pick_minutes", "hold_days"):
        if getattr(policy.pickup, name) < 1:
            raise BadSettings(f"policy.pickup.{name}: {getattr(policy.pickup, name)} is too little; write 1 or more")
    return policy


def _check_currencies(returns: object) -> None:
    """Before the types are: they would only say which pattern a key has missed."""
    if not isinstance(returns, list):
        return
    for at, terms in enumerate(cast("list[object]", returns)):
        told: dict[str, object] = cast("dict[str, object]", terms) if isinstance(terms, dict) else {}
        for name in _AMOUNTS:
            amounts = told.get(name)
            for currency in cast("dict[str, object]", amounts) if isinstance(amounts, dict) else ():
                if not _CURRENCY.fullmatch(currency):
                    key = f"policy.returns[{at}].{name}.{currency}"
                    raise BadSettings(f"{key}: {currency!r} is no currency; write its ISO code, such as USD")


def _check_terms(terms: ReturnTerms, key: str) -> None:
    for name, currency, amount in _amounts(terms):
        try:
            minor = from_decimal(amount, currency).minor
        except ValueError as error:
            remedy = "write digits and a point, such as 25.00"
            raise BadSettings(f"{key}.{name}.{currency}: {amount!r} is no amount; {remedy}") from error
        if minor < 0:
            raise BadSettings(f"{key}.{name}.{currency}: {amount!r} is negative; amounts here are zero or more")
    for name in ("window_days", "approval_hours", "approve_within_minutes", "exchange_days"):
        if getattr(terms, name) < (0 if name == "window_days" else 1):
            raise BadSettings(f"{key}.{name}: {getattr(terms, name)} is too little; write a positive number")
    if len(set(terms.tenders)) != len(terms.tenders):
        raise BadSettings(f"{key}.tenders: a tender is named twice; name each once, the first to be refunded first")


def _amounts(terms: ReturnTerms) -> Iterator[tuple[str, str, str]]:
    for name in _AMOUNTS:
        for currency, amount in cast("dict[str, str]", getattr(terms, name)).items():
            yield name, currency, amount


def _check_versions(versions: Sequence[ReturnTerms | Recognition], key: str) -> None:
    """Two versions from one moment on would leave it to their order in the file which one holds."""
    first: dict[object, int] = {}
    for at, terms in enumerate(versions):
        if terms.since in first:
            raise BadSettings(
                f"{key}[{at}].from: {terms.since.isoformat()} is the beginning of"
                f" {key}[{first[terms.since]}] already; give each version a moment of its own"
            )
        first[terms.since] = at
