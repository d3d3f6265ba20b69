"""Whoever looks on while an order lives, and judges it at rest by what the accountant works out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossdock.canonical.shipment import ShipmentLines, ShipmentOrder
from crossdock.promises.obligations import ApprovalNeeded, Trouble, Wait
from tests.lives.accountant import Accountant, Key, Truth, cause_of

if TYPE_CHECKING:
    from crossdock.promises.policy import Policy
    from tests.lives.hub import Command, Hub
    from tests.lives.reality import Reality


@dataclass
class Watch:
    """Looks on while an order lives, and judges it at rest."""

    reality: Reality
    policy: Policy
    peak: int = 0
    peaks: Counter[str] = field(default_factory=Counter[str])
    brought: set[str] = field(default_factory=set[str])
    """Returns of which something ever was back and counted."""
    complaints: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.accountant = Accountant(self.reality, self.policy)
        self.look()

    def look(self) -> Truth:
        """After each happening: what was the most that ever was entitled, in all and by cause."""
        truth = self.accountant.truth()
        self.peak = max(self.peak, truth.entitled + truth.exchanged)
        for cause, amount in truth.by_cause.items():
            self.peaks[cause] = max(self.peaks[cause], amount)
        self.brought.update(came.id for came in self.reality.returns if self.accountant.brought(came))
        return truth

    def settled(self, hub: Hub) -> None:
        """No two open promises with one name, and no account above its limit at any instant (S2)."""
        for name, account in hub.accounts.items():
            if account.pending < 0 or account.posted < 0 or account.pending + account.posted > account.limit:
                self.complaints.append(f"S2: {name} {account.pending}+{account.posted} of {account.limit}")

    def did(self, command: Command) -> None:
        """What the hub had given back by its own doing was entitled once, in all and for its cause."""
        if command.target == "warehouse" and isinstance(command.body, ShipmentOrder | ShipmentLines):
            self.complaints.extend(self._sent_too_early(command.body))
        if command.target not in ("psp", "shop"):
            return
        truth = self.look()  # what was taken since the last happening can be owed back, too
        asked = self._asked_by_cause()
        # An edit may be heard after what came later: then the order still owes back what it did before it.
        unheard = self.peaks["order"] + sum(amount for cause, amount in truth.by_cause.items() if cause != "order")
        most = max(self.peak, unheard)
        if sum(asked.values()) > most:
            self.complaints.append(f"S1: {sum(asked.values())} given back, at most {most} ever owed")
        slack = 4 * len(self.reality.basket.lines) + 2 * self.reality.basket.delivery + self._exchange_slack()
        # An allowance heard after the cancellation it came before leaves the order with what it takes for itself here.
        late = sum(amount for _, amount, _ in self.reality.allowances)
        for cause, amount in asked.items():
            if amount > self.peaks[cause] + slack + (late if cause == "order" else 0):
                self.complaints.append(f"Q3: {amount} given back for {cause}, at most {self.peaks[cause]} ever owed")

    def _sent_too_early(self, body: ShipmentOrder | ShipmentLines) -> Iterator[str]:
        """Where new goods leave for what is back, and not for what is agreed."""
        by_line = {each.id: came for came in self.reality.returns for each in came.new}
        for came in [by_line[line.line] for line in body.lines if line.line in by_line and line.units]:
            if self.accountant.terms(came).exchange_ships == "received" and came.id not in self.brought:
                yield f"new goods for {came.id} are asked for, and nothing of it has come back"

    def _exchange_slack(self) -> int:
        return sum(1 for came in self.reality.returns if came.settle_by == "exchange") * 10**9

    def _asked_by_cause(self) -> Counter[str]:
        asked: Counter[str] = Counter()
        for entry in self.reality.psp.refunds.values():
            if entry.reference and entry.status != "failed":
                asked[cause_of(entry.reference)] += entry.amount
        for key, amount in self.reality.channel.credits.items():
            asked[cause_of(key)] += amount
        return asked

    # At rest

    def judge(self, hub: Hub) -> list[str]:
        """Every complaint about an order at rest."""
        truth = self.look()
        self.complaints.extend(self._twice())
        self.complaints.extend(f"allocations of {name} don't sum to it" for name in self.reality.psp.misallocated)
        self.complaints.extend(self._billing(truth))
        self.complaints.extend(self._money(truth, hub))
        if self.policy.capture_when == "shipped":
            self.complaints.extend(self._taken(truth, hub))
        self.complaints.extend(self._goods(truth, hub))
        self.complaints.extend(self._new_goods(truth, hub))
        self.complaints.extend(self._balance(truth))
        return self.complaints

    def _twice(self) -> Iterator[str]:
        for ledger in (self.reality.erp.posted, list(self.reality.psp.refunds.values())):
            keys = Counter(getattr(each, "key", None) or getattr(each, "reference", "") for each in ledger)
            yield from (f"S1: {key} happened {count} times" for key, count in keys.items() if key and count > 1)

    def billed(self) -> dict[Key, int]:
        bill: defaultdict[Key, int] = defaultdict(int)
        for posted in self.reality.erp.posted:
            sign = -1 if posted.kind == "credit_memo" else 1
            for key, amount in posted.bill.items():
                bill[key] += sign * amount
        return bill

    def _billing(self, truth: Truth) -> Iterator[str]:
        billed = self.billed()
        off = {key: billed.get(key, 0) - truth.should_bill.get(key, 0) for key in billed.keys() | truth.should_bill}
        off = {key: amount for key, amount in off.items() if amount}
        if not self.reality.erp.parts and not billed:
            return
        self._forgive_split(off)
        self._forgive_parcels_on_their_way(off)
        if sum(abs(amount) for amount in off.values()) <= self.policy.tolerance_minor:
            return
        yield f"Q1: billed too much by {off}"

    def _forgive_split(self, off: dict[Key, int]) -> None:
        """How an allowance on a line is split is right to a cent for each of its positions, and in sum."""
        for line, count in Counter(line for _, _, line in self.reality.allowances if line).items():
            its = [key for key in off if key[0] == line]
            if all(abs(off[key]) <= 2 * count + 1 for key in its) and not sum(off[key] for key in its):
                for key in its:
                    del off[key]

    def _forgive_parcels_on_their_way(self, off: dict[Key, int]) -> None:
        """An ERP rounds what it invoices of a line parcel by parcel; the cents are right when the last of it has arrived."""
        left, arrived = self.reality.warehouse.left, self.accountant.billable
        rest = {line for line in left if arrived[line] < left[line]}
        for key in [key for key in off if key[0] in rest and abs(off[key]) <= len(self.reality.parcels)]:
            del off[key]

    def _money(self, truth: Truth, hub: Hub) -> Iterator[str]:
        outside, settled = self._outside(), sum(self._asked_by_cause().values())
        settled += outside
        least = max(0, truth.entitled - truth.debt)
        if self.policy.capture_when == "shipped":
            least = min(least, truth.captured)
        most = truth.entitled + truth.exchanged
        if settled < least:
            reasons = self._reasons(hub)
            if not reasons:
                yield f"Q2: {least - settled} of {truth.by_cause} held without a reason ({truth.debt} owed by the buyer)"
            elif not said(hub):
                yield f"Q3: {least - settled} of {truth.by_cause} held without a word, for {reasons}"
        elif settled > most:
            if settled - most > outside + self.peak - most:
                yield f"Q2: {settled - most} more than {truth.by_cause} given back"
            elif not said(hub):
                yield f"Q3: {settled - most} more than {truth.by_cause} given back, and nobody is told"

    def _taken(self, truth: Truth, hub: Hub) -> Iterator[str]:
        """What has left and is kept was taken, and nobody's card is held for nothing."""
        settled, open_ = sum(self._asked_by_cause().values()) + self._outside(), self._held()
        beyond = max(0, settled - truth.entitled - truth.exchanged)
        short = truth.left_and_kept - (truth.captured - settled) - beyond - truth.lent
        if short > 0 and open_ and not hub.cases:
            yield f"Q2: {short} has left and was not taken, though {open_} are held"
        elif short > 0 and not said(hub):
            yield f"Q2: {short} has left and was not taken, and nobody is told"
        if short < 0 and truth.captured - settled > truth.due and not self._reasons(hub):
            yield f"Q2: {-short} more was taken than has left"
        warehouse = self.reality.warehouse
        done = all(warehouse.left[line.id] >= line.units for line in self.accountant.truth_of_lines())
        held = [payment for payment in self.reality.psp.tenders if self.reality.psp.open_of(payment)]
        if done and held and not hub.cases:
            yield f"Q2: {held} are held for nothing"

    def _held(self) -> int:
        return sum(self.reality.psp.open_of(payment) for payment in self.reality.psp.tenders)

    def _outside(self) -> int:
        by_hand = sum(e.amount for e in self.reality.psp.refunds.values() if not e.reference and e.status != "failed")
        return by_hand + sum(dispute.amount for dispute in self.reality.disputes if dispute.status == "lost")

    def _reasons(self, hub: Hub) -> list[str]:
        """Why money may be held, by what truly is the case."""
        reality = self.reality
        reasons = ["a dispute is open"] if any(d.status == "open" for d in reality.disputes) else []
        if any(isinstance(each, ApprovalNeeded) for each in hub.obligations):
            reasons.append("an approval is missing")
        if any(word.verdict == "rejected" for word in reality.verdicts):
            reasons.append("it was not approved")
        if not any(tender.left for tender in reality.psp.tenders.values()):
            reasons.append("there is nothing left to give back")
        if any(entry.status == "failed" for entry in reality.psp.refunds.values()):
            reasons.append("a refund failed")
        if reality.psp.refused and any(cause.startswith("rejected:psp") for cause in hub.cases.values()):
            reasons.append("its provider refused it")
        picked = self.reality.warehouse.picked
        lines = self.accountant.truth_of_lines()
        if any(picked[each.id] > each.units for each in lines if "+" in each.id):
            reasons.append("new goods that were given up may still leave")
        return reasons

    def _goods(self, truth: Truth, hub: Hub) -> Iterator[str]:
        back: Counter[tuple[str, str, str]] = Counter()
        for came in self.reality.returns:
            for line in came.lines:
                if line.keeps or came.status not in ("authorised", "closed") or not line.received:
                    continue
                if line.disposition or not self.accountant.terms(came).inspect:
                    back[came.id, line.line, line.disposition or "sellable"] += line.received
        there = self.reality.erp.goods_back
        # Goods that were received under another disposition than was said later are a person's to move.
        moved = {
            each.cause.rpartition(":")[2]
            for each in hub.obligations
            if isinstance(each, Trouble) and each.cause.startswith("disposition_changed:")
        }
        excused = truth.late | moved
        off = {key: there[key] - back[key] for key in there | back if there[key] != back[key] and key[0] not in excused}
        if off:
            yield f"Q4: goods received at the ERP are off by {off}"

    def _new_goods(self, truth: Truth, hub: Hub) -> Iterator[str]:
        """What is paid for by what came back is asked of the warehouse, and what was given up is not, unless it was picked."""
        warehouse = self.reality.warehouse
        asked = warehouse.to_leave
        new = [(came, each) for came in self.reality.returns for each in came.new if came.id in truth.covered]
        wanted = {line.id: line.units for line in self.accountant.truth_of_lines()}
        if "sale" in self.reality.erp.parts and not hub.cases:
            for came, each in new:
                if asked.get(each.id, 0) < wanted[each.id]:
                    yield f"Q6: {wanted[each.id]} of {each.id} are due for {came.id}, {asked.get(each.id)} asked for"
        for id_ in [id_ for id_ in asked if "+" in id_]:
            most = max(wanted[id_], warehouse.left[id_], warehouse.picked[id_])
            if asked[id_] > most:
                yield f"Q6: {asked[id_]} of {id_} are to leave, at most {most} should"

    def _balance(self, truth: Truth) -> Iterator[str]:
        """Double entry from the ledgers alone; the buyer's account must come to what is explained."""
        books: Counter[str] = Counter()

        def post(debit: str, credit: str, amount: int) -> None:
            books[debit] += amount
            books[credit] -= amount

        for tender in self.reality.psp.tenders.values():
            post(f"money/{tender.id}", "buyer", tender.captured)
        for entry in self.reality.psp.refunds.values():
            if entry.status != "failed":
                post("buyer", f"money/{entry.payment}", entry.amount)
        for dispute in self.reality.disputes:
            if dispute.status != "won":
                post("buyer", f"money/{dispute.payment}", dispute.amount)
        for amount in self.reality.channel.credits.values():
            post("buyer", "store credit", amount)
        for posted in self.reality.erp.posted:
            for (line, component, rate), amount in posted.bill.items():
                debit, credit = "buyer", f"{component}/{rate}/{line}"
                post(*((credit, debit) if posted.kind == "credit_memo" else (debit, credit)), amount)
            if posted.total != sum(posted.bill.values()):
                yield f"a {posted.kind} of {posted.total} has lines of {posted.bill}"
        if sum(books.values()):
            yield f"the trial balance is off by {sum(books.values())}"
        for tender in self.reality.psp.tenders.values():
            if books[f"money/{tender.id}"] != tender.left or tender.left < 0:
                yield f"S2: {tender.id} holds {books[f'money/{tender.id}']}, its provider says {tender.left}"
        deposit = truth.worth - sum(truth.should_bill.values())
        settled = sum(self._asked_by_cause().values()) + self._outside()
        disputed = sum(dispute.amount for dispute in self.reality.disputes if dispute.status == "open")
        unsettled = truth.captured - settled - disputed - truth.worth
        misbilled = sum(self.billed().values()) - sum(truth.should_bill.values())
        if -books["buyer"] != deposit + unsettled - misbilled:
            yield f"Q2: the buyer's account has {-books['buyer']}, explained are {deposit} + {unsettled} - {misbilled}"


def said(hub: Hub) -> list[str]:
    """What the hub tells about why it isn't done."""
    told = [f"case {cause}" for cause in hub.cases.values()]
    for each in hub.obligations:
        match each:
            case Wait():
                told.append(f"wait {each.name}: {each.what}")
            case Trouble():
                told.append(f"trouble {each.cause}: {each.detail}")
            case ApprovalNeeded():
                told.append(f"approval {each.name}: {each.what}")
            case _:
                pass
    return told
