"""The policies lives are lived under: terms of returns of every kind, some of them changing on the way."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from crossdock.promises.policy import Deadlines, Policy, Roles
from crossdock.promises.terms import Recognition, ReturnTerms
from tests.lives.goods import CURRENCIES
from tests.lives.reality import BEGIN

_ROLES = Roles(erp="erp", warehouse="warehouse", mail=None, payments="psp")


def _amounts(major: int) -> dict[str, str]:
    """So many of a small coin's worth in every currency: 5 is 5 dollars, 500 yen and half a dinar."""
    return {
        currency: {0: str(major * 100), 2: f"{major}.00", 3: f"{major / 10:.3f}"}[digits]
        for currency, digits in CURRENCIES.items()
    }


def _terms(luck: Random, version: str, **more: Any) -> ReturnTerms:
    given: dict[str, Any] = {"version": version, "inspect": luck.random() < 0.6, **more}
    if luck.random() < 0.3:
        given["fee"] = _amounts(luck.choice((1, 5)))
    if luck.random() < 0.4:
        given["delivery"] = "never"
    if luck.random() < 0.25:
        given["approve_over"] = _amounts(luck.choice((1, 20)))
    if luck.random() < 0.08:
        given["second_approver_over"] = _amounts(30)
        given.setdefault("approve_over", _amounts(20))
    if luck.random() < 0.08:
        given["daily_refunds_max"] = _amounts(luck.choice((20, 100)))
    if luck.random() < 0.1:
        given["window_days"] = 1
    given["exchange_ships"] = luck.choice(("received", "received", "announced"))
    given["exchange_dearer"] = luck.choice(("paid", "paid", "owed"))
    given["exchange_rest"] = luck.choice(("refund", "refund", "store_credit"))
    given["exchange_days"] = luck.choice((1, 30, 30))
    return ReturnTerms(**given)


def policy_for(luck: Random, world: Random) -> Policy:
    terms = [_terms(luck, "1")]
    if luck.random() < 0.3:
        terms.append(_terms(luck, "2", since=BEGIN + timedelta(hours=luck.choice((2, 30, 80)))))
    if world.random() < 0.2:
        daily = _amounts(world.choice((5, 20, 40)))
        terms = [msgspec.structs.replace(each, daily_refunds_max=daily) for each in terms]
    days = world.choice((1, 14, 14))
    when = world.choice(("shipped", "shipped", "ordered", "delivered"))
    recognition = [Recognition(when=when, transit_days=world.choice((1, 10)))]
    if world.random() < 0.3:  # not of this order: it was placed before
        recognition.append(Recognition(since=BEGIN + timedelta(hours=2), when="shipped", transit_days=3))
    return Policy(
        deadlines=Deadlines(return_minutes=days * 24 * 60),
        roles=_ROLES,
        returns=tuple(terms),
        recognition=tuple(recognition),
        tolerance_minor=luck.choice((0, 1, 1)),
        capture_when="shipped" if world.random() < 0.25 else "channel",
        left_unordered="keep" if world.random() < 0.3 else "case",
        emptied="refund" if world.random() < 0.5 else "case",
    )
