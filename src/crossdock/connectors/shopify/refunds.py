"""Showing on an order what came back and what was paid for it elsewhere, and giving store credit; each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, uuid5

import msgspec

from crossdock.canonical.payment import StoreCredit
from crossdock.canonical.returns import ReturnedUnits, ReturnRecord
from crossdock.connect.connector import Command
from crossdock.connect.documents import Untranslatable
from crossdock.connect.effects import Effect, Keyed, Searchable
from crossdock.connect.link import Link
from crossdock.connect.receipts import Confirmed, Outcome
from crossdock.connectors.shopify.graphql import UserError, ask
from crossdock.connectors.shopify.graphql_wire import Bag, GraphId
from crossdock.connectors.shopify.money_facts import key_in, note_of
from crossdock.connectors.shopify.settings import Settings
from crossdock.connectors.shopify.terms import amount, gid, names
from crossdock.kernel.faults import Rejected, Transient, Unknown
from crossdock.kernel.money import AnyMoney, Money, to_decimal

_ASKED = {"refunds": 100, "transactions": 100}

ONCE: Sequence[Effect] = (
    # Shopify keeps the key of `@idempotent` for 24 hours (its guide on implementing idempotency).
    Keyed(timedelta(hours=24)),
    # An order's refunds are read from its database, not from the search index; a request ends within 30 s or not at all.
    Searchable(by="note", visible_after=timedelta(seconds=5), max_travel=timedelta(seconds=60)),
)


class _Refund(msgspec.Struct, rename="camel"):
    legacy_resource_id: str
    note: str | None

    def confirmed(self) -> Confirmed:
        return Confirmed(id=self.legacy_resource_id, aliases=names(gid("Refund", self.legacy_resource_id)))


class _Transaction(msgspec.Struct, rename="camel"):
    id: str
    kind: str
    status: str
    gateway: str | None
    manual_payment_gateway: bool
    amount_set: Bag
    parent_transaction: GraphId | None


class _Order(msgspec.Struct, rename="camel"):
    currency_code: str
    presentment_currency_code: str
    refunds: list[_Refund]
    transactions: list[_Transaction]

    @property
    def one_currency(self) -> bool:
        return self.currency_code == self.presentment_currency_code


class _Money(msgspec.Struct):
    order: _Order | None


class _Noted(msgspec.Struct):
    refunds: list[_Refund]


class _Notes(msgspec.Struct):
    order: _Noted | None


class _Payload(msgspec.Struct, rename="camel"):
    refund: _Refund | None
    user_errors: list[UserError]


class _Created(msgspec.Struct, rename="camel"):
    refund_create: _Payload | None


async def record_return(command: Command[ReturnRecord], link: Link[Settings]) -> Outcome:
    """Write a return down as a refund whose money went another way.

    Shopify calls the gateway of a refund's transaction, and would pay a second time: only on a payment by a manual
    gateway, which it merely writes down, the amount becomes a transaction. Otherwise the note alone tells it.
    """
    record = command.body
    order = await _order(record.order, link)
    if known := _known(order.refunds, command):
        return known.confirmed()
    told = f"{record.note or f'Return {record.return_id}'}, {record.amount} given back"
    wanted: dict[str, object] = {
        "refundLineItems": [_line(line, link.settings) for line in record.lines],
        "transactions": _transactions(record, order) if order.one_currency else [],
    }
    if record.shipping.minor and order.one_currency:
        wanted["shipping"] = {"amount": _decimal(record.shipping)}
    return await _create(command, record.order, order, note_of(command.key, told), wanted, link)


async def give_store_credit(command: Command[StoreCredit], link: Link[Settings]) -> Outcome:
    """Refund to the buyer's store credit, which unlike a credit to the account keeps our key and counts on the order."""
    credit = command.body
    if credit.customer is None:
        return Rejected("store credit needs a customer the shop knows", field="customer")
    order = await _order(credit.order, link)
    if known := _known(order.refunds, command):
        return known.confirmed()
    given = {"amount": _decimal(credit.amount), "currencyCode": credit.amount.currency}
    wanted = {"refundMethods": [{"storeCreditRefund": {"amount": given}}]}
    return await _create(command, credit.order, order, note_of(command.key, credit.reason), wanted, link)


async def find_refunds(
    commands: Sequence[Command[ReturnRecord] | Command[StoreCredit]], link: Link[Settings]
) -> Mapping[str, Outcome]:
    """Look through each order's refunds for our keys."""
    outcomes = dict[str, Outcome]()
    for number in dict.fromkeys(command.body.order for command in commands):
        answer = await ask("OrderNotes", {"id": gid("Order", number), "refunds": _ASKED["refunds"]}, _Notes, link)
        refunds = answer.order.refunds if answer.order else []
        for command in (each for each in commands if each.body.order == number):
            if known := _known(refunds, command):
                outcomes[command.key] = known.confirmed()
            elif len(refunds) >= _ASKED["refunds"]:
                outcomes[command.key] = Unknown(f"{_ASKED['refunds']} refunds or more on order {number}")
    return outcomes


async def _create(
    command: Command[ReturnRecord] | Command[StoreCredit],
    number: str,
    order: _Order,
    note: str,
    wanted: Mapping[str, object],
    link: Link[Settings],
) -> Outcome:
    given: dict[str, object] = {"orderId": gid("Order", number), "note": note, "notify": False, **wanted}
    if not order.one_currency:
        given["currency"] = order.presentment_currency_code
    variables = {"input": given, "key": str(uuid5(NAMESPACE_URL, command.key))}
    payload = (await ask("RefundCreate", variables, _Created, link, safe=False)).refund_create
    if payload is None or (payload.refund is None and not payload.user_errors):
        raise Unknown("Shopify answered neither a refund nor an error")
    if payload.refund is None:
        return _refusal(payload.user_errors)
    return payload.refund.confirmed()


def _refusal(errors: Sequence[UserError]) -> Outcome:
    """An error about the key itself says that an earlier send of ours got there, or is under way."""
    told = " ".join(error.message.lower() for error in errors)
    if "idempoten" in told or "currently in progress" in told:
        return Unknown(f"an earlier request has this key: {errors[0].message}")
    return errors[0].rejected()


async def _order(number: str, link: Link[Settings]) -> _Order:
    answer = await ask("OrderMoney", {"id": gid("Order", number), **_ASKED}, _Money, link)
    if answer.order is None:
        raise Rejected(f"the shop has no order {number}", field="order")
    return answer.order


def _known(refunds: Iterable[_Refund], command: Command[ReturnRecord] | Command[StoreCredit]) -> _Refund | None:
    return next((each for each in refunds if key_in(each.note) == command.key), None)


def _line(line: ReturnedUnits, settings: Settings) -> dict[str, object]:
    """Counted in at the shop only what can be sold again, and only where its stock isn't told by another system."""
    given: dict[str, object] = {"lineItemId": gid("LineItem", line.line), "quantity": line.units}
    if line.restock == "sellable" and settings.restock_location:
        place = gid("Location", settings.restock_location)
        return {**given, "restockType": "RETURN", "locationId": place}
    return {**given, "restockType": "NO_RESTOCK"}


def _transactions(record: ReturnRecord, order: _Order) -> list[dict[str, object]]:
    """The amount on the payments that Shopify only writes down, as far as they have that much left."""
    made, left = list[dict[str, object]](), record.amount.minor
    for taken in order.transactions:
        if taken.manual_payment_gateway and taken.kind in ("SALE", "CAPTURE") and taken.status == "SUCCESS":
            part = min(left, _left_on(taken, order))
            left -= part
            if part > 0:
                made.append(
                    {
                        "orderId": gid("Order", record.order),
                        "parentId": taken.id,
                        "gateway": taken.gateway or "",
                        "kind": "REFUND",
                        "amount": _decimal(Money(part, record.amount.currency)),
                    }
                )
    return made


def _left_on(taken: _Transaction, order: _Order) -> int:
    back = (each for each in order.transactions if each.kind == "REFUND" and each.status not in ("ERROR", "FAILURE"))
    of_it = (each for each in back if each.parent_transaction and each.parent_transaction.id == taken.id)
    return _minor(taken, order) - sum(_minor(each, order) for each in of_it)


def _minor(transaction: _Transaction, order: _Order) -> int:
    try:
        return amount(transaction.amount_set.shop_money.amount, order.currency_code).minor
    except Untranslatable as error:
        raise Transient(f"a transaction that can't be read: {error}") from error


def _decimal(money: AnyMoney) -> str:
    return str(to_decimal(money))
