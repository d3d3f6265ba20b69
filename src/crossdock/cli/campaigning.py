"""`crossdock campaign`: what newer rules would do about older facts, proposed, approved within caps, and followed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from crossdock.cli.app import EXIT_FOUND, Failure
from crossdock.cli.asking import ask
from crossdock.cli.wording import amount, day_and_clock, name_of
from crossdock.govern.people import named
from crossdock.govern.settings import Settings
from crossdock.kernel.money import Money, from_decimal
from crossdock.settle import campaigning
from crossdock.settle.campaigning import Caps, DryRun, Part
from crossdock.settle.rules import rules_seen
from crossdock.store import campaigns
from crossdock.store.campaigns import Campaign
from crossdock.store.database import Database
from crossdock.store.decisions import NotDecidable

ROLE = "campaigns"
"""The role of those who may approve one."""
_EXAMPLES_MAX = 3


def proposed(part: Part, by: str) -> DryRun:
    async def work(database: Database, told: Settings) -> DryRun:
        async with database.transaction() as tx:
            rules = await rules_seen(tx, told)
        return await campaigning.propose(database, rules, part, by)

    return ask(work)


def approved(digest: str, by: str, count_max: int, amounts: Sequence[str], hours: int) -> tuple[int, DryRun, datetime]:
    """Approve a proposal within caps; one line and exit code 1 when it doesn't fit, or isn't theirs to approve."""
    caps = Caps(count_max, _amounts(amounts), hours)

    async def work(database: Database, told: Settings) -> tuple[int, DryRun, datetime]:
        person = named(told.people, ROLE, by)
        if person is None:
            known = ", ".join(told.people.get(ROLE, ())) or "nobody yet"
            raise NotDecidable(f"{by} may not approve campaigns; people.{ROLE} in the settings is {known}")
        async with database.transaction() as tx:
            return await campaigning.approve(tx, await rules_seen(tx, told), digest, person, caps)

    try:
        return ask(work)
    except NotDecidable as error:
        raise Failure(str(error), EXIT_FOUND) from error


def _amounts(told: Sequence[str]) -> dict[str, Money[Any]]:
    """`1000.00 USD`, once for each currency."""
    amounts: dict[str, Money[Any]] = {}
    for text in told:
        number, _, currency = text.strip().partition(" ")
        try:
            cap = from_decimal(number, currency.strip())
        except ValueError as error:
            raise Failure(f"--money-max: {text!r} is no amount; write for instance '1000.00 USD'") from error
        if not (cap.currency.isalpha() and cap.currency.isupper() and len(cap.currency) == 3):
            raise Failure(f"--money-max: {text!r} names no currency; write for instance '1000.00 USD'")
        if cap.minor < 0 or cap.currency in amounts:
            raise Failure(f"--money-max: {text!r} is negative, or its currency was named before")
        amounts[cap.currency] = cap
    return amounts


def listed() -> list[Campaign]:
    async def work(database: Database, _: Settings) -> list[Campaign]:
        async with database.transaction() as tx:
            return await campaigns.campaigns(tx)

    return ask(work)


def proposed_as_text(found: DryRun) -> str:
    if not found.acts:
        return "Nothing is withheld there."
    lines = [f"{len(found.acts)} acts{_money(found.worth)}; digest {found.digest}"]
    for (kind, target), count in Counter((act.kind, act.target) for act in found.acts).most_common():
        lines.append(f"{count:>7}  {name_of(kind)} at {target}")
        examples = [act for act in found.acts if (act.kind, act.target) == (kind, target)][:_EXAMPLES_MAX]
        lines += [f"         e.g. {act.entity}: {act.name}" for act in examples]
    caps = "".join(f" --money-max '{amount(minor, currency)}'" for currency, minor in found.worth.items())
    lines.append(f"crossdock campaign approve {found.digest[:16]} --count-max {len(found.acts)}{caps}")
    return "\n".join(lines)


def _money(worth: dict[str, int]) -> str:
    return "".join(f", {amount(minor, currency)}" for currency, minor in worth.items())


def proposed_as_builtins(found: DryRun) -> dict[str, Any]:
    return {
        "digest": found.digest if found.acts else None,
        "count": len(found.acts),
        "worth": {currency: amount(minor, currency) for currency, minor in found.worth.items()},
        "acts": [
            {
                "entity": act.entity,
                "name": act.name,
                "target": act.target,
                "amount": None if act.amount is None else str(act.amount),
            }
            for act in found.acts
        ],
    }


def approved_as_text(id_: int, found: DryRun, expires_at: datetime) -> str:
    return f"Campaign {id_} lets {len(found.acts)} acts{_money(found.worth)} through until {day_and_clock(expires_at)}."


def as_text(found: list[Campaign]) -> str:
    if not found:
        return "No campaigns."
    return "\n".join(_line(each) for each in found)


def _line(each: Campaign) -> str:
    if each.approved_at is None or each.expires_at is None:
        how = f"by {each.proposed_by} at {day_and_clock(each.proposed_at)}, for nobody has approved it"
    else:
        caps = "".join(f" and {amount(minor, currency)}" for currency, minor in sorted(each.money_max.items()))
        over = f", {each.over_cap} over the cap" if each.over_cap else ""
        how = (
            f"by {each.approved_by} up to {each.count_max} acts{caps} until {day_and_clock(each.expires_at)}:"
            f" {each.sealed} sent, {each.confirmed} confirmed{over}"
        )
    return f"{each.id:>6}  {each.digest[:16]}  {each.state:<8}  {each.acts} acts{_money(dict(each.worth))}; {how}"


def as_builtins(found: list[Campaign]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "digest": each.digest,
            "state": each.state,
            "part": msgspec.json.decode(each.part),
            "acts": each.acts,
            "worth": {currency: amount(minor, currency) for currency, minor in each.worth.items()},
            "proposed_by": each.proposed_by,
            "proposed_at": each.proposed_at,
            "approved_by": each.approved_by,
            "approved_at": each.approved_at,
            "count_max": each.count_max,
            "money_max": {currency: amount(minor, currency) for currency, minor in each.money_max.items()},
            "expires_at": each.expires_at,
            "sealed": each.sealed,
            "confirmed": each.confirmed,
            "over_cap": each.over_cap,
        }
        for each in found
    ]
