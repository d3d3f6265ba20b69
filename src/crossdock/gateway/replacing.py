"""New goods for what comes back, as the API agrees on them: priced once, so that an even exchange is even to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from msgspec.structs import replace

from crossdock.books.amounts import Value, gross_of, less
from crossdock.books.pricing import line_worth
from crossdock.canonical.order import Order, OrderLine, Tax
from crossdock.canonical.returns import Replacement, Return, ReturnLine
from crossdock.gateway.problems import conflicting, unfit
from crossdock.kernel.money import AnyMoney, Money, from_written, portion

if TYPE_CHECKING:
    from crossdock.gateway.returning import ReplacementAsked, ReturnAsked, ShortageAsked


def agreed(
    asked: ReturnAsked, id_: str, order: Order, lines: Sequence[ReturnLine], returns: Sequence[Return]
) -> tuple[Replacement, ...]:
    """What is sent for a return; `Problem` where it can't be, or names no line, or no price that can be told."""
    if not asked.replacements:
        return ()
    if asked.settle_by != "exchange":
        raise unfit("settle_by", f"new goods are sent in exchange, not where a return is settled by {asked.settle_by}")
    if order.ship_to is None:
        raise conflicting(f"order {order.number} has no address that new goods could be sent to")
    found: list[Replacement] = []
    for nth, each in enumerate(asked.replacements):
        where = f"replacements[{nth}]"
        brought = _instead_of(each, nth, lines, where)
        like = next(line for line in order.lines if line.id == brought.line)
        made = OrderLine(
            id=f"{id_}+{nth + 1}",
            sku=each.sku,
            title=each.title or each.sku,
            ordered=each.units or brought.units,
            unit_price=Money(0, order.currency),
            replaces=id_,
        )
        priced = (
            _even(made, like, brought, order, returns) if each.price is None else _at(made, like, each, order, where)
        )
        found.append(Replacement(line=priced))
    return tuple(found)


def _instead_of(asked: ReplacementAsked, nth: int, lines: Sequence[ReturnLine], where: str) -> ReturnLine:
    at = asked.instead_of if asked.instead_of is not None else 1 if len(lines) == 1 else nth + 1
    if at > len(lines):
        raise unfit(f"{where}.instead_of", f"the return has no line {at}; it has {len(lines)}")
    return lines[at - 1]


def _even(made: OrderLine, like: OrderLine, brought: ReturnLine, order: Order, returns: Sequence[Return]) -> OrderLine:
    """What the units that come back came to, which are the last of their line; so much for each unit of more or fewer."""
    if like.ordered == 0:
        return made
    kept = like.ordered - _coming_back(brought.line, returns)
    included = order.tax_included
    before, after = (line_worth(like, units, tax_included=included) for units in (kept, kept - brought.units))
    back = less(before, after)
    [value] = back.values() or [Value(0, (0,) * len(like.taxes))]
    charged = gross_of(back) if included else value.net
    rates = sorted(((tax.rate, tax.title) for tax in like.taxes), key=lambda each: each[0])
    taxes = tuple(
        Tax(title=title, rate=rate, amount=Money(portion(amount, made.ordered, brought.units), order.currency))
        for (rate, title), amount in zip(rates, value.taxes, strict=True)
    )
    return _charging(made, portion(charged, made.ordered, brought.units), taxes, order.currency)


def _coming_back(line: str, returns: Sequence[Return]) -> int:
    return sum(
        max(each.units, each.received)
        for held in returns
        if held.status != "cancelled" and held.settle_by != "nothing"
        for each in held.lines
        if each.line == line
    )


def _charging(made: OrderLine, charged: int, taxes: tuple[Tax, ...], currency: str) -> OrderLine:
    """At a whole price a unit, and a discount for what that comes to too much."""
    price = -(-charged // made.ordered)
    off: AnyMoney = Money(price * made.ordered - charged, currency)
    return replace(made, unit_price=Money(price, currency), discount=off if off.minor else None, taxes=taxes)


def _at(made: OrderLine, like: OrderLine, asked: ReplacementAsked, order: Order, where: str) -> OrderLine:
    try:
        price = from_written(asked.price or "", order.currency)
    except ValueError as error:
        raise unfit(
            f"{where}.price", f"{asked.price!r} is no amount; write digits and a point, such as 12.50"
        ) from error
    if price.minor < 0:
        raise unfit(f"{where}.price", f"{asked.price} is below zero")
    charged, whole = price.minor * made.ordered, Fraction(1)
    if order.tax_included:
        whole += sum(Fraction(tax.rate) for tax in like.taxes)
    taxes = tuple(_taxed(tax, charged, Fraction(tax.rate) / whole, order.currency) for tax in like.taxes)
    return replace(made, unit_price=price, taxes=taxes)


def _taxed(like: Tax, charged: int, share: Fraction, currency: str) -> Tax:
    amount: AnyMoney = Money(portion(charged, share.numerator, share.denominator), currency)
    return replace(like, amount=amount)


def without(asked: ShortageAsked, held: Return) -> Return:
    """The return with some of its new goods given up; what has left already is the customer's all the same."""
    if held.status == "cancelled":
        raise conflicting(f"return {held.id} is cancelled, and nothing is sent for it")
    new = list(held.replacements)
    for nth, each in enumerate(asked.lines):
        fitting = [
            at for at, new_ in enumerate(new) if each.line in ("", new_.line.id) and each.sku in ("", new_.line.sku)
        ]
        if not (each.line or each.sku) or not fitting:
            named = each.line or each.sku or "that"
            raise unfit(f"lines[{nth}].{'line' if each.line else 'sku'}", f"return {held.id} has no new goods {named}")
        if len(fitting) > 1:
            names = ", ".join(new[at].line.id for at in fitting)
            raise unfit(f"lines[{nth}].line", f"{each.sku} is in several lines; name one of {names}")
        there = new[fitting[0]]
        left = there.line.ordered - there.given_up
        if each.units > left:
            raise unfit(
                f"lines[{nth}].units", f"{each.units} are given up, and {left} of {there.line.sku} are to be sent"
            )
        new[fitting[0]] = replace(there, given_up=there.given_up + each.units)
    return replace(held, replacements=tuple(new))
