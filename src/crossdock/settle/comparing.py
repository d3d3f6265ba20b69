"""What another policy would make of what is known: the pure core run over stored entities under both, nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from crossdock.kernel.ids import digest
from crossdock.kernel.money import AnyMoney
from crossdock.promises.campaigns import worth
from crossdock.promises.difference import Changes, encode
from crossdock.promises.obligations import Act, Obligation, Owed
from crossdock.promises.policy import Policy
from crossdock.settle.reading import Read, read
from crossdock.settle.rules import Rules, code_digest
from crossdock.settle.settling import changes_for
from crossdock.store import settling
from crossdock.store.database import Database

BATCH = 500


@dataclass(frozen=True, slots=True)
class Differing:
    """One thing that is otherwise under the other policy: what (`owed`, `not owed`, `changed`, …), and of which entity."""

    what: str
    entity: str
    name: str
    target: str
    amount: AnyMoney | None
    mark: str
    """Tells two contents of one thing apart."""

    @property
    def kind(self) -> str:
        """`refund:return:shop:R7:pi_1:1` is a refund."""
        return self.name.partition(":")[0].partition("@")[0]


@dataclass
class Comparison:
    entities: int = 0
    differing: list[Differing] = field(default_factory=list[Differing])

    @property
    def digest(self) -> str:
        """The same for the same differences, whatever the order they were found in."""
        told = sorted([d.what, d.entity, d.name, d.target, d.mark] for d in self.differing)
        return digest(msgspec.json.encode(told)).hex()


async def compare(database: Database, live: Rules, policy: Policy, entities: Sequence[str]) -> Comparison:
    """These entities under the live rules and under the same code with another policy, as if it went live now."""
    comparison = Comparison()
    for start in range(0, len(entities), BATCH):
        async with database.reading() as tx:
            unsettled = await settling.entities_by_key(tx, entities[start : start + BATCH])
            record = await settling.on_record(tx, unsettled, live.code)
        other = replace(live, policy=policy, code=code_digest(policy), live_at=record.as_of)
        for each in read(unsettled, record, live.targets, record.as_of):
            comparison.entities += 1
            comparison.differing.extend(_differing(each, live, other))
    return comparison


def _differing(each: Read, live: Rules, other: Rules) -> Iterator[Differing]:
    """Both sides as sets of what would be done, waited for, allowed and in trouble; what is on one side only differs."""
    now, then = _said(each, live), _said(each, other)
    for key in sorted(now.keys() | then.keys()):
        was, would = now.get(key), then.get(key)
        if was is None and would is not None:
            yield would
        elif would is None and was is not None:
            yield replace(was, what=_OTHERWISE[was.what])
        elif was is not None and would is not None and was.mark != would.mark:
            yield replace(would, what="changed")


_OTHERWISE = {
    "owed": "not owed",
    "held back": "not owed",
    "approval": "no approval",
    "wait": "no wait",
    "trouble": "no trouble",
}


def _said(each: Read, rules: Rules) -> dict[tuple[str, str, str], Differing]:
    entity, changes = each.unsettled.entity, changes_for(each, rules)
    held_back = set(changes.withheld)
    found = [*_owed(each, rules, held_back), *_expected(entity, changes)]
    return {("owed" if d.what == "held back" else d.what, d.name, d.target): d for d in found}


def _owed(each: Read, rules: Rules, held_back: set[str]) -> Iterator[Differing]:
    """Acts and states that are not done yet. What was sealed is done, whatever a policy says now."""
    for obligation in _obligations(each, rules):
        if not isinstance(obligation, Owed) or obligation.name in each.standing.sealed:
            continue
        amount = worth(obligation.body) if isinstance(obligation, Act) else None
        what = "held back" if obligation.name in held_back else "owed"
        mark = digest(encode(obligation.body)).hex()
        yield Differing(what, each.unsettled.entity, obligation.name, obligation.to, amount, mark)


def _obligations(each: Read, rules: Rules) -> Sequence[Obligation]:
    try:
        return list(rules.owed(each.standing, rules.policy))
    except Exception:  # noqa: BLE001  # told as the trouble that `changes_for` makes of it
        return ()


def _expected(entity: str, changes: Changes) -> Iterator[Differing]:
    for needed in changes.approvals:
        yield Differing("approval", entity, needed.name, needed.role, needed.amount, f"{needed.digest}/{needed.people}")
    asked = {f"approval:{needed.name}" for needed in changes.approvals}
    for wait in changes.waits:
        if wait.name not in asked:
            yield Differing("wait", entity, wait.name, wait.on, None, "")
    for trouble in changes.troubles:
        yield Differing("trouble", entity, trouble.cause, "", None, trouble.detail)
