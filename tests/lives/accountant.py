"""An accountant of her own: from what truly happened she works out what must be so at rest, to the cent.

She shares no code with the hub's books and never looks into them: she reads the shop's basket, the parcels, the returns,
the allowances and the ledgers of the ERP and of the payment provider. Assumed, where the briefs leave room:

 1. What is charged for a line and each of its taxes are rounded apart; where prices include their taxes, the net is what
    those leave. What a buyer keeps of a line of n units with r returned is worth round(total x (n - r) / n), half away
    from zero; the r units are worth the rest.
 2. What should be billed for a line is the value of min(shipped, ordered) units by the line as it is now, or of those that
    arrived, or of all that are ordered, as the policy has it for when the order was placed, less exactly
    what the returns of it are worth; delivery and the tip are billed when the first unit leaves.
 3. Accepted are: units received (with a disposition, where the terms inspect) of a return that isn't cancelled or only
    requested, and units whose goods the buyer keeps once it is authorised. Each receipt counts when it comes.
 4. A return that is settled by nothing moves goods and no money: neither credit memo nor refund.
 5. New goods agreed on for a return cost what they cost, and what comes back for them pays for that as far as it goes:
    nothing of it is given back, and the rest is. Until it is there it may be expected, for so long as it may come. Goods that
    left are the buyer's; what was given back for the return pays for nothing. For a return without any of them:
    an exchange's value is credited, and stays with the buyer to pay for what else is ordered; whether the hub gives a
    surplus back is left open, within the exchange's value.
 6. The fee of a return is at most what it gives back, delivery included, has no tax, and is billed as component `fee`.
 7. Delivery (with its tax) goes back when every unit still ordered was accepted in returns other than those settled by
    nothing, by the terms of the latest of these returns. The tip stays.
 8. An allowance is gross. On a line it lowers its goods and taxes in their proportion (to a cent for each, its sum
    exactly); on the order, or on a line of which nothing is ordered, it is an own `discount` without taxes. Together they are
    never more than the order still costs: what goes back whole isn't given back twice.
 9. A return handed in later than the window after the last parcel that had left then is accepted only when somebody
    allowed it, and nobody who was asked again said no.
10. A buyer who still owes money for edits may have that set off against what returns entitle to, or not.
11. An open dispute freezes; a lost one settles entitlements like a refund, and what is beyond them is written off.
12. A refund that failed settles nothing; whether it is sent again or is a person's is left open, but it is said.
13. Refunds above what was captured can't be: the rest stays held. What the provider refuses, for it has heard of a
    dispute or a clerk before us, may stay a person's.
14. An order that never became a sale has nothing to correct at the ERP.
15. Where the hub takes the money, it takes what has left and is kept, as far as cards hold it; what a clerk gave away or a
    bank took beyond all that was owed it doesn't take once more. Nobody gets back what was never taken.
16. What was paid for the delivery of an order of which nothing is ordered any more, nothing left and which nobody cancelled
    goes back where the policy says so.
17. A refund costs, in the currency the retailer is paid out in, its share of what the captures of its payment brought there,
    and the difference; the shares of all refunds of a payment sum to what that many minor units brought.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossdock.promises.policy import Policy
    from crossdock.promises.terms import ReturnTerms
    from tests.lives.goods import Line, NewGoods
    from tests.lives.reality import Coming, Reality

Key = tuple[str, str, str]


def _rounded(total: int, units: int, of: int) -> int:
    if not of:
        return 0
    doubled, whole = 2 * abs(total) * units + of, 2 * of
    return doubled // whole if total >= 0 else -(doubled // whole)


@dataclass
class Truth:
    """What ought to be, worked out from what happened."""

    should_bill: dict[Key, int]
    by_cause: dict[str, int]
    """What each cause entitles the buyer to have back: the order, a return, an allowance."""
    exchanged: int
    worth: int
    """What the buyer should pay in all when everything still open ships."""
    captured: int
    due: int
    """What the buyer should have paid by now, before anything is given back."""
    late: set[str]
    swapped: dict[str, int]
    """By return, what it pays for of its new goods."""
    lent: int
    """Of that, for goods that have not come back yet."""
    covered: set[str]
    """Returns that pay for all of their new goods, with what is back and counts."""
    left_and_kept: int

    @property
    def entitled(self) -> int:
        return sum(self.by_cause.values())

    @property
    def debt(self) -> int:
        return max(0, self.due - self.captured)


@dataclass
class _Back:
    bill: defaultdict[Key, int] = field(default_factory=lambda: defaultdict(int))
    by_cause: dict[str, int] = field(default_factory=dict[str, int])
    exchanged: int = 0
    fees: int = 0
    goods: int = 0
    delivery_back: bool = False


@dataclass
class _Swap:
    price: int
    taken: int
    returned: int


@dataclass
class Accountant:
    reality: Reality
    policy: Policy
    late: set[str] = field(default_factory=set[str])
    billable: Counter[str] = field(default_factory=Counter[str])
    """Units that count as sold, as last worked out."""
    _lines: dict[str, Line | NewGoods] = field(default_factory=dict[str, Any])
    _came_back_of: set[str] = field(default_factory=set[str])
    """Parcels that something seemed to have come back of at some time."""

    def truth(self) -> Truth:
        reality, basket = self.reality, self.reality.basket
        self.late = {came.id for came in reality.returns if self._late(came)}
        new = [self._to_be_had(came, goods) for came in reality.returns for goods in came.new]
        self._lines = {line.id: line for line in (*basket.lines, *new)}
        amounts = {line.id: self._kept(line.id, line.units) for line in self._lines.values()}
        units = {line.id: line.units for line in self._lines.values()}
        shipped = reality.warehouse.left
        delivery, tip = ({}, 0) if self._emptied() else (self._delivery(), basket.tip)
        back = self._came_back(units, delivery, supposed=False)
        bill, by_cause = back.bill, back.by_cause
        left = left_new = 0
        billable, charged = self._billable(units)
        self.billable = billable
        for line, n in units.items():
            for (component, rate), amount in self._kept(line, min(billable[line], n)).items():
                bill[line, component, rate] += amount
            amount = sum(self._kept(line, min(shipped[line], n)).values())
            left += amount
            left_new += amount if "+" in line else 0
        if any(shipped[line] for line in units):
            left += sum(delivery.values()) + tip
        if charged:
            for key, total in delivery.items():
                bill[key] += 0 if back.delivery_back else total
            bill["", "tip", ""] += tip
        elif back.delivery_back:
            for key, total in delivery.items():
                bill[key] -= total
        bill["", "fee", ""] += back.fees
        total = sum(sum(parts.values()) for parts in amounts.values()) + sum(delivery.values()) + tip
        gone = back.goods + (sum(delivery.values()) if back.delivery_back else 0)
        given = 0
        for id_, granted, line in reality.allowances:
            amount = min(granted, max(total - gone - self._unreleased(amounts) + back.fees - given, 0))
            by_cause[id_] = amount
            given += amount
            for key, part in self._allowed(amount, line, amounts).items():
                bill[key] -= part
        price_new = sum(sum(amounts[each.id].values()) for each in new)
        assert total - price_new == basket.total or self._emptied(), (total, basket)
        captured = sum(tender.captured for tender in reality.psp.tenders.values())
        due = total if self.policy.capture_when == "channel" else left + price_new - left_new
        swapped = self._swapped(by_cause, self._came_back(units, delivery, supposed=True).by_cause, amounts)
        due -= sum(each.taken for each in swapped.values())
        for id_, each in swapped.items():
            if each.returned:
                by_cause[id_] -= each.returned
        surplus = max(0, captured - due)
        # Nobody gets back more than came in: what kindness gave before doesn't come back with the order once more.
        by_cause["order"] = max(0, min(surplus, captured - sum(by_cause.values()) - back.exchanged))
        return Truth(
            {key: amount for key, amount in bill.items() if amount},
            by_cause,
            back.exchanged,
            total - gone + back.fees - given,
            captured,
            due,
            self.late,
            {id_: each.taken for id_, each in swapped.items() if each.taken},
            sum(each.taken - each.returned for each in swapped.values()),
            {id_ for id_, each in swapped.items() if each.price and each.returned == each.price},
            left - gone + back.fees - given,
        )

    def _billable(self, units: dict[str, int]) -> tuple[Counter[str], bool]:
        """Units that count as sold, and whether delivery and tip do."""
        left = self.reality.warehouse.left
        by_date = sorted(self.policy.recognition, key=lambda terms: terms.since)
        begun = [terms for terms in by_date if terms.since <= self.reality.placed_at]
        terms = next(iter([*reversed(begun), *by_date]), None)
        if terms is None or terms.when == "shipped":
            return left, any(left[line] for line in units)
        if terms.when == "delivered":
            arrived = self._arrived(timedelta(days=terms.transit_days))
            return arrived, any(arrived[line] for line in units)
        # New goods are sold when they may leave, and so are asked for.
        asked = self.reality.warehouse.ever_asked
        return Counter({line: n for line, n in units.items() if "+" not in line or line in asked}), True

    def _arrived(self, transit: timedelta) -> Counter[str]:
        """What somebody saw arrive, what must have by now, and what came back: what was billed for that stays so."""
        reality, there, rest = self.reality, Counter[str](), list[tuple[str, dict[str, int]]]()
        for parcel, at, taken in reality.parcels:
            was_billed = any(f"/invoice:{parcel}/" in each.key for each in reality.erp.posted)
            if (
                parcel in reality.arrived
                or reality.now >= at + transit
                or (was_billed and parcel in self._came_back_of)
            ):
                there.update(taken)
            else:
                rest.append((parcel, taken))
        back = Counter[str]()
        for came in reality.returns:
            back.update(self._accepted(came))
        for parcel, taken in rest:
            if any(back[line] > there[line] for line in taken):
                self._came_back_of.add(parcel)
                there.update(taken)
        return there

    def _came_back(self, units: dict[str, int], delivery: dict[Key, int], *, supposed: bool) -> _Back:
        """What all returns take back; `supposed`: as if all that may still come for new goods had come."""
        back = _Back()
        returned: Counter[str] = Counter()
        values: dict[str, int] = {}
        latest = None
        money_back = [c for c in self.reality.returns if c.settle_by != "nothing" and c.id not in self.late]
        for came in sorted(money_back, key=lambda c: (c.at, c.id)):
            accepted = self._accepted(came, supposed=supposed)
            if not accepted:
                continue
            latest = came
            value = 0
            for line, count in accepted.items():
                n, r = units[line], returned[line]
                before, after = self._kept(line, n - r), self._kept(line, n - r - count)
                value += sum(before.values()) - sum(after.values())
                for component, rate in before:
                    back.bill[line, component, rate] -= before[component, rate] - after[component, rate]
                returned[line] += count
            back.goods += value
            values[came.id] = value
        everything = any(returned.values()) and all(returned[line] >= n for line, n in units.items())
        back.delivery_back = bool(latest and everything and self.terms(latest).delivery == "when_all_returned")
        if latest is not None and back.delivery_back:
            values[latest.id] += sum(delivery.values())
        for came in money_back:
            if came.id not in values:
                continue
            fee = min(self._fee(came), values[came.id])
            back.fees += fee
            if came.settle_by == "exchange" and not came.new:
                back.exchanged += values[came.id] - fee
            else:
                back.by_cause[came.id] = values[came.id] - fee
        return back

    def _unreleased(self, amounts: dict[str, dict[tuple[str, str], int]]) -> int:
        """New goods that nobody was asked to send yet are not bought, as far as kindness goes."""
        asked = self.reality.warehouse.ever_asked
        return sum(sum(parts.values()) for line, parts in amounts.items() if "+" in line and line not in asked)

    def _to_be_had(self, came: Coming, goods: NewGoods) -> NewGoods:
        """Until it is given up, cancelled or too late, or nothing comes back for it; what has left stays with the buyer."""
        reality, left = self.reality, self.reality.warehouse.left[goods.id]
        stands = came.status in ("authorised", "closed") and reality.cancelled_at is None and came.id not in self.late
        in_time = reality.now < came.at + timedelta(days=self.terms(came).exchange_days)
        comes = any(self._accepted(came, supposed=True).values())
        units = max(goods.agreed - goods.given_up, left) if stands and in_time and comes else left
        return replace(goods, units=units)

    def _swapped(
        self, there: dict[str, int], expected: dict[str, int], amounts: dict[str, dict[tuple[str, str], int]]
    ) -> dict[str, _Swap]:
        """Of what new goods cost, what comes back pays for; what was given back for that can't pay as well."""
        found: dict[str, _Swap] = {}
        for came in self.reality.returns:
            if not came.new:
                continue
            price = sum(sum(amounts[each.id].values()) for each in came.new)
            given = self._given_for(came.id)
            taken = min(price, max(0, expected.get(came.id, 0) - given))
            found[came.id] = _Swap(price, taken, min(taken, max(0, there.get(came.id, 0) - given)))
        return found

    def _given_for(self, id_: str) -> int:
        entries = [entry for entry in self.reality.psp.refunds.values() if entry.status != "failed"]
        paid = sum(e.amount for e in entries if e.for_return == id_ or (e.reference and cause_of(e.reference) == id_))
        return paid + sum(amount for key, amount in self.reality.channel.credits.items() if cause_of(key) == id_)

    def brought(self, came: Coming) -> bool:
        return any(self._accepted(came).values())

    def truth_of_lines(self) -> list[Line | NewGoods]:
        """As last worked out."""
        return list(self._lines.values())

    def _emptied(self) -> bool:
        reality = self.reality
        nothing = not any(line.units for line in reality.basket.lines) and not any(reality.warehouse.left.values())
        return nothing and reality.cancelled_at is None and self.policy.emptied == "refund"

    def exchange_difference(self) -> int:
        """What refunds cost beyond what their parts of the captures had brought, in the currency of payouts."""
        found = 0
        for id_, tender in self.reality.psp.tenders.items():
            entries = [e for e in self.reality.psp.refunds.values() if e.payment == id_ and e.status != "failed"]
            given = sum(entry.amount for entry in entries)
            found += sum(entry.settled for entry in entries) - _rounded(tender.settled, given, tender.captured)
        return found

    def _kept(self, id_: str, units: int) -> dict[tuple[str, str], int]:
        """What so many units of a line come to, by (component, rate)."""
        line, included = self._lines[id_], self.reality.basket.included
        parts: defaultdict[tuple[str, str], int] = defaultdict(int)
        for rate, amount in zip(line.rates, line.taxes(included=included), strict=True):
            parts["tax", rate] += _rounded(amount, units, line.units)
        charged = _rounded(line.charged, units, line.units)
        parts["goods", ""] += charged - (sum(parts.values()) if included else 0)
        return parts

    def _allowed(self, amount: int, line: str, amounts: dict[str, dict[tuple[str, str], int]]) -> dict[Key, int]:
        parts = amounts.get(line, {})
        whole = sum(parts.values())
        if not whole:
            ordered = line in self._lines and self._lines[line].units > 0
            return {(line, "goods", "") if ordered else ("", "discount", ""): amount}
        split: dict[Key, int] = {
            (line, "tax", rate): _rounded(amount * part, 1, whole)
            for (component, rate), part in parts.items()
            if component == "tax"
        }
        return {**split, (line, "goods", ""): amount - sum(split.values())}

    def _delivery(self) -> dict[Key, int]:
        basket = self.reality.basket
        parts: defaultdict[Key, int] = defaultdict(int)
        whole = 1 + sum((Fraction(rate) for rate in basket.delivery_rates), Fraction(0))
        for rate in basket.delivery_rates:
            base = basket.delivery / whole if basket.included else Fraction(basket.delivery)
            part = base * Fraction(rate)
            parts["", "tax", rate] += _rounded(part.numerator, 1, part.denominator)
        parts["", "shipping", ""] += basket.delivery - (sum(parts.values()) if basket.included else 0)
        return parts

    def terms(self, came: Coming) -> ReturnTerms:
        begun = [terms for terms in self.policy.returns if terms.since <= came.at]
        return max(begun or self.policy.returns, key=lambda terms: terms.since if begun else -terms.since.timestamp())

    def _late(self, came: Coming) -> bool:
        left = [at for _, at, _ in self.reality.parcels if at <= came.at]
        if came.fact in self.reality.allowed_late:
            return False
        return bool(left) and came.at > max(left) + timedelta(days=self.terms(came).window_days)

    def _fee(self, came: Coming) -> int:
        text = self.terms(came).fee.get(self.reality.basket.currency)
        return 0 if text is None else int(text.replace(".", ""))

    def _accepted(self, came: Coming, *, supposed: bool = False) -> Counter[str]:
        accepted: Counter[str] = Counter()
        if came.status in ("requested", "cancelled"):
            return accepted
        inspect = self.terms(came).inspect
        supposed = supposed and bool(came.new) and came.status == "authorised"
        awaited = self.reality.now < came.at + timedelta(minutes=self.policy.deadlines.return_minutes)
        for line in came.lines:
            if line.keeps:
                accepted[line.line] += line.units
            elif supposed and (line.received or awaited):
                accepted[line.line] += max(line.units, line.received) if awaited else line.received
            elif line.received and (line.disposition or not inspect):
                accepted[line.line] += line.received
        return accepted


def cause_of(reference: str) -> str:
    found = re.search(r"/(?:refund|store_credit)[^/]*?\b([RA]\d+)\b", reference)
    return found.group(1) if found else "order"
