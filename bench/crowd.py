"""A shop's past made by SQL: settled orders with their money and postings over thirty days, and what is wrong with some of them.

A hundredth is stuck and was tried again by somebody, half of that in one case and the rest in two hundred; a fiftieth was
refunded and credited; for a refund of a five-hundredth somebody has to say yes; of a thousandth what came in and what was posted
differ. A hundred thousand orders take about a minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg

from crossdock.canonical.order import Order, OrderLine, OrderReference, SalesOrder, Tax
from crossdock.canonical.party import Address
from crossdock.canonical.payment import Capture, PaymentAuthorization, Refund
from crossdock.canonical.returns import BillingLine, CreditMemo
from crossdock.canonical.shipment import ShipmentLine, ShipmentOrder
from crossdock.kernel.money import Money
from crossdock.store.migrate import make_partitions

DAYS = 30
CASES = 200
_STEP = 20_000
# Numbers no body has otherwise, replaced in its text by SQL: the order's number, its total, a sixth of that.
_N, _TOTAL, _PART = 987_654_301, 987_654_302, 987_654_303
_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def _amount(minor: int) -> Money[str]:
    return Money(minor, "USD")


def _bodies() -> dict[str, str]:
    """One body of each kind, with placeholders."""
    home = Address(name="Ada Example", street=("1 Sage Street",), city="Springfield", postal_code="62701", country="US")
    tax = Tax(title="State tax", rate="0.1", amount=_amount(100))
    lines = tuple(
        OrderLine(
            id=f"{_N}-{at}", sku=f"SKU-{at}", title=f"A thing of the {at}th kind", ordered=2,
            unit_price=_amount(_PART), taxes=(tax,),
        )
        for at in range(5)
    )  # fmt: skip
    order = Order(
        id=str(_N), number=f"#{_N}", placed_at=_AT, currency="USD", lines=lines, total=_amount(_TOTAL),
        email="ada@example.com", bill_to=home, ship_to=home, payment="paid",
    )  # fmt: skip
    shipped = tuple(ShipmentLine(line=line.id, sku=line.sku, units=2) for line in lines)
    memo = BillingLine(line=f"{_N}-0", component="goods", sku="SKU-0", title="A thing", net=_amount(_PART), taxes=())
    told: dict[str, msgspec.Struct] = {
        "order": order,
        "payment": PaymentAuthorization(
            id=f"pi_{_N}", tender="card", authorised=_amount(_TOTAL), status="captured", authorised_at=_AT
        ),
        "capture": Capture(
            id=f"ch_{_N}", payment=f"pi_{_N}", tender="card", amount=_amount(_TOTAL), captured_at=_AT
        ),
        "refund": Refund(
            id=f"re_{_N}", payment=f"pi_{_N}", tender="card", amount=_amount(_PART), status="succeeded",
            refunded_at=_AT,
        ),
        "sale": SalesOrder(order=order, sold_by="shop"),
        "shipment_order": ShipmentOrder(
            reference=f"order:shop:{_N}", number=f"#{_N}", ship_to=home, lines=shipped
        ),
        "order_reference": OrderReference(order=str(_N)),
        "credit_memo": CreditMemo(
            number=f"#{_N}", sold_by="shop", currency="USD", memo_date=_AT, reason="returned", lines=(memo,)
        ),
    }  # fmt: skip
    return {name: msgspec.json.encode(body).decode() for name, body in told.items()}


def _body(name: str) -> str:
    total = "1000 + n %% 5000"
    return (
        f"convert_to(replace(replace(replace(%({name})s, '{_N}', n::text), '{_TOTAL}', ({total})::text),"
        f" '{_PART}', (({total}) / 6)::text), 'UTF8')"
    )


_FROM = """from generate_series(%(first)s::bigint, %(last)s) n
    cross join lateral (select %(now)s - %(days)s * interval '1 day' * (1 - n::float8 / %(orders)s) as at) t"""
_STUCK = "n %% 100 = 0"
_REFUNDED = "n %% 50 = 7"
_DIFFERS = "n %% 1000 = 7"
_CASE = f"(select min(id) - 1 from cases) + case when n %% 200 = 0 then 1 else 1 + n / 100 %% {CASES} end"


def _document(kind: str, connection: str, id_: str, where: str = "true") -> str:
    return f"""insert into document (connection, kind, id, entity, fact, epoch, token, observed, digest, gone, recorded_at,
                                     changed_at, raised_at, body)
        select '{connection}', '{kind}', {id_}, 'order:shop:' || n, '{kind}:{connection}:' || {id_}, 1, 1, 0,
               decode(md5(n::text), 'hex'), false, at, at, at, {_body(kind)} {_FROM} where {where}"""


def _promise(offset: int, name: str, noun: str, target: str, body: str, verb: int = 2, where: str = "true") -> str:
    return f"""insert into promise (id, entity, name, verb, target, noun, cause, cause_recorded_at, code, in_flight, revision,
                                    opened_at, first_ordinal, document, needs, within, pins, repair, digest, body)
        select n * 4 + {offset}, 'order:shop:' || n, '{name}', {verb}, '{target}', '{noun}', 'order:shop:' || n, at,
               'c'::bytea, false, 1, at, 1, '{name}', '{{}}', '[]', '{{}}', false, decode(md5(n::text), 'hex'), {_body(body)}
        {_FROM} where {where}"""


def _kept(offset: int, name: str, where: str) -> Iterator[str]:
    yield f"""insert into intent (promise, ordinal, key, sealed_at, worker, code, refs, digest)
        select n * 4 + {offset}, 1, 'order:shop:' || n || '/{name}/placed/1', at, 'w', 'c'::bytea, '', '' {_FROM}"""
    yield f"""insert into receipt (slot, promise, at, remote_id, number)
        select 'order:shop:' || n || '/{name}', n * 4 + {offset}, at + interval '1 s', n::text, '{name[:1].upper()}' || n
        {_FROM} where {where}"""


_ONCE = (
    "insert into code_version values ('c'::bytea, 'bench', now() - interval '90 days')",
    f"""insert into cases (cause, kind, title, remedy, opened_at)
        select 'rejected:erp:sales_order:field' || n, 'rejected', 'erp refuses sales order: field ' || n, 'Correct it', now()
        from generate_series(1, {CASES}) n""",
)
_EACH = (
    """insert into entity (key, bucket, revision, settled, settled_at, code)
       select 'order:shop:' || n, n %% 256, 1, 1, at, 'c'::bytea """ + _FROM,
    "insert into alias (name, entity) select '#' || n, 'order:shop:' || n " + _FROM,
    _document("order", "shop", "n::text"),
    _document("payment", "payments", "'pi_' || n"),
    _document("capture", "payments", "'ch_' || n"),
    _document("refund", "payments", "'re_' || n", _REFUNDED),
    _promise(0, "sale", "sales_order", "erp", "sale"),
    _promise(1, "shipment_order", "shipment_order", "warehouse", "shipment_order"),
    _promise(2, "order_reference", "order_reference", "shop", "order_reference", 1),
    _promise(3, "credit_memo:1", "credit_memo", "erp", "credit_memo", 2, f"{_REFUNDED} and not ({_DIFFERS})"),
    *_kept(0, "sale", f"not ({_STUCK})"),
    *_kept(1, "shipment_order", "true"),
    *_kept(2, "order_reference", "true"),
    *list(_kept(3, "credit_memo:1", f"{_REFUNDED} and not ({_DIFFERS})"))[1:],
    """insert into due (promise, entity, target, priority, due_at, stage, actor, ordinal, deadline, document)
       select n * 4, 'order:shop:' || n, 'erp', 1, 'infinity', 5, 2, 2, at + interval '30 min', 'sale' """
    + f"{_FROM} where {_STUCK}",
    """insert into case_item (case_id, entity, promise, at, detail, field)
       select """
    + f"{_CASE}, 'order:shop:' || n, n * 4, at, 'line 3 is refused: field ' || n %% 7, 'lines' {_FROM} where {_STUCK}",
    """insert into approval_request (entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause,
                                     until, asked_at)
       select 'order:shop:' || n, 'refund:return:1', md5(n::text), case when n %% 5000 = 3 then 'operator' else 'finance' end,
              1, 24, 'refund 5.00 USD to a card', 500, 'USD', 'card of pi_' || n, 'return:shop:R' || n,
              at + interval '40 days', at """
    + f"{_FROM} where n %% 500 = 3",
    f"""insert into decision (at, by, what, detail)
        select at, 'ada', 'retry', jsonb_build_object('case', {_CASE}, 'promises', 1) {_FROM} where {_STUCK}""",
    """insert into attempt (promise, ordinal, at, outcome, detail)
       select n * 4, 1, at, case when """ + f"{_STUCK} then 'rejected' else 'transient' end, 'refused' {_FROM} where n %% 20 = 0",
    """insert into inbox (received_at, connection, topic, message_id, observed, outcome, body)
       select at, 'shop', 'orders/create', n::text, 0, 1, """ + f"{_body('order')} {_FROM}",
    """insert into inbox_seen (connection, message_id, received_at) select 'shop', n::text, at """ + _FROM,
    """insert into evidence (entity, inbox_id, received_at)
       select 'order:shop:' || n, i.id, at """ + _FROM + " join inbox i on i.received_at = at and i.message_id = n::text",
)  # fmt: skip


def crowd(url: str, orders: int) -> float:
    """That many orders; answers the seconds it took."""
    began, now = time.monotonic(), datetime.now(UTC) - timedelta(minutes=2)
    for days in range(DAYS, -4, -4):
        make_partitions(url, keep_days=2 * DAYS, today=now.date() - timedelta(days=max(days, 0)))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        connection.execute("set session_replication_role = replica")  # no events: a month of them is thrown away anyway
        for statement in _ONCE:
            connection.execute(statement)  # pyright: ignore
        bodies = _bodies()
        for first in range(1, orders + 1, _STEP):
            span = {"first": first, "last": min(first + _STEP - 1, orders), "orders": orders, "days": DAYS, "now": now}
            for statement in _EACH:
                connection.execute(statement, {**bodies, **span})  # pyright: ignore
        connection.execute("select setval('promise_seq', %s)", (orders * 4 + 4,))
        connection.execute("vacuum analyze")
    return time.monotonic() - began
