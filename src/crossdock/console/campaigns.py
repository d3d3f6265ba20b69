"""One campaign: the acts it would let through, and somebody of its role who allows them within caps."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.cli.campaigning import ROLE
from crossdock.console.asking import Answered, Asked, Denied, see, to
from crossdock.console.desk import Desk
from crossdock.console.signing_in import Person
from crossdock.govern.people import named
from crossdock.kernel.money import Money, from_decimal
from crossdock.settle import campaigning
from crossdock.settle.campaigning import Caps, DryRun, Part
from crossdock.settle.rules import rules_seen
from crossdock.store import campaigns as store
from crossdock.store.campaigns import Campaign
from crossdock.store.database import Transaction

_HOURS_MAX = 24 * 90


async def propose(desk: Desk, asked: Asked, person: Person) -> Answered:
    """List what is withheld, as a proposal that somebody may allow."""
    kind = asked.of_form("kind")
    async with desk.looking() as tx:
        rules = await rules_seen(tx, desk.settings)
    found = await campaigning.propose(desk.database, rules, Part(kinds=(kind,) if kind else ()), person.name)
    if not found.acts:
        raise Denied(409, "Nothing is withheld there", "Newer rules would do nothing about older facts.")
    async with desk.looking() as tx:
        made = next(each for each in await store.campaigns(tx) if each.digest == found.digest and not each.approved_at)
    return see(to("govern", "campaign", made.id))


async def campaign(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    async with desk.looking() as tx:
        held = await _held(tx, id_)
        found = DryRun()
        if held.approved_at is None:
            rules = await rules_seen(tx, desk.settings)
            found = await campaigning.dry_run(tx, rules, msgspec.json.decode(held.part, type=Part))
    may = named(desk.settings.people, ROLE, person.name) is not None
    same = found.digest == held.digest
    return desk.pages.page("campaign.html", asked, person, campaign=held, acts=found.acts, same=same, may=may)


async def approve(desk: Desk, asked: Asked, person: Person, id_: str) -> Answered:
    """Let it through, within caps; refused when it isn't what was shown any more."""
    by = named(desk.settings.people, ROLE, person.name)
    if by is None:
        raise Denied(403, "That is not yours to decide", f"It takes somebody of the role {ROLE}.")
    count, hours = asked.number("count"), asked.number("hours")
    if not (count >= 1 and 1 <= hours <= _HOURS_MAX):
        raise Denied(422, "Something is missing", "Say how many acts, and for how many hours.")
    async with desk.looking() as tx:
        held = await _held(tx, id_)
        caps = Caps(count, {currency: _cap(asked, currency) for currency in held.worth}, hours)
        await campaigning.approve(tx, await rules_seen(tx, desk.settings), held.digest, by, caps)
    desk.stored.set()
    return see(to("govern", "campaign", held.id))


def _cap(asked: Asked, currency: str) -> Money[Any]:
    try:
        cap = from_decimal(asked.of_form(f"money-{currency}"), currency)
    except ValueError as error:
        raise Denied(422, "That is no amount", "Write digits and a point, such as 1000.00.") from error
    if cap.minor < 0:
        raise Denied(422, "That is no amount", "A cap is zero or more.")
    return cap


async def _held(tx: Transaction, id_: str) -> Campaign:
    found = [each for each in await store.campaigns(tx) if str(each.id) == id_]
    if not found:
        raise Denied(404, "There is no such campaign", "The page of policies lists them.")
    return found[0]
