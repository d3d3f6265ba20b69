"""The money of an order as the shop holds it, where the shop's own payments are the authority. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from crossdock.canonical.payment import Capture, PaymentAuthorization, Refund, Tender
from crossdock.connect.documents import Document, Origin, Untranslatable
from crossdock.connectors.shopify import terms
from crossdock.connectors.shopify.graphql_wire import GraphOrder, GraphRefund, GraphTransaction

_TENDERS: dict[str, Tender] = {"gift_card": "gift_card", "shopify_store_credit": "store_credit", "cash": "cash"}
_OPENING = ("AUTHORIZATION", "EMV_AUTHORIZATION", "SALE")
_TAKING = ("SALE", "CAPTURE")
_FAILED = ("FAILURE", "ERROR")
_OURS = re.compile(r"crossdock:([!-~]{1,380})")
_PARENTS_MAX = 10

Status = Literal["pending", "open", "captured", "voided", "failed"]


def note_of(key: str, told: str = "") -> str:
    """A refund's note, by which it is found again and known as ours."""
    return f"{told[:400]} crossdock:{key}".strip()


def key_in(note: str | None) -> str:
    """The command key in a refund's note; empty when it is none of ours."""
    found = _OURS.search(note or "")
    return found[1] if found else ""


def money_of(order: GraphOrder, entity: str, origin: Origin) -> Iterator[Document]:
    """Each tender, what was taken on it and what went back; what only echoes a refund paid elsewhere says nothing."""
    by_id = {each.id: each for each in order.transactions}
    for each in order.transactions:
        family = [other for other in order.transactions if _opening(other, by_id) is each]
        if each.kind in _OPENING:
            yield _document("payment", each, entity, _payment(each, family, order), at=max(map(_made, family)))
        if each.kind in _TAKING and each.status == "SUCCESS":
            yield _document("capture", each, entity, _capture(each, by_id, order))
    refunds = {paid.id: refund for refund in order.refunds for paid in refund.transactions.nodes}
    for each in order.transactions:
        refund = refunds.get(each.id)
        if each.kind == "REFUND" and not _echo(each, refund):
            yield _document("refund", each, entity, _refund(each, refund, by_id, order))


def _echo(transaction: GraphTransaction, refund: GraphRefund | None) -> bool:
    """We wrote it down for the shop's books; the money went back elsewhere, except as the shop's own credit."""
    return bool(refund and key_in(refund.note)) and _tender(transaction) != "store_credit"


def _payment(each: GraphTransaction, family: Iterable[GraphTransaction], order: GraphOrder) -> PaymentAuthorization:
    amount = terms.amount(each.amount_set.shop_money.amount, order.currency_code)
    return PaymentAuthorization(
        id=terms.number_of(each.id),
        tender=_tender(each),
        authorised=amount,
        status=_status(each, family),
        authorised_at=_made(each),
        label=_label(each),
    )


def _status(each: GraphTransaction, family: Iterable[GraphTransaction]) -> Status:
    done = {other.kind for other in family if other.status == "SUCCESS"}
    if each.status in _FAILED:
        return "failed"
    if each.status != "SUCCESS":
        return "pending"
    if done & set(_TAKING):
        return "captured"
    return "voided" if "VOID" in done else "open"


def _capture(each: GraphTransaction, by_id: Mapping[str, GraphTransaction], order: GraphOrder) -> Capture:
    opening = _opening(each, by_id)
    return Capture(
        id=terms.number_of(each.id),
        payment=terms.number_of((opening or each).id),
        tender=_tender(opening or each),
        amount=terms.amount(each.amount_set.shop_money.amount, order.currency_code),
        captured_at=_made(each),
    )


def _refund(
    each: GraphTransaction, refund: GraphRefund | None, by_id: Mapping[str, GraphTransaction], order: GraphOrder
) -> Refund:
    opening = _opening(each, by_id)
    returned = refund.of_return if refund else None
    return Refund(
        id=terms.number_of(each.id),
        payment=terms.number_of(opening.id) if opening else "",
        tender=_tender(each),
        amount=terms.amount(each.amount_set.shop_money.amount, order.currency_code),
        status="succeeded" if each.status == "SUCCESS" else "failed" if each.status in _FAILED else "pending",
        refunded_at=_made(each),
        reference=key_in(refund.note) if refund else "",
        for_return=terms.number_of(returned.id) if returned else "",
    )


def _opening(each: GraphTransaction, by_id: Mapping[str, GraphTransaction]) -> GraphTransaction | None:
    """The authorisation or sale it all began with; None for money that came on no tender of the order."""
    for _ in range(_PARENTS_MAX):
        if each.kind in _OPENING:
            return each
        parent = by_id.get(each.parent_transaction.id) if each.parent_transaction else None
        if parent is None:
            return None
        each = parent
    raise Untranslatable(f"transaction {each.id} goes in circles")


def _tender(each: GraphTransaction) -> Tender:
    known = _TENDERS.get(each.gateway or "")
    return known or ("other" if each.manual_payment_gateway else "card")


def _label(each: GraphTransaction) -> str:
    company = each.payment_details.company if each.payment_details else None
    digits = re.sub(r"\D", "", each.account_number or "")[-4:]
    return " ".join(filter(None, (company, digits))) or (each.gateway or "")


def _made(each: GraphTransaction) -> datetime:
    if each.created_at is None:
        raise Untranslatable(f"transaction {each.id} without a time")
    return terms.utc(each.created_at)


def _document(
    kind: str,
    each: GraphTransaction,
    entity: str,
    body: PaymentAuthorization | Capture | Refund,
    *,
    at: datetime | None = None,
) -> Document:
    return Document(
        kind=kind,
        id=body.id,
        entity=entity,
        body=body,
        token=terms.token(at or _made(each)),
        aliases=(terms.gid("OrderTransaction", body.id),),
    )
