"""The money of an order in the words and columns a person in finance reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crossdock.cli.wording import Known, amount, day_and_clock, name_of
from crossdock.promises.standing import Standing
from crossdock.settle.statement import Billing, Cause, MoneyBack, Permission, Statement
from crossdock.store.tracing import TracedPromise

MET, MISSING = "✓", "…"
_TITLES = {"order": "The order, cancelled or lowered", "surplus": "Paid too much"}


def known_names(standing: Standing) -> Known:
    """What people call the facts of an entity: returns by their numbers, payments by their cards."""
    known: dict[str, str] = {}
    for fact in standing.facts:
        name = getattr(fact.body, "number", "") or getattr(fact.body, "label", "")
        if name and fact.kind in ("return", "payment"):
            known[fact.id] = name
            known[str(fact.body.id)] = name
    return known


def money_block(told: Statement, promises: Sequence[TracedPromise], known: Known) -> Iterator[str]:
    """Under an order's promises: what was taken, and for each cause what it came to and what each act needed."""
    if not told.payments and not told.causes:
        return
    yield "  money"
    yield from _payments(told)
    for cause in told.causes:
        yield from _cause(told, cause, [p for p in promises if p.cause == cause.id], known)
    if told.billing:
        due = sum(each.due_net + sum(each.due_tax) for each in told.billing)
        done = sum(each.billed_net + sum(each.billed_tax) for each in told.billing)
        balance = _plain(told, told.customer_balance)
        yield f"    billed {_plain(told, done)} of {_plain(told, due)} due | customer balance {balance}"


def _payments(told: Statement) -> Iterator[str]:
    for payment in told.payments:
        disputed = f" | in dispute {_plain(told, payment.disputed)}" if payment.disputed else ""
        yield (
            f"    {payment.label}: captured {_money(told, payment.captured)} | given back"
            f" {_plain(told, payment.refunded)}{disputed} | captured left {_plain(told, payment.left)}"
        )


def _cause(told: Statement, cause: Cause, promises: Sequence[TracedPromise], known: Known) -> Iterator[str]:
    yield f"    {title_of(cause)}{_terms(cause)}"
    exchanged = f"new goods for {_plain(told, cause.exchanged)} | " if cause.exchanged else ""
    yield (
        f"      {exchanged}entitled {_plain(told, cause.entitled)} | paid {_plain(told, cause.paid)}"
        f" | in flight {_plain(told, cause.in_flight)} | open {_plain(told, cause.open)}"
    )
    made = {each.name: each for each in cause.money_back}
    for each in cause.money_back:
        if each.standing == "waits for approval":
            yield f"      {name_of(each.name, known)}, {_money(told, each.amount)} to {each.payee}, waits for approval"
            yield f"        needs: {'   '.join(_needs_of_money(told, each, None, known))}"
    for promise in promises:
        needs = list(_needs_of_money(told, made.get(promise.name), promise, known))
        if needs:
            yield f"      {name_of(promise.name, known)}"
            yield f"        needed: {'   '.join(needs)}"


def title_of(cause: Cause) -> str:
    """`Return R1: 1 CAP-RED damaged`"""
    title = _TITLES.get(cause.kind, f"{cause.kind.capitalize()} {cause.number}".rstrip())
    brought = ", ".join(f"{units} {sku} {became}" for sku, units, became in cause.brought)
    return f"{title}: {brought}" if brought else title


def _terms(cause: Cause) -> str:
    """Which version of the retailer's terms it is judged by."""
    if not cause.policy:
        return ""
    return f"    terms of returns, version {cause.policy}, in force on {day_and_clock(cause.at)}"


def _needs_of_money(
    told: Statement, money: MoneyBack | None, promise: TracedPromise | None, known: Known
) -> Iterator[str]:
    """What an act needed: other promises kept, and for money the capture, no dispute, and people's word."""
    if promise is not None:
        for slot in promise.needs:
            name = slot.removeprefix(f"{promise.entity}/")
            yield f"{name_of(name, known)} {MET if slot in promise.met else MISSING}"
    if money is None:
        return
    if money.payee != "store credit":
        yield f"captured {MET}"
        yield f"no dispute {MISSING if told.disputes else MET}"
    if money.permission is not None:
        yield permission_of(told, money.permission)


def permission_of(told: Statement, given: Permission) -> str:
    """`approval over 10.00 by finance ✓ mara, until 2026-11-23 14:02`"""
    over = f" over {_plain(told, given.over)}" if given.over is not None else ""
    people = f"{given.people} of {given.role}" if given.people > 1 else given.role
    said = f"approval{over} by {people} {MET if given.given else MISSING}"
    if given.rejected_by:
        return f"{said} rejected by {given.rejected_by}"
    by = f" {' and '.join(given.approved_by)}" if given.approved_by else ""
    until = f", until {day_and_clock(given.until)}" if given.until is not None else ""
    return f"{said}{by}{until}"


# --- the books ---------------------------------------------------------------------------------------------------------


def as_books(told: Statement, wrong: Iterable[tuple[str, str]], *, at_rest: bool) -> str:
    """Everything finance asks of one order, each table with its sums."""
    found = list(wrong)
    state = "everything is explained" if not found else "NOT everything is explained"
    if not at_rest:
        state = "something is still under way"
    blocks = [
        [f"Order {told.number}    {told.currency}    {state}"],
        [f"  {question}: {what}" for question, what in found],
        list(_billing(told)),
        list(_entitlements(told)),
        list(_payment_table(told)),
        list(_entries(told)),
        list(_balances(told)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _billing(told: Statement) -> Iterator[str]:
    if not told.billing:
        yield "Billing: there is no sale of it in an ERP"
        return
    yield f"{'Billing':<44}{'should be':>12}{'is':>12}{'missing':>12}"
    for each in told.billing:
        yield _row(told, position_of(each), each.due_net, each.billed_net)
        for rate, due, done in zip(each.rates, each.due_tax, each.billed_tax, strict=True):
            yield _row(told, f"  tax at {rate}", due, done)
    due = sum(each.due_net + sum(each.due_tax) for each in told.billing)
    yield _row(told, "sum", due, sum(each.billed_net + sum(each.billed_tax) for each in told.billing))


def _row(told: Statement, title: str, due: int, done: int) -> str:
    return f"  {title:<42}{_plain(told, due):>12}{_plain(told, done):>12}{_plain(told, due - done):>12}"


def position_of(each: Billing) -> str:
    """`TEE-BLK-M goods`"""
    return f"{each.sku or each.line} {each.component}".strip()


def _entitlements(told: Statement) -> Iterator[str]:
    if not told.causes:
        return
    yield f"{'Entitlements':<44}{'entitled':>12}{'paid':>12}{'in flight':>12}{'open':>12}"
    for each in told.causes:
        numbers = (each.entitled, each.paid, each.in_flight, each.open)
        yield f"  {title_of(each):<42}" + "".join(f"{_plain(told, number):>12}" for number in numbers)


def _payment_table(told: Statement) -> Iterator[str]:
    if not told.payments:
        return
    yield f"{'Payments':<44}{'captured':>12}{'given back':>12}{'in dispute':>12}{'left':>12}"
    for each in told.payments:
        numbers = (each.captured, each.refunded, each.disputed, each.left)
        yield f"  {f'{each.label} at {each.connection}':<42}" + "".join(f"{_plain(told, n):>12}" for n in numbers)


def _entries(told: Statement) -> Iterator[str]:
    if not told.entries:
        return
    yield f"{'Entries':<44}{'debit':>12}{'credit':>12}"
    for entry in told.entries:
        yield f"  {entry.what}"
        for account, minor in sorted(entry.postings.items(), key=lambda posting: (posting[1] < 0, posting[0])):
            yield f"    {account:<40}{_debit_and_credit(minor, entry.currency)}"


def _balances(told: Statement) -> Iterator[str]:
    if not told.trial_balance:
        return
    yield f"{'Trial balance':<44}{'debit':>12}{'credit':>12}"
    for each in told.trial_balance:
        yield f"  {each.name:<42}{_debit_and_credit(each.balance, each.currency)}"
    for currency in sorted({each.currency for each in told.trial_balance}):
        mine = [each.balance for each in told.trial_balance if each.currency == currency]
        debit, credit = sum(b for b in mine if b > 0), -sum(b for b in mine if b < 0)
        yield f"  {f'sum in {currency}':<42}{_number(debit, currency):>12}{_number(credit, currency):>12}"
    yield ""
    yield f"Customer balance {_money(told, told.customer_balance)}{_who_owes(told)}"
    for share in told.shares:
        yield f"  {share.why:<42}{_plain(told, share.amount):>12}"


def _who_owes(told: Statement) -> str:
    if not told.customer_balance:
        return ""
    return ": the buyer owes it" if told.customer_balance > 0 else ": held for the buyer"


def _debit_and_credit(minor: int, currency: str) -> str:
    number = _number(abs(minor), currency)
    return f"{number:>12}" if minor >= 0 else f"{'':>12}{number:>12}"


def _money(told: Statement, minor: int) -> str:
    return amount(minor, told.currency)


def _plain(told: Statement, minor: int) -> str:
    """Without its currency, which is said once."""
    return _number(minor, told.currency)


def _number(minor: int, currency: str) -> str:
    return amount(minor, currency).rpartition(" ")[0]
