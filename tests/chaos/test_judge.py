"""The judge shares nothing with the hub it judges, and misses none of what can be wrong with an order's ledgers."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.hubs import ROOT
from tests.chaos.judge.__main__ import findings
from tests.chaos.judge.evidence import Entry, Evidence, Told
from tests.chaos.judge.sales import sales

JUDGE = ROOT / "tests" / "chaos" / "judge"


def _imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_the_judge_imports_nothing_but_itself_and_the_standard_library() -> None:
    files = sorted(JUDGE.glob("*.py"))
    assert len(files) > 4
    for file in files:
        for name in _imported(file):
            root = name.split(".")[0]
            assert root in sys.stdlib_module_names or name.startswith("tests.chaos.judge"), f"{file.name}: {name}"


def test_no_module_of_the_hub_is_loaded_where_the_judge_runs() -> None:
    code = "import sys, tests.chaos.judge.__main__; print([m for m in sys.modules if m.startswith('crossdock')])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# ---- one order of three mugs at 10.00 and 10 % tax: sold, shipped, one brought back, refunded, credited

_BEGAN = datetime(2026, 11, 22, 9, tzinfo=UTC)
_SHOP_ID, _ENTITY, _NAME, _PARCEL = "5001", "order:shop:5001", "#1001", "sh_1"
_RETURN = "R-1"


def _at(second: int) -> datetime:
    return _BEGAN + timedelta(seconds=second)


def _entries(*told: tuple[int, str, str, dict[str, Any]]) -> list[Entry]:
    return [
        Entry(nth, _at(second), what, key, details) for nth, (second, what, key, details) in enumerate(told, start=1)
    ]


def _money(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": "USD"}


_PARCEL_TOLD = {"id": _PARCEL, "lines": [{"line": "1", "sku": "MUG", "units": 3}], "shipped_at": _at(20).isoformat(),
                "tracking": {"number": "T1"}}  # fmt: skip
_MEMO = {"lines": [{"line": "1", "net": _money(1000), "taxes": [{"amount": _money(100), "rate": "0.1"}]}]}
_ACTS = {
    "sales_order": ("sale", 5, {"order": {}}, "order:shop:5001"),
    "goods_issue": ("goods_issue:sh_1", 25, {"shipment": _PARCEL_TOLD}, "shipment:wms:sh_1"),
    "invoice_posting": ("invoice:sh_1", 27, {"shipment": _PARCEL}, "shipment:wms:sh_1"),
    "goods_return": ("goods_return:R-1:1", 45, {}, "return:till:R-1"),
    "credit_memo": ("credit_memo:1", 46, _MEMO, "return:till:R-1"),
}
_REFUND = "refund:return:till:R-1|pi_1:1"


def _key(promise: str, cause: str) -> str:
    return f"{_ENTITY}/{promise}/{cause}/1"


def _intent(promise: str, target: str, cause: str, sealed: int, body: Any) -> dict[str, Any]:
    return {
        "key": _key(promise, cause), "promise": promise, "verb": "act", "target": target, "document": promise,
        "sealed_at": _at(sealed).isoformat(), "cause": {"fact": cause, "recorded_at": _at(1).isoformat()},
        "rules": {"live_at": _BEGAN.isoformat(), "in_flight": False, "campaign": None}, "unresolved": False,
        "body": body, "refs": {},
    }  # fmt: skip


def sound() -> Evidence:
    """All is well."""
    erp = [
        (second, what, _key(promise, cause), {"entity": _ENTITY, "id": "S1", "body": body, "refs": {"sale": "S1"}})
        for what, (promise, second, body, cause) in _ACTS.items()
    ]
    line = {
        "line": "1",
        "sku": "MUG",
        "units": 3,
        "price": 1000,
        "discount": 0,
        "taxes": [{"rate": "0.1", "amount": 300}],
    }
    placed = {"name": _NAME, "email": "ada@example.com", "total": 3300, "lines": [line]}
    about = {"order": _SHOP_ID, "charge": "ch_1", "currency": "usd"}
    refund = {
        **about,
        "refund": "re_1",
        "amount": 1100,
        "metadata": {"crossdock_key": _key(_REFUND, "return:till:R-1")},
    }
    shown = {"lines": [{"line": "1", "units": 1}], "note": "Return R-1"}
    intents = [_intent(p, "erp", cause, second - 1, body) for p, second, body, cause in _ACTS.values()]
    intents.append(_intent(_REFUND, "psp", "return:till:R-1", 43, {"amount": _money(1100)}))
    facts = ["order:shop:5001", "shipment:wms:sh_1", "return:till:R-1"]
    promise = {"name": "sale", "target": "erp", "standing": "confirmed as S1", "next_actor": None, "deadline": None}
    states = {"case": 0, "overdue": 0, "in flight": 0, "waiting": 0, "converged": 1}
    inbox = {"total": 9, "translated": 8, "ignored": 1, "quarantined": 0, "pending": 0}
    return Evidence(
        Told("", "", {}, {"erp": {"calls_per_second": 10.0, "burst": 5.0}}),
        {
            "shop": _entries(
                (0, "order_placed", _SHOP_ID, placed),
                (6, "metafield_set", _SHOP_ID, {"name": "crossdock.erp_order", "value": "No-S1"}),
                (26, "fulfilment_created", _SHOP_ID, {"tracking": ["T1"]}),
                (48, "refund_created", _SHOP_ID, shown),
            ),
            "wms": _entries(
                (3, "order_received", _ENTITY, {"order": {"ship_to": {"street": ["1 Main Street"]}}}),
                (20, "parcel_left", _ENTITY, {"shipment": _PARCEL_TOLD}),
            ),
            "psp": _entries((1, "captured", "", {**about, "amount": 3300}), (44, "refunded", "idempotent-1", refund)),
            "till": _entries(
                (40, "returned", _NAME, {"id": _RETURN, "units": {"MUG": 1}}),
                (41, "inspected", "x", {"id": _RETURN, "line": "0", "as_": "sellable"}),
            ),
            "mail": _entries(
                (27, "mail_received", "<1>", {"subject": f"Order {_NAME} is on its way"}),
                (45, "mail_received", "<2>", {"subject": f"Your refund for order {_NAME}"}),
            ),
            "erp": _entries(*erp),
            "desk": [],
        },
        lost={},
        counts={"shop": {"forgeries_accepted": 0}},
        calls={"erp": [{"at": 1000.0 + nth, "subject": "POST /"} for nth in range(20)]},
        check={"inbox": inbox, "entities": 1, "states": states, "invariants": [{"name": "S1", "breaches": 0}]},
        accounts=[{"key": "captured/x", "limit": 3300, "pending": 0, "posted": 1100}],
        cases=[],
        orders={
            _ENTITY: {
                "promises": [promise],
                "expected": [],
                "cases": [],
                "facts": [
                    {"fact": fact, **dict.fromkeys(("recorded_at", "changed_at"), _at(1).isoformat())} for fact in facts
                ],
                "timeline": [{"happened": "received", "what": "orders/create from shop"}],
            }
        },
        intents={_ENTITY: intents},
        rebuilds={_ENTITY: {"differing": []}},
    )


def judged(evidence: Evidence) -> set[tuple[str, str]]:
    return {(each.invariant, each.kind) for each in findings(evidence, sales(evidence))}


def _again(evidence: Evidence, system: str, what: str, **changed: Any) -> None:
    entry = next(evidence.entries(system, what))
    evidence.ledgers[system].append(replace(entry, details={**entry.details, **changed}))


def _gone(evidence: Evidence, system: str, what: str) -> None:
    evidence.ledgers[system] = [entry for entry in evidence.ledgers[system] if entry.what != what]


def _altered(evidence: Evidence, system: str, what: str, **changed: Any) -> None:
    entries = evidence.ledgers[system]
    evidence.ledgers[system] = [
        replace(entry, details={**entry.details, **changed}) if entry.what == what else entry for entry in entries
    ]


def _told(evidence: Evidence, **more: Any) -> None:
    evidence.told = replace(evidence.told, **more)


def _intents_of(evidence: Evidence, promise: str) -> dict[str, Any]:
    return next(each for each in evidence.intents[_ENTITY] if each["promise"] == promise)  # type: ignore[return-value]


def test_nothing_is_found_where_all_is_well() -> None:
    assert judged(sound()) == set()


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (lambda e: _again(e, "erp", "sales_order"), ("S1", "doubled")),
        (lambda e: _again(e, "erp", "goods_issue"), ("S1", "doubled")),
        (lambda e: _again(e, "psp", "refunded", refund="re_2"), ("S1", "doubled")),
        (lambda e: _again(e, "wms", "order_received"), ("S1", "doubled")),
        (lambda e: _again(e, "mail", "mail_received"), ("S1", "doubled")),
        (lambda e: _again(e, "shop", "fulfilment_created"), ("S1", "doubled")),
        (lambda e: _gone(e, "erp", "sales_order"), ("Q3", "lost")),
        (lambda e: _gone(e, "erp", "invoice_posting"), ("Q3", "lost")),
        (lambda e: _gone(e, "shop", "fulfilment_created"), ("Q3", "lost")),
        (lambda e: _gone(e, "mail", "mail_received"), ("Q3", "lost")),
        (lambda e: _gone(e, "psp", "refunded"), ("Q3", "lost")),
        (lambda e: _altered(e, "psp", "refunded", amount=1099), ("Q3", "lost")),
        (lambda e: _altered(e, "psp", "refunded", amount=1101), ("S2", "doubled")),
        (lambda e: _altered(e, "psp", "captured", amount=1000), ("S2", "doubled")),
        (lambda e: _gone(e, "till", "inspected"), ("S2", "doubled")),
        (lambda e: _gone(e, "erp", "credit_memo"), ("Q1", "unexplained")),
        (lambda e: _altered(e, "erp", "sales_order", body={"order": {"id": "2"}}), ("S3", "unexplained")),
        (lambda e: e.intents[_ENTITY].clear(), ("S3", "unexplained")),
        (lambda e: _intents_of(e, "sale").update(sealed_at=_at(30).isoformat()), ("S3", "unexplained")),
        (lambda e: _intents_of(e, _REFUND).update(body={"amount": _money(1)}), ("S3", "unexplained")),
        (lambda e: _altered(e, "erp", "credit_memo", refs={"sale": "S9"}), ("S7", "unexplained")),
        (lambda e: _intents_of(e, "sale")["rules"].update(live_at=_at(2).isoformat()), ("S6", "unexplained")),
        (lambda e: _intents_of(e, "sale").update(cause={"fact": "order:shop:9"}), ("S12", "unexplained")),
        (lambda e: _intents_of(e, "sale")["cause"].update(recorded_at=_at(2).isoformat()), ("S12", "unexplained")),
        (lambda e: e.orders[_ENTITY]["timeline"].extend(e.orders[_ENTITY]["timeline"]), ("S5", "doubled")),
        (lambda e: e.check["inbox"].update(translated=7, quarantined=1), ("S9", "lost")),
        (lambda e: _told(e, refunds_a_day=1000), ("S2", "doubled")),
        (lambda e: _again(e, "psp", "refunded"), ("S1", "doubled")),
        (lambda e: e.intents[_ENTITY].extend([{**_intents_of(e, "sale"), "unresolved": True}] * 2), ("S8", "unexplained")),
        (lambda e: e.check["inbox"].update(translated=7), ("S9", "lost")),
        (lambda e: e.check["states"].update(converged=0), ("S9", "lost")),
        (lambda e: e.counts["shop"].update(forgeries_accepted=1), ("S9", "unexplained")),
        (lambda e: e.orders.update({_ENTITY: None}), ("S9", "lost")),
        (lambda e: e.orders[_ENTITY]["promises"][0].update(next_actor="a person"), ("S10", "unexplained")),
        (lambda e: e.calls["erp"].extend([{"at": 1000.5, "subject": ""}] * 12), ("S11", "unexplained")),
        (lambda e: e.accounts[0].update(pending=2201), ("S2", "unexplained")),
        (lambda e: _altered(e, "shop", "metafield_set", value="No-S9"), ("Q6", "lost")),
        (lambda e: e.rebuilds[_ENTITY]["differing"].append({"opens": ["sale"]}), ("Q7", "unexplained")),
        (lambda e: e.orders[_ENTITY]["promises"][0].update(standing="promised"), ("liveness", "unexplained")),
        (lambda e: e.cases.append({"cause": "rejected:erp:x", "detail": "", "entities": [_ENTITY]}), ("cases", "unexplained")),
        (lambda e: e.check["invariants"][0].update(breaches=1, example="x"), ("S1", "unexplained")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(tamper: Callable[[Evidence], None], found: tuple[str, str]) -> None:
    evidence = sound()
    tamper(evidence)
    assert found in judged(evidence)


def test_what_a_wrong_clock_dates_is_no_finding_and_what_is_doubled_under_it_is() -> None:
    evidence = sound()
    _told(evidence, wrong_clock=[(_at(0).isoformat(), _at(10).isoformat())])
    _intents_of(evidence, "sale").update(sealed_at=_at(86_400).isoformat())
    evidence.check["invariants"].append({"name": "S3", "breaches": 1, "example": "a date"})
    assert judged(evidence) == set()
    _again(evidence, "erp", "sales_order")
    assert ("S1", "doubled") in judged(evidence)


def test_mails_are_due_from_when_the_retailer_began_to_write_them() -> None:
    evidence = sound()
    _gone(evidence, "mail", "mail_received")
    _told(evidence, mails_since=_at(3600).isoformat())
    assert judged(evidence) == set()


def test_what_nobody_could_hear_of_is_not_missed_and_what_is_doubled_is() -> None:
    evidence = sound()
    _gone(evidence, "psp", "refunded")
    evidence.lost["till"] = [{"id": "1", "topic": "order.updated", "body": f'{{"receipt": "{_ENTITY}"}}'}]
    assert ("Q3", "lost") not in judged(evidence)
    _again(evidence, "erp", "sales_order")
    assert ("S1", "doubled") in judged(evidence)


def test_what_comes_together_because_the_systems_stood_still_is_not_too_much_at_once() -> None:
    for until, found in ((1000.4, False), (1010.0, True)):
        evidence = sound()
        evidence.calls["erp"].extend([{"at": 1000.5, "subject": ""}] * 12)  # type: ignore[attr-defined]
        _told(evidence, stood_still=[(until, 1.2)])
        assert (("S11", "unexplained") in judged(evidence)) is found


def test_what_comes_together_because_its_wire_held_it_up_is_not_too_much_at_once() -> None:
    for system, found in (("erp", False), ("psp", True)):
        evidence = sound()
        evidence.calls["erp"].extend([{"at": 1000.5, "subject": ""}] * 12)  # type: ignore[attr-defined]
        _told(evidence, held_up={system: [(1000.4, 1.2)]})
        assert (("S11", "unexplained") in judged(evidence)) is found


def test_calls_that_go_on_at_the_full_rate_stay_ahead_by_what_came_together_and_no_further() -> None:
    for paused, found in ((0.0, False), (3.0, True)):
        evidence = sound()
        times = [*[1000.5] * 12, *(1000.5 + nth / 10 for nth in range(1, 60))]
        times += [times[-1] + paused + 0.1] * 12 if paused else []
        evidence.calls["erp"].extend({"at": at, "subject": ""} for at in times)  # type: ignore[attr-defined]
        _told(evidence, stood_still=[(1000.4, 1.2)])
        assert (("S11", "unexplained") in judged(evidence)) is found


# ---- systems that were restored from a backup


def _set_back(evidence: Evidence, system: str, what: str, *again: Entry) -> None:
    """The system is restored to a backup from just before the first of these, and then the others happen."""
    ledger = evidence.ledgers[system]
    at = next(place for place, entry in enumerate(ledger) if entry.what == what)
    marks = [Entry(0, _at(0), each, "", {}) for each in ("snapshot", "restored")]
    told = [*ledger[:at], marks[0], *ledger[at:], marks[1], *again]
    evidence.ledgers[system] = [replace(entry, seq=seq) for seq, entry in enumerate(told, start=1)]


def _say(evidence: Evidence, cause: str) -> None:
    evidence.cases.append({"cause": cause, "detail": "", "entities": [_ENTITY]})  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("system", "what", "cause"),
    [
        ("erp", "credit_memo", "missing:erp:credit_memo"),
        ("psp", "refunded", "missing:psp:payment_refund"),
        ("shop", "refund_created", "missing:shop:return_record"),
    ],
)
def test_what_a_system_was_set_back_over_has_to_be_told(system: str, what: str, cause: str) -> None:
    evidence = sound()
    _set_back(evidence, system, what)
    assert ("S1", "lost") in judged(evidence)
    evidence = sound()
    _set_back(evidence, system, what)
    _say(evidence, cause)
    assert judged(evidence) == set()


def test_a_correction_in_doubt_since_the_hub_was_set_back_is_a_persons_and_nothing_else_excuses_books_that_differ() -> (
    None
):
    for forgotten, cause, found in (
        ([[_at(45).isoformat(), _at(50).isoformat()]], "doubt:erp:credit_memo", False),
        ([[_at(45).isoformat(), _at(50).isoformat()]], "doubt:erp:goods_issue", True),
        ([], "doubt:erp:credit_memo", True),
    ):
        evidence = sound()
        _gone(evidence, "erp", "credit_memo")
        _say(evidence, cause)
        _told(evidence, forgotten=forgotten)
        assert (("Q1", "unexplained") in judged(evidence)) is found


def test_what_was_sent_in_a_time_that_is_forgotten_may_happen_a_little_later_and_is_sealed_again() -> None:
    for since, until, found in ((-30, 0, False), (2, 4, False), (-30, -10, True), (6, 9, True)):
        evidence = sound()
        _intents_of(evidence, "sale")["sealed_at"] = _at(12).isoformat()
        _told(evidence, forgotten=[[_at(since).isoformat(), _at(until).isoformat()]])
        assert (("S3", "unexplained") in judged(evidence)) is found


def test_an_order_that_reached_the_warehouse_as_a_forgotten_time_ended_may_be_sent_with_its_next_address() -> None:
    for until, found in ((2, False), (-7, True)):
        evidence = sound()
        evidence.ledgers["wms"].append(Entry(99, _at(59), "order_conflicted", _ENTITY, {"id": "so_1"}))
        _told(evidence, forgotten=[[_at(-30).isoformat(), _at(until).isoformat()]])
        assert (("S3", "unexplained") in judged(evidence)) is found


def test_a_number_of_a_sale_that_is_forgotten_is_shown_unless_it_was_cancelled_before_it_was_heard_of_again() -> None:
    for cancelled in (False, True):
        evidence = sound()
        _gone(evidence, "shop", "metafield_set")
        _told(evidence, forgotten=[[_at(4).isoformat(), _at(6).isoformat()]])
        if cancelled:
            evidence.ledgers["shop"].append(Entry(99, _at(7), "order_cancelled", _SHOP_ID, {}))
        assert (("Q6", "lost") in judged(evidence)) is not cancelled


def test_a_buyer_is_told_of_a_forgotten_refund_when_the_day_has_room_for_it_again() -> None:
    for says, found in (("overdrawn:refunds/USD/2026-03-01", False), ("doubt:erp:sale", True)):
        evidence = sound()
        evidence.ledgers["mail"] = [e for e in evidence.ledgers["mail"] if "refund" not in e.details["subject"]]
        _told(evidence, forgotten=[[_at(43).isoformat(), _at(47).isoformat()]], refunds_a_day=50_000)
        waits = {"name": f"day_of:{_REFUND}", "of": "clock", "what": "", "until": ""}
        evidence.orders[_ENTITY]["expected"] = [waits]  # type: ignore[index]
        _say(evidence, says)
        assert (("Q3", "lost") in judged(evidence)) is found


def test_what_a_system_was_set_back_over_may_be_done_once_more_there() -> None:
    for times, found in ((1, set[tuple[str, str]]()), (2, {("S1", "doubled"), ("Q1", "unexplained")})):
        evidence = sound()
        _set_back(evidence, "erp", "credit_memo", *[next(evidence.entries("erp", "credit_memo"))] * times)
        assert judged(evidence) == found


def test_money_goes_out_once_also_where_its_provider_was_set_back_over_it() -> None:
    evidence = sound()
    _set_back(evidence, "psp", "refunded", next(evidence.entries("psp", "refunded")))
    assert {("S1", "doubled"), ("S2", "doubled")} <= judged(evidence)


def test_nothing_is_said_to_be_missing_where_nothing_was_set_back() -> None:
    for cause in ("missing:erp:credit_memo", "order_gone:shop", "absent:shop:order"):
        evidence = sound()
        _say(evidence, cause)
        assert ("cases", "unexplained") in judged(evidence)


@pytest.mark.parametrize(
    ("system", "what", "cause", "also_gone", "found"),
    [
        ("erp", "credit_memo", "missing:erp:sales_order", (), ("S1", "lost")),
        ("erp", "credit_memo", "order_gone:shop", (), ("S1", "lost")),
        ("erp", "credit_memo", "missing:erp:credit_memo", ("shop", "fulfilment_created"), ("Q3", "lost")),
        ("shop", "refund_created", "missing:shop:return_record", ("erp", "goods_return"), ("Q3", "lost")),
        ("shop", "refund_created", "order_gone:shop", ("psp", "refunded"), ("Q3", "lost")),
        ("shop", "refund_created", "missing:shop:return_record", ("mail", "mail_received"), ("Q3", "lost")),
    ],
)
def test_what_people_are_told_of_one_thing_excuses_no_other(
    system: str, what: str, cause: str, also_gone: tuple[str, str], found: tuple[str, str]
) -> None:
    evidence = sound()
    _set_back(evidence, system, what)
    _say(evidence, cause)
    if also_gone:
        _gone(evidence, *also_gone)
    assert found in judged(evidence)


def test_whoever_states_no_facts_takes_none_back() -> None:
    for system, what, found in (("erp", "credit_memo", True), ("shop", "order_placed", False)):
        evidence = sound()
        _set_back(evidence, system, what)
        del evidence.orders[_ENTITY]["facts"][0]  # type: ignore[index]
        assert (("S12", "unexplained") in judged(evidence)) is found


def test_what_was_paid_for_units_whose_taking_off_the_shop_forgot_may_have_been_due() -> None:
    evidence = sound()
    _altered(evidence, "psp", "refunded", amount=2200)
    _intents_of(evidence, _REFUND)["body"] = {"amount": _money(2200)}
    off = Entry(0, _at(2), "order_edited", _SHOP_ID, {"removed": {"1": 1}})
    evidence.ledgers["shop"].append(off)
    _set_back(evidence, "shop", "order_edited")
    assert judged(evidence) == set()


def test_mails_of_before_anybody_wrote_any_may_be_withheld_and_nothing_else() -> None:
    for since, withholds, found in (
        (3600, "parcel_notice:s1", False),
        (3600, "sale", True),
        (None, "parcel_notice:s1", True),
    ):
        evidence = sound()
        if since is not None:
            _told(evidence, mails_since=_at(-since).isoformat())
        evidence.rebuilds[_ENTITY]["differing"].append(
            {"opens": [], "withdraws": 0, "withholds": [withholds], "troubles": []}
        )
        assert (("Q7", "unexplained") in judged(evidence)) is found


def test_a_mail_about_what_was_acted_on_before_anybody_wrote_is_by_rules_of_later_unless_a_campaign_allowed_it() -> (
    None
):
    for since, campaign, found in ((40, None, True), (40, 7, False), (15, None, False), (None, None, False)):
        evidence = sound()
        notice = _intent("parcel_notice:sh_1", "mail", "shipment:wms:sh_1", 45, {})
        notice["rules"] = {**notice["rules"], "in_flight": True, "campaign": campaign}
        evidence.intents[_ENTITY].append(notice)  # type: ignore[attr-defined]
        if since is not None:
            _told(evidence, mails_since=_at(since).isoformat())
        assert (("S6", "unexplained") in judged(evidence)) is found


def test_a_clerk_gives_back_what_a_provider_that_was_set_back_shows_as_left() -> None:
    evidence = sound()
    refund = next(evidence.entries("psp", "refunded"))
    captured = next(evidence.entries("psp", "captured"))
    by_hand = {**refund.details, "refund": "re_by_hand", "amount": captured.details["amount"]}
    _set_back(evidence, "psp", "refunded", replace(refund, key="", details=by_hand))
    assert ("S2", "doubled") not in judged(evidence)
    by_hand["amount"] += 1
    assert ("S2", "doubled") in judged(evidence)


def test_what_a_bank_sent_back_waits_for_a_person_to_say_that_it_goes_out_once_more() -> None:
    for sent_back in (True, False):
        evidence = sound()
        refund = next(evidence.entries("psp", "refunded"))
        evidence.orders[_ENTITY]["expected"].append({"name": f"approval:{_REFUND}"})  # type: ignore[index]
        if sent_back:
            evidence.ledgers["psp"].append(replace(refund, what="refund_failed"))
        else:
            _gone(evidence, "psp", "refunded")
        assert (("Q3", "lost") in judged(evidence)) is not sent_back


def test_nothing_is_due_in_the_shop_on_an_order_that_it_has_no_more() -> None:
    for gone in (True, False):
        evidence = sound()
        for what in ("fulfilment_created", "refund_created"):
            _gone(evidence, "shop", what)
        if gone:
            _set_back(evidence, "shop", "order_placed")
        assert judged(evidence) == (set[Any]() if gone else {("Q3", "lost")})


def test_a_further_sale_is_due_only_where_the_shop_forgot_what_was_taken_off() -> None:
    for forgotten in (True, False):
        evidence = sound()
        evidence.ledgers["shop"].insert(2, Entry(0, _at(7), "order_edited", _SHOP_ID, {"removed": {}}))
        if forgotten:
            _set_back(evidence, "shop", "order_edited")
            for cause in ("missing:shop:fulfilment", "missing:shop:return_record"):
                _say(evidence, cause)
        first, key = next(evidence.entries("erp", "sales_order")), _key("sale:2", "order:shop:5001")
        evidence.ledgers["erp"].append(replace(first, key=key, details={**first.details, "id": "S2"}))
        evidence.intents[_ENTITY].append({**_intents_of(evidence, "sale"), "key": key})  # type: ignore[attr-defined]
        assert (("S1", "doubled") in judged(evidence)) is not forgotten
        assert ("Q6", "lost") not in judged(evidence)


def test_a_parcel_of_two_sales_is_issued_and_invoiced_once_from_each() -> None:
    for kept, rest, sale, found in ((1, 2, "S2", False), (3, 3, "S2", True), (1, 2, "S1", True)):
        evidence = sound()
        for what, promise in (("goods_issue", "goods_issue:sh_1:2"), ("invoice_posting", "invoice:sh_1:2")):
            nth, first = next((i, e) for i, e in enumerate(evidence.ledgers["erp"]) if e.what == what)
            key, refs = _key(promise, "shipment:wms:sh_1"), {"sale": sale}
            bodies = [{"shipment": _PARCEL}] * 2
            if what == "goods_issue":
                bodies = [{"shipment": {**_PARCEL_TOLD, "lines": [{"line": "1", "units": n}]}} for n in (kept, rest)]
            evidence.ledgers["erp"][nth] = replace(first, details={**first.details, "body": bodies[0]})
            second = {**first.details, "body": bodies[1], "refs": refs}
            evidence.ledgers["erp"].append(replace(first, key=key, details=second))
        assert (("S1", "doubled") in judged(evidence)) is found


def test_a_day_s_limit_on_refunds_is_reached_where_there_is_one() -> None:
    for limit in (None, 50_000):
        evidence = sound()
        _told(evidence, refunds_a_day=limit)
        _say(evidence, "overdrawn:refunds/USD/2026-11-22")
        assert (("cases", "unexplained") in judged(evidence)) is (limit is None)


def test_what_was_shown_on_an_order_that_the_shop_has_no_more_needs_no_telling() -> None:
    evidence = sound()
    _set_back(evidence, "shop", "order_placed")
    assert judged(evidence) == set()
