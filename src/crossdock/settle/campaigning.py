"""Campaigns: what newer rules would do about older facts, listed as a dry run and let through by a person, within caps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from crossdock.kernel.ids import digest
from crossdock.kernel.money import AnyMoney, Money
from crossdock.promises.campaigns import act_digest, worth
from crossdock.promises.obligations import Act
from crossdock.settle.reading import Read, read
from crossdock.settle.rules import Rules
from crossdock.settle.settling import changes_for
from crossdock.store import campaigns, documents, settling
from crossdock.store.database import Database, Transaction
from crossdock.store.decisions import Decider, NotDecidable

_BATCH = 500


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a campaign is proposed over; None means all."""

    kinds: tuple[str, ...] = ()
    """Kinds of promises, as the first word of their names: `refund`, `credit_memo`."""
    entities: tuple[str, ...] = ()
    since: datetime | None = None
    """Only acts whose cause changed at this time or later."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One act a campaign would let through."""

    entity: str
    name: str
    target: str
    amount: AnyMoney | None
    digest: str

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0].partition("@")[0]


@dataclass
class DryRun:
    """The acts of a proposal, and what binds an approval to exactly them."""

    acts: list[Listed] = field(default_factory=list[Listed])

    @property
    def digest(self) -> str:
        return digest(msgspec.json.encode(sorted([a.entity, a.name, a.target, a.digest] for a in self.acts))).hex()

    @property
    def worth(self) -> dict[str, int]:
        """Minor units by currency."""
        sums: Counter[str] = Counter()
        for act in self.acts:
            if act.amount is not None:
                sums[act.amount.currency] += abs(act.amount.minor)
        return dict(sorted(sums.items()))


async def propose(database: Database, rules: Rules, part: Part, by: str) -> DryRun:
    """List what is withheld of a part; kept as a proposal, by its digest, when there is anything."""
    async with database.transaction() as tx:
        found = await dry_run(tx, rules, part)
        if found.acts:
            encoded = msgspec.json.encode(part).decode()
            await campaigns.propose(tx, found.digest, encoded, len(found.acts), found.worth, by)
    return found


async def dry_run(tx: Transaction, rules: Rules, part: Part) -> DryRun:
    """What is withheld of a part now; nothing is written."""
    found = DryRun()
    asked: Sequence[str | None] = part.entities or (None,)
    entities = [key for one in asked for key in await campaigns.withheld_or_unsettled(tx, rules.code, one)]
    for start in range(0, len(entities), _BATCH):
        unsettled = await settling.entities_by_key(tx, entities[start : start + _BATCH])
        record = await settling.on_record(tx, unsettled, rules.code)
        for each in read(unsettled, record, rules.targets, record.as_of):
            found.acts.extend(_withheld_of(each, rules, part))
    found.acts.sort(key=lambda act: (act.entity, act.name))
    return found


def _withheld_of(each: Read, rules: Rules, part: Part) -> list[Listed]:
    held_back = set(changes_for(each, rules).withheld)
    if not held_back:
        return []
    acts = {o.name: o for o in rules.owed(each.standing, rules.policy) if isinstance(o, Act) and o.name in held_back}
    listed = [
        Listed(each.unsettled.entity, act.name, act.to, worth(act.body), act_digest(act))
        for act in acts.values()
        if part.since is None or act.cause.changed_at >= part.since
    ]
    return [act for act in listed if not part.kinds or act.kind in part.kinds]


@dataclass(frozen=True, slots=True)
class Caps:
    """How much of a campaign a person allows."""

    count_max: int
    money_max: dict[str, Money[Any]]
    hours: int = 24


async def approve(tx: Transaction, rules: Rules, digest_: str, by: str, caps: Caps) -> tuple[int, DryRun, datetime]:
    """Let a proposal's acts through, up to the caps; answers its id, its acts and when it expires.

    `NotDecidable` when it isn't what was proposed any more: somebody has to look at it again.
    """
    proposal = await _proposal(tx, digest_)
    found = await dry_run(tx, rules, msgspec.json.decode(proposal.part, type=Part))
    if found.digest != proposal.digest:
        raise NotDecidable(
            f"campaign {digest_} is not what was proposed any more: {len(found.acts)} acts now, with digest"
            f" {found.digest[:16]}; look at it again: crossdock campaign propose"
        )
    if lacking := sorted(found.worth.keys() - caps.money_max.keys()):
        moved: AnyMoney = Money(found.worth[lacking[0]], lacking[0])
        raise NotDecidable(f"the campaign moves {moved}; cap that, too: --money-max '{moved}'")
    # First, for settling locks in this order too.
    await documents.mark_dirty(tx, {act.entity for act in found.acts})
    expires_at = await campaigns.approve(
        tx, proposal.id, by, caps.count_max, {c: m.minor for c, m in caps.money_max.items()}, caps.hours
    )
    await campaigns.cover(tx, proposal.id, [(act.entity, act.name, act.digest) for act in found.acts])
    await settling.withhold(tx, [(act.entity, act.name) for act in found.acts], rules.code)
    await Decider(tx, by).record(
        "campaign",
        campaign=proposal.id,
        campaign_digest=proposal.digest,
        acts=len(found.acts),
        worth=found.worth,
        count_max=caps.count_max,
        money_max={c: str(m) for c, m in caps.money_max.items()},
        expires_at=expires_at,
    )
    return proposal.id, found, expires_at


async def _proposal(tx: Transaction, digest_: str) -> campaigns.Proposal:
    if len(digest_) < 8:
        raise NotDecidable(f"{digest_!r} is too short a digest; give at least its first 8 characters")
    found = await campaigns.proposed(tx, digest_.lower())
    if not found:
        raise NotDecidable(f"no open proposal has the digest {digest_}; make one: crossdock campaign propose")
    if len(found) > 1:
        raise NotDecidable(f"{digest_} fits {len(found)} proposals; give more of it")
    return found[0]
