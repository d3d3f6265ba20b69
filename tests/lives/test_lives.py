"""Q1, Q2, Q3 and the trial balance hold at rest, and S1 and S2 at every instant, in thousands of lives of orders.

`make nightly` lives a hundred thousand. One life again, told step by step:
`python -m tests.lives.telling <seed>`.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from crossdock.promises.obligations import ApprovalNeeded
from tests.lives.living import Life
from tests.lives.oracle import Watch

LIVES = int(os.environ.get("CROSSDOCK_LIVES", "4000"))
SLICE = 250
_SHOWN_MAX = 5


def _complaints(seeds: range) -> list[str]:
    found: list[str] = []
    for seed in seeds:
        life = Life(seed).live()
        found.extend(f"seed {seed}: {complaint}" for complaint in life.watch.judge(life.hub))
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, LIVES, SLICE))
def test_every_cent_and_unit_of_a_life_is_where_the_accountant_expects_it(first: int) -> None:
    found = _complaints(range(first, min(first + SLICE, LIVES)))
    assert not found, f"{len(found)} complaints\n" + "\n".join(found[:_SHOWN_MAX])


def test_the_same_seed_is_the_same_life() -> None:
    for seed in (3, 14, 15):
        one, other = Life(seed).live(), Life(seed).live()
        assert one.reality.story == other.reality.story
        assert [row.name for row in one.hub.rows] == [row.name for row in other.hub.rows]
        assert one.reality.psp.refunds == other.reality.psp.refunds


def test_lives_hold_everything_that_can_happen() -> None:
    seen: Counter[str] = Counter()
    for seed in range(600):
        life = Life(seed).live()
        seen.update(_kinds(life))
    rare = {kind: seen[kind] for kind in _EVERYTHING if seen[kind] < 10}
    assert not rare, (rare, seen)


_EVERYTHING = (
    "invoice", "credit_memo", "supplementary_invoice", "goods_return", "refund", "store_credit", "by hand", "failed",
    "open", "won", "lost", "approved", "rejected", "asked", "exchange", "nothing", "keeps", "cancelled", "JPY", "KWD",
    "gift_card", "cash", "further sale", "in doubt", "out of order", "several refunds of one cause", "two parcels",
    "two returns", "taken when it left", "given up", "exchanged", "paid on the next day", "emptied", "kept for nothing",
)  # fmt: skip


def _kinds(life: Life) -> set[str]:
    reality, names = life.reality, [row.name for row in life.hub.rows]
    kinds = {posted.kind for posted in reality.erp.posted} | {name.split(":")[0] for name in names}
    kinds |= {dispute.status for dispute in reality.disputes} | {word.verdict for word in reality.verdicts}
    kinds |= {came.settle_by for came in reality.returns} | {tender.tender for tender in reality.psp.tenders.values()}
    kinds |= {entry.status if entry.reference else "by hand" for entry in reality.psp.refunds.values()}
    kinds.add(reality.basket.currency)
    odd = {
        "asked": any(isinstance(each, ApprovalNeeded) for each in life.hub.obligations),
        "keeps": any(line.keeps for came in reality.returns for line in came.lines),
        "cancelled": reality.cancelled_at is not None,
        "further sale": len(reality.erp.parts) > 1,
        "in doubt": any(row.attempts for row in life.hub.rows),
        "out of order": any(
            a.token > b.token and a[:3] == b[:3] for a, b in zip(life.heard, life.heard[1:], strict=False)
        ),
        "several refunds of one cause": any(name.startswith("refund:") and name.endswith(":2") for name in names),
        "two parcels": len(reality.parcels) > 1,
        "two returns": len(reality.returns) > 1,
        "taken when it left": any(name.startswith("capture:") for name in names),
        "given up": any(name.startswith("void:") for name in names),
        "exchanged": life.watch.accountant.exchange_difference() != 0,
        "paid on the next day": life.paid_on_the_next_day,
        "emptied": reality.cancelled_at is None and not any(line.units for line in reality.basket.lines),
        "kept for nothing": any(reality.warehouse.left[line.id] > line.units for line in reality.basket.lines),
    }
    return kinds | {kind for kind, is_so in odd.items() if is_so}


def _a_cent_more_is_refunded(life: Life) -> bool:
    entries = [entry for entry in life.reality.psp.refunds.values() if entry.reference and entry.status != "failed"]
    if not entries or life.reality.psp.tenders[entries[0].payment].left < 1:
        return False
    entries[0].amount += 1
    life.reality.psp.tenders[entries[0].payment].refunded += 1
    return True


def _a_correction_is_lost(life: Life) -> bool:
    corrections = [posted for posted in life.reality.erp.posted if posted.kind != "invoice" and posted.total > 1]
    if not corrections:
        return False
    life.reality.erp.posted.remove(corrections[0])
    return True


def _a_correction_is_posted_twice(life: Life) -> bool:
    corrections = [posted for posted in life.reality.erp.posted if posted.kind != "invoice" and posted.total > 1]
    life.reality.erp.posted.extend(corrections[:1])
    return bool(corrections)


def _tax_is_billed_at_another_rate(life: Life) -> bool:
    for posted in life.reality.erp.posted:
        for (line, component, rate), amount in list(posted.bill.items()):
            if component == "tax" and amount > 20:
                del posted.bill[line, component, rate]
                posted.bill[line, component, "0.99"] = amount
                return True
    return False


def _goods_are_received_twice(life: Life) -> bool:
    back, late = life.reality.erp.goods_back, life.watch.look().late
    for key in back:
        if key[0] not in late:  # whose goods a person moves
            back[key] += 1
            return True
    return False


def _a_refund_is_paid_twice(life: Life) -> bool:
    asked = [entry for entry in life.reality.psp.refunds.values() if entry.reference]
    if not asked:
        return False
    life.reality.psp.refunds["again"] = asked[0]
    return True


def _new_goods_that_were_given_up_stay_asked_for(life: Life) -> bool:
    asked = life.reality.warehouse.to_leave
    new = [line for line in asked if "+" in line]
    for line in new:
        asked[line] += 1
    return bool(new) and not life.hub.cases


def _all_is_settled(life: Life) -> bool:
    """No complaint, and nothing that would explain a difference: nobody owes and nothing is held."""
    truth, reality = life.watch.look(), life.reality
    others = any(not entry.reference or entry.status == "failed" for entry in reality.psp.refunds.values())
    plain = not (others or reality.disputes or truth.debt or truth.exchanged) and life.watch.peak == truth.entitled
    given = sum(entry.amount for entry in reality.psp.refunds.values()) + sum(reality.channel.credits.values())
    return plain and given == truth.entitled and not Watch(reality, life.policy).judge(life.hub)


_TAMPERED = (
    _a_cent_more_is_refunded,
    _a_correction_is_lost,
    _a_correction_is_posted_twice,
    _tax_is_billed_at_another_rate,
    _goods_are_received_twice,
    _a_refund_is_paid_twice,
)


@pytest.mark.timeout(300)
def test_the_accountant_notices_books_that_were_tampered_with() -> None:
    """Each life that is settled is lived once more for each way that it is tampered with."""
    tampered: Counter[str] = Counter()
    for seed in range(900):
        life, again = Life(seed).live(), None
        for tamper in _TAMPERED if _all_is_settled(life) else ():
            again = again or Life(seed).live()
            if tamper(again):
                tampered[tamper.__name__] += 1
                assert Watch(again.reality, again.policy).judge(again.hub), (tamper.__name__, seed)
                again = None
        if not life.watch.judge(life.hub) and _new_goods_that_were_given_up_stay_asked_for(life):
            tampered["new goods"] += 1
            assert life.watch.judge(life.hub), ("new goods", seed)
    assert all(tampered[tamper.__name__] > 5 for tamper in _TAMPERED), tampered
    assert tampered["new goods"] > 5
