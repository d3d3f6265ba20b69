"""What the hub says of itself, held against what others say: S5 to S12, Q6 and Q7, its cases, and that it came to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.chaos.judge.evidence import Evidence, Finding, moment
from tests.chaos.judge.money import OVER, SHORT
from tests.chaos.judge.sales import Sale

# What is on its way between spending from the budget and the target's clock, on a busy machine.
_BUDGET_SLACK_SECONDS = 0.4
_MAILS = ("parcel_notice:", "refund_notice:")
_LIVELY = ("promised", "sealed", "sent", "accepted")


def at_rest(evidence: Evidence) -> Iterator[Finding]:
    """Liveness: everything converged, or waits for somebody else with a deadline, or is in a case, in the time stated."""
    if evidence.told.rest_seconds is None:
        yield Finding("liveness", "unexplained", f"not at rest in time: {dict(evidence.check['states'])}")
    for entity, order in evidence.orders.items():
        for promise in (order or {}).get("promises", ()):
            freed = promise["standing"].startswith("waits for") and all(need["met"] for need in promise["needs"])
            if promise["standing"].startswith(_LIVELY) or freed:
                said = f"{entity}/{promise['name']} is still {promise['standing']}, next {promise['next_actor']}"
                yield Finding("liveness", "unexplained", said)


def conserved(evidence: Evidence) -> Iterator[Finding]:
    """S9, and the hub's own counters of everything else; nothing unproven was let in."""
    inbox = evidence.check["inbox"]
    fates = inbox["translated"] + inbox["ignored"] + inbox["quarantined"] + inbox["pending"]
    if inbox["total"] != fates:
        yield Finding("S9", "lost", f"{inbox['total']} messages, of which {fates} have a fate")
    if sum(evidence.check["states"].values()) != evidence.check["entities"]:
        yield Finding("S9", "lost", f"{evidence.check['entities']} entities in {dict(evidence.check['states'])}")
    for each in evidence.check["invariants"]:
        if each["breaches"] and not (each["name"] == "S3" and evidence.told.wrong_clock):  # it compares dates
            said = f"the hub's own counter: {each['breaches']} times, e.g. {each['example']}"
            yield Finding(each["name"], "unexplained", said)
    if inbox["quarantined"] and not any(case["cause"].startswith("quarantine:") for case in evidence.cases):
        yield Finding("S9", "lost", f"{inbox['quarantined']} messages are quarantined, and nobody is told")
    for system, counts in evidence.counts.items():
        if counts.get("forgeries_accepted"):
            yield Finding("S9", "unexplained", f"{counts['forgeries_accepted']} forgeries of {system} were let in")


def heard_once(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """S5: however often a message came, it is in the inbox once."""
    told = Counter(
        each["what"]
        for each in (evidence.orders[sale.entity] or {}).get("timeline", ())
        if each["happened"] == "received"
    )
    for what, most in (("orders/create from shop", 1), ("shipment.shipped from wms", len(sale.parcels))):
        if told[what] > most:
            yield Finding(
                "S5", "doubled", f"{sale.name}: {what} is in the inbox {told[what]} times, and was made {most} times"
            )


def explained(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """S6, S8, S10 and S12 for one order, from its record."""
    order, intents = evidence.orders[sale.entity], evidence.intents.get(sale.entity, ())
    if order is None:
        return
    facts = {fact["fact"]: fact for fact in order["facts"]}
    for promise in order["promises"]:
        is_open = promise["next_actor"] is not None
        if is_open and not promise["deadline"]:
            yield Finding("S10", "unexplained", f"{sale.name}: {promise['name']} has no deadline")
    for intent in (each for each in intents if each["verb"] == "act"):
        fact = intent["cause"]["fact"]
        if fact not in facts and sale.set_back.intersection(fact.split(":")):
            continue  # whoever stated it knows nothing of it any more
        if fact not in facts:
            yield Finding("S12", "unexplained", f"{intent['key']}: its cause {fact} is not on record")
        elif not _within(moment(intent["cause"]["recorded_at"]), facts[fact]):
            if not evidence.told.wrong_clock:
                said = f"{intent['key']}: its cause {fact} wasn't told when it is said to have been"
                yield Finding("S12", "unexplained", said)
        elif _too_old(intent):
            yield Finding("S6", "unexplained", f"{intent['key']}: its cause is older than the rules it was made by")
        elif _settled_without(evidence, intents, intent):
            said = f"{intent['key']}: rules that acted on its cause before anybody wrote mails owed none for it"
            yield Finding("S6", "unexplained", said)
    busy = Counter(
        (each["target"], each["document"]) for each in intents if each["unresolved"] and each["verb"] == "act"
    )
    for (target, document), count in busy.items():
        if count > 1:
            yield Finding("S8", "unexplained", f"{sale.name}: {count} unresolved acts on {document} at {target}")


def _settled_without(evidence: Evidence, intents: Sequence[Mapping[str, Any]], mail: Mapping[str, Any]) -> bool:
    """Something else was done for the same cause, as it was, while nobody was to write mails, and no campaign let it through."""
    since = evidence.told.mails_since
    if since is None or evidence.told.wrong_clock or mail["rules"]["campaign"] is not None:
        return False
    if not mail["promise"].startswith(
        "parcel_notice:"
    ):  # a refund is made, and told of, when all the money for it is known
        return False
    return any(each["cause"] == mail["cause"] and moment(each["sealed_at"]) < moment(since) for each in intents)


def _within(recorded: datetime, fact: Mapping[str, Any]) -> bool:
    """A fact that changes can cause something whenever it does: first when it is recorded, last when it changed last."""
    return moment(fact["recorded_at"]) <= recorded <= moment(fact["changed_at"])


def _too_old(intent: Mapping[str, Any]) -> bool:
    rules = intent["rules"]
    excused = rules["in_flight"] or rules["campaign"] is not None
    return rules["live_at"] is None or (
        not excused and moment(intent["cause"]["recorded_at"]) < moment(rules["live_at"])
    )


def unmoved(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """S7: all that the ERP was asked for after the sale names the one sale it has."""
    made = [
        entry.details["id"]
        for entry in evidence.entries("erp", "sales_order")
        if entry.details["entity"] == sale.entity
    ]
    for what in ("goods_issue", "invoice_posting", "credit_memo", "goods_return"):
        for entry in evidence.entries("erp", what):
            if entry.details["entity"] == sale.entity and entry.details["refs"].get("sale", made[:1]) not in (
                *made,
                made[:1],
            ):
                yield Finding(
                    "S7", "unexplained", f"{entry.key} names sale {entry.details['refs']['sale']}, not {made}"
                )


def _only_withholds_mails(differing: Mapping[str, Any]) -> bool:
    other = any(differing.get(what) for what in ("opens", "withdraws", "troubles"))
    withheld = differing.get("withholds", ())
    return bool(withheld) and not other and all(name.startswith(_MAILS) for name in withheld)


def rebuilt(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """Q7: all that was received about the order, taken once more, would change nothing."""
    for each in evidence.rebuilds.get(sale.entity, {}).get("differing", ()):
        if evidence.told.mails_since and _only_withholds_mails(each):
            continue  # nobody writes about what was before anybody wrote
        yield Finding("Q7", "unexplained", f"{sale.name}: a rebuild differs: {each}")


def shown(evidence: Evidence, sale: Sale) -> Iterator[Finding]:
    """Q6: what the hub owns at a target is what it should be: the ERP's number in the shop, the buyer's address at the
    warehouse as long as nothing left."""
    if evidence.orders[sale.entity] is None or sale.unheard or sale.vanished:
        return
    numbers = [e.details["value"] for e in evidence.entries("shop", "metafield_set", sale.id)
               if e.details["name"] == "crossdock.erp_order" and not evidence.has_forgotten("shop", e)]  # fmt: skip
    cancelled = any(evidence.entries("shop", "order_cancelled", sale.id))
    sold = [
        e.details["id"]
        for e in evidence.entries("erp", "sales_order")
        # What was sold in a time that the hub has forgotten, and was cancelled before it heard of it again, is no sale to it.
        if e.key.startswith(f"{sale.entity}/sale/") and not (cancelled and evidence.is_forgotten(e.at))
    ]
    if sold and (not numbers or sold[-1] not in numbers[-1]):
        yield Finding("Q6", "lost", f"{sale.name}: the shop shows {numbers[-1:]} for the ERP's {sold}")
    moved = [e.details["address"] for e in evidence.entries("shop", "address_edited", sale.id)
             if not evidence.has_forgotten("shop", e)]  # fmt: skip
    kept = [e.details["order"]["ship_to"] for e in evidence.entries("wms", "order_received", sale.entity)]
    kept += [e.details["ship_to"] for e in evidence.entries("wms", "ship_to_changed", sale.entity)]
    if moved and kept and not sale.parcels and not cancelled and moved[-1]["address1"] not in kept[-1]["street"]:
        yield Finding("Q6", "lost", f"{sale.name}: it goes to {kept[-1]['street']}, not to {moved[-1]['address1']}")


def in_budget(evidence: Evidence) -> Iterator[Finding]:
    """S11: in no while did a system get more calls than its limit lets out, by the system's own clock."""
    for system, limit in evidence.told.limits.items():
        times = sorted(call["at"] for call in evidence.calls[system])
        rate, burst = limit["calls_per_second"], limit["burst"]
        # The worst while ends at each call: it begins where the most calls were ahead of what the rate lets out.
        ahead = worst = 0.0
        before = since = times[0] if times else 0.0
        for at in times:
            ahead, before = max(0.0, ahead - rate * (at - before)) + 1, at
            since = at if ahead == 1 else since
            slack = _BUDGET_SLACK_SECONDS + evidence.told.slept_seconds + _stood_still(evidence, system, since, at)
            worst = ahead if ahead > max(worst, burst + rate * slack) else worst
        if worst:
            yield Finding(
                "S11", "unexplained", f"{system} was called {worst:.0f} times ahead of {rate}/s, {burst} at once"
            )


def _stood_still(evidence: Evidence, system: str, since: float, until: float) -> float:
    """For how long at most no system ran in that while, or shortly before, or the wire to this one held up what was sent: so
    much of it came together, and as long as calls go on at the full rate it stays ahead."""
    stood = (*evidence.told.stood_still, *evidence.told.held_up.get(system, ()))
    return max(
        (long for end, long in stood if end - long <= until and since <= end + long + 1.0),
        default=0.0,
    )


def _of_what_was_set_back(cause: str, sales: list[Sale]) -> bool:
    """Something is said to be missing, and a system was really set back over something of every one of these orders."""
    kind, _, rest = cause.partition(":")
    system = rest.partition(":")[0]
    missing = kind == "missing" and all(system in sale.set_back for sale in sales)
    gone = kind in ("order_gone", "absent") and all(sale.vanished for sale in sales)
    return bool(sales) and (missing or gone)


def people_told_right(evidence: Evidence, sales: list[Sale]) -> Iterator[Finding]:
    """No case is open that no deed of anybody's explains: an alarm that cries wolf is a fault, too."""
    by_entity = {sale.entity: sale for sale in sales}
    targets = {p["target"] for order in evidence.orders.values() if order for p in order["promises"] if p["next_actor"]}
    for case in evidence.cases:
        meddled = [by_entity[e].meddled or by_entity[e].unheard for e in case["entities"] if e in by_entity]
        lost = any(evidence.lost.values()) and not evidence.told.swept
        fine = (
            case["cause"].startswith(("quarantine:", "doubt:mail:"))
            or (case["cause"].startswith((*OVER, *SHORT)) and any(meddled))
            or (case["cause"].startswith("unbound:") and lost)
            or (case["cause"].startswith("overdrawn:refunds/") and evidence.told.refunds_a_day is not None)
            or _of_what_was_set_back(case["cause"], [by_entity[e] for e in case["entities"] if e in by_entity])
            # A lane that was stopped by an outage finds out that it is over with the next thing it has to ask.
            or (case["cause"].startswith("brake:") and case["cause"].split(":")[1] not in targets)
            or (case["cause"].startswith("doubt:") and bool(evidence.told.forgotten))
            # What came after a list began that is dated tomorrow looks as if it had to be in it.
            or (case["cause"].startswith("sweep:") and bool(evidence.told.wrong_clock))
        )
        if not fine:
            yield Finding("cases", "unexplained", f"{case['cause']}: {case['detail']} {case['entities'][:3]}")
