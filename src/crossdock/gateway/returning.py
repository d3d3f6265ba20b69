"""Returns as the API opens and fills them. Pure: the order, what is on its way back, and what is asked, in; a return out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from crossdock.canonical.order import Order, OrderLine
from crossdock.canonical.returns import Allowance, Disposition, Return, ReturnLine
from crossdock.gateway.problems import Problem, conflicting, unfit
from crossdock.gateway.replacing import agreed
from crossdock.kernel.money import AnyMoney, Money, from_written

# What `printable` refuses beyond this has no short pattern: separators and characters that nobody has assigned.
Text = Annotated[str, Meta(max_length=200, extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"})]
Id = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Units = Annotated[int, Meta(ge=1, le=1_000_000)]


class LineAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units of an order line, named by its id, or by its SKU where only one line has it."""

    units: Units
    line: Text = ""
    sku: Text = ""
    keeps_goods: bool = False
    reason: Text = ""


class ReplacementAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New goods for a line of the return: for what that came to, or for a price of their own, taxed as it was."""

    sku: Annotated[str, Meta(min_length=1, max_length=200)]
    units: Units | None = None
    """As many as come back, unless said otherwise."""
    title: Text = ""
    price: Annotated[str, Meta(max_length=30)] | None = None
    """Of one unit, as decimal text in the order's currency; with its taxes where the order's prices have them in."""
    instead_of: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Which of the return's lines, from 1; by default the one in the same place, or the only one."""


class ReturnAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST …/returns`."""

    lines: Annotated[tuple[LineAsked, ...], Meta(min_length=1, max_length=1000)]
    id: Id | None = None
    """By default a number nobody had."""
    number: Text = ""
    settle_by: Literal["refund", "store_credit", "exchange", "nothing"] = "refund"
    channel: Text = ""
    replacements: Annotated[tuple[ReplacementAsked, ...], Meta(max_length=1000)] = ()
    """What the customer gets instead, where it is settled by exchange."""


class LineReceived(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units of a return that were handed in; without a disposition somebody has to look at them yet."""

    units: Units
    line: Text = ""
    sku: Text = ""
    disposition: Disposition | None = None
    location: Text = ""


class ReceiptAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST …/receipts`, and `…/inspections` of what was received without a disposition."""

    lines: Annotated[tuple[LineReceived, ...], Meta(min_length=1, max_length=1000)]


class LineGivenUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units of the new goods that will not be sent."""

    units: Units
    line: Text = ""
    sku: Text = ""


class ShortageAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST …/shortages`: out of stock, or not wanted any more. What has left already stays with the customer."""

    lines: Annotated[tuple[LineGivenUp, ...], Meta(min_length=1, max_length=1000)]
    reason: Text = ""


class CancellationAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST …/cancellation`."""

    reason: Text = ""


class AllowanceAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`POST …/allowances`: money without goods; `amount` is decimal text."""

    amount: Annotated[str, Meta(max_length=30)]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    by: Annotated[str, Meta(max_length=100)] = ""
    """Who granted it; of a person who is signed in the hub knows it."""
    line: Text = ""


def opened(asked: ReturnAsked, id_: str, order: Order, returns: Sequence[Return], at: datetime) -> Return:
    """A return of what is still to be returned; `Problem` names the line that is too much or unknown."""
    left = Counter({line.id: line.ordered for line in order.lines})
    left.subtract(coming_back(returns))
    lines: list[ReturnLine] = []
    for nth, each in enumerate(asked.lines):
        line = _order_line(each, order, left, f"lines[{nth}]")
        if each.units > left[line.id]:
            raise unfit(
                f"lines[{nth}].units",
                f"{each.units} of {line.sku} are more than the {max(0, left[line.id])} of {line.ordered} ordered"
                " that are not on their way back already",
            )
        left[line.id] -= each.units
        lines.append(
            ReturnLine(
                id=str(nth + 1),
                line=line.id,
                sku=line.sku,
                units=each.units,
                keeps_goods=each.keeps_goods,
                reason=each.reason,
            )
        )
    return Return(
        id=id_,
        returned_at=at,
        lines=tuple(lines),
        settle_by=asked.settle_by,
        number=asked.number or id_,
        channel=asked.channel,
        replacements=agreed(asked, id_, order, lines, returns),
    )


def coming_back(returns: Iterable[Return]) -> Counter[str]:
    """Units of each order line that have come back, may come back, or are paid for without it."""
    units: Counter[str] = Counter()
    for each in returns:
        is_open = each.status in ("requested", "authorised")
        for line in each.lines:
            kept = line.units if line.keeps_goods and each.status != "cancelled" else 0
            units[line.line] += max(line.units, line.received) if is_open else max(line.received, kept)
    return units


def _order_line(asked: LineAsked, order: Order, left: Counter[str], where: str) -> OrderLine:
    if not asked.line and not asked.sku:
        raise unfit(f"{where}.line", "name the line by its id, or by its sku")
    named = [line for line in order.lines if not asked.line or line.id == asked.line]
    if not named:
        known = ", ".join(line.id for line in order.lines[:20])
        raise unfit(f"{where}.line", f"order {order.number} has no line {asked.line}; its lines are {known}")
    fitting = [line for line in named if not asked.sku or line.sku == asked.sku]
    if not fitting:
        raise unfit(f"{where}.sku", f"order {order.number} has no {asked.sku}" + (" there" if asked.line else ""))
    with_room = [line for line in fitting if left[line.id] >= asked.units]
    if len(with_room) > 1 and not asked.line:
        names = ", ".join(line.id for line in with_room[:20])
        raise unfit(f"{where}.line", f"{asked.sku} is in several lines; name one of {names}")
    return with_room[0] if with_room else fitting[0]


def received(asked: ReceiptAsked, held: Return) -> Return:
    """The return with these units handed in. Every receipt keeps lines of its own, so that none can undo another."""
    _check_open(held)

    def awaited(line: ReturnLine) -> bool:
        return not line.received and not line.keeps_goods

    lines = _moved(asked, held, awaited, "still expected", "received")
    return _closed_when_done(replace(held, lines=lines))


def inspected(asked: ReceiptAsked, held: Return) -> Return:
    """The return with a word on what became of units that were handed in without one."""
    if held.status == "cancelled":
        raise conflicting(f"return {held.id} is cancelled")

    def unseen(line: ReturnLine) -> bool:
        return line.received > 0 and line.disposition is None

    for nth, each in enumerate(asked.lines):
        if each.disposition is None:
            raise unfit(f"lines[{nth}].disposition", "say sellable, damaged or vendor")
    lines = _moved(asked, held, unseen, "waiting for a look", "inspected")
    return _closed_when_done(replace(held, lines=lines))


def cancelled(held: Return) -> Return:
    """The return called off; what was handed in already has to be settled."""
    _check_open(held)
    if any(line.received for line in held.lines):
        raise conflicting(f"return {held.id} has goods handed in already; it can't be cancelled any more")
    return replace(held, status="cancelled")


def _check_open(held: Return) -> None:
    if held.status not in ("requested", "authorised"):
        raise conflicting(f"return {held.id} is {held.status}; open another one")


def _moved(
    asked: ReceiptAsked, held: Return, movable: Callable[[ReturnLine], bool], called: str, done: str
) -> tuple[ReturnLine, ...]:
    lines = list(held.lines)
    for nth, each in enumerate(asked.lines):
        fitting = [line for line in _named(each, lines, f"lines[{nth}]", held) if movable(line)]
        there = sum(line.units for line in fitting)
        if each.units > there:
            raise unfit(f"lines[{nth}].units", f"{each.units} {done}, and {there} of return {held.id} are {called}")
        _take(lines, fitting, each)
    return tuple(lines)


def _named(asked: LineReceived, lines: Sequence[ReturnLine], where: str, held: Return) -> list[ReturnLine]:
    if not asked.line and not asked.sku:
        raise unfit(f"{where}.line", "name the order's line by its id, or by its sku")
    found = [line for line in lines if asked.line in ("", line.line) and asked.sku in ("", line.sku)]
    if not found:
        field = "line" if asked.line else "sku"
        raise unfit(f"{where}.{field}", f"return {held.id} has no {asked.line or asked.sku}")
    if len({line.line for line in found}) > 1:
        names = ", ".join(sorted({line.line for line in found}))
        raise unfit(f"{where}.line", f"{asked.sku} is in several lines; name one of {names}")
    return found


def _take(lines: list[ReturnLine], fitting: Sequence[ReturnLine], asked: LineReceived) -> None:
    """Move units out of what they were, into a line of their own where some are left behind."""
    missing = asked.units
    for line in fitting:
        units = min(missing, line.units)
        if units == 0:
            break
        missing -= units
        at = lines.index(line)
        moved = replace(
            line,
            units=units,
            received=units,
            disposition=asked.disposition,
            location=asked.location or line.location,
        )
        if units == line.units:
            lines[at] = moved
        else:
            rest = line.units - units
            lines[at] = replace(line, units=rest, received=rest if line.received else 0)
            lines.append(replace(moved, id=_new_id(line.id, lines)))


def _new_id(of: str, lines: Iterable[ReturnLine]) -> str:
    root = of.partition(".")[0]
    taken = [line.id.partition(".")[2] for line in lines if line.id.partition(".")[0] == root]
    return f"{root}.{max((int(each) for each in taken if each), default=0) + 1}"


def _closed_when_done(held: Return) -> Return:
    done = all(line.keeps_goods or (line.received == line.units and line.disposition) for line in held.lines)
    return replace(held, status="closed") if done else held


def granted(
    asked: AllowanceAsked, id_: str, order: Order, allowances: Iterable[Allowance], at: datetime, by: str
) -> Allowance:
    """An allowance of no more than the order came to."""
    amount = _amount(asked, order)
    given: AnyMoney = Money(sum(each.amount.minor for each in allowances), order.currency)
    if amount.minor + given.minor > order.total.minor:
        earlier = f", with {given} given already" if given.minor else ""
        raise unfit("amount", f"{amount} is more than the order's {order.total} allows{earlier}")
    if asked.line and asked.line not in {line.id for line in order.lines}:
        raise unfit("line", f"order {order.number} has no line {asked.line}")
    return Allowance(id=id_, amount=amount, reason=asked.reason, granted_by=by, granted_at=at, line=asked.line)


def _amount(asked: AllowanceAsked, order: Order) -> AnyMoney:
    if asked.currency != order.currency:
        raise unfit("currency", f"order {order.number} is in {order.currency}, not in {asked.currency}")
    try:
        amount = from_written(asked.amount, asked.currency)
    except ValueError as error:
        raise unfit("amount", f"{asked.amount!r} is no amount; write digits and a point, such as 12.50") from error
    if amount.minor <= 0:
        raise unfit("amount", f"{asked.amount} is not more than zero")
    return amount


def printable(asked: object, where: str = "") -> Iterator[Problem]:
    """What no database holds: control characters in any text."""
    match asked:
        case str() if not asked.isprintable():
            yield unfit(where or "body", "has characters that can't be printed")
        case msgspec.Struct():
            for name in asked.__struct_fields__:
                yield from printable(getattr(asked, name), f"{where}.{name}".lstrip("."))
        case tuple() | list():
            for at, each in enumerate(asked):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
                yield from printable(each, f"{where}[{at}]")  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return
