"""Many orders at once, made by SQL: what the pages must stay fast with. Every hundredth is stuck in one case, the others rest."""

from __future__ import annotations

import psycopg

_BODY = """convert_to(jsonb_build_object('id', n::text, 'number', '#' || n, 'placed_at', '2026-11-01T10:00:00Z',
    'currency', 'USD', 'lines', jsonb_build_array(),
    'total', jsonb_build_object('minor', 1000 + n %% 5000, 'currency', 'USD'))::text, 'UTF8')"""
_MONEY = """convert_to(jsonb_build_object('id', 'ch_' || n, 'payment', 'pi_' || n, 'tender', 'card',
    'amount', jsonb_build_object('minor', 1000 + n %% 5000, 'currency', 'USD'),
    'captured_at', '2026-11-01T10:00:00Z')::text, 'UTF8')"""
_SALE = (
    f"convert_to(jsonb_build_object('order', convert_from({_BODY}, 'UTF8')::jsonb, 'sold_by', 'shop')::text, 'UTF8')"
)
_SQL = (
    """insert into entity (key, bucket, revision, settled, settled_at)
       select 'order:shop:' || n, n %% 256, 1, 1, now() from generate_series(1, %(orders)s) n""",
    f"""insert into document (connection, kind, id, entity, fact, epoch, token, observed, digest, gone, recorded_at, changed_at,
                              raised_at, body)
        select 'shop', 'order', n::text, 'order:shop:' || n, 'order:shop:' || n, 1, 1, 0, ''::bytea, false, at, at, at, {_BODY}
        from generate_series(1, %(orders)s) n cross join lateral (select now() - n * interval '20 s' as at) t""",
    f"""insert into document (connection, kind, id, entity, fact, epoch, token, observed, digest, gone, recorded_at, changed_at,
                              raised_at, body)
        select 'psp', 'capture', 'ch_' || n, 'order:shop:' || n, 'capture:psp:ch_' || n, 1, 1, 0, ''::bytea, false, at, at, at,
               {_MONEY}
        from generate_series(1, %(orders)s) n cross join lateral (select now() - n * interval '20 s' as at) t""",
    """insert into alias (name, entity) select '#' || n, 'order:shop:' || n from generate_series(1, %(orders)s) n""",
    f"""insert into promise (id, entity, name, verb, target, noun, cause, cause_recorded_at, code, in_flight, revision,
                             opened_at, first_ordinal, document, needs, within, pins, repair, digest, body)
        select n, 'order:shop:' || n, 'sale', 2, 'erp', 'sales_order', 'order:shop:' || n, at, 'c'::bytea, false, 1, at, 1,
               'sale', '{{}}', '[]', '{{}}', false, ''::bytea, {_SALE}
        from generate_series(1, %(orders)s) n cross join lateral (select now() - n * interval '20 s' as at) t""",
    """insert into intent (promise, ordinal, key, sealed_at, worker, code, refs, digest)
       select n, 1, 'order:shop:' || n || '/sale/placed/1', now() - n * interval '20 s', 'w', 'c'::bytea, '', ''
       from generate_series(1, %(orders)s) n""",
    """insert into receipt (slot, promise, at, remote_id, number)
       select 'order:shop:' || n || '/sale', n, now() - n * interval '20 s', n::text, 'S' || n
       from generate_series(1, %(orders)s) n where n %% 100 <> 0""",
    """insert into due (promise, entity, target, priority, due_at, stage, actor, ordinal, deadline, document)
       select n, 'order:shop:' || n, 'erp', 1, 'infinity', 5, 2, 2, now(), 'sale'
       from generate_series(1, %(orders)s) n where n %% 100 = 0""",
    """insert into inbox (received_at, connection, topic, message_id, observed, outcome, body)
       select date_trunc('hour', now()) - n * interval '1 ms', 'shop', 'orders/create', n::text, 0, 1, '{}'
       from generate_series(1, %(orders)s) n""",
    """insert into inbox_seen (connection, message_id, received_at) select connection, message_id, received_at from inbox""",
    """insert into evidence (entity, inbox_id, received_at) select 'order:shop:' || message_id, id, received_at from inbox""",
    """insert into attempt (promise, ordinal, at, outcome, detail)
       select n, 1, now(), 'rejected', 'a line is refused' from generate_series(1, %(orders)s) n where n %% 100 = 0""",
    """insert into cases (cause, kind, title, remedy, opened_at)
       values ('rejected:erp:sales_order:lines', 'rejected', 'erp refuses sales order: lines', 'Correct it', now())""",
    """insert into case_item (case_id, entity, promise, at, detail, field)
       select (select max(id) from cases), 'order:shop:' || n, n, now() - n * interval '1 s', 'a line is refused', 'lines'
       from generate_series(1, %(orders)s) n where n %% 100 = 0""",
)


def crowd(url: str, orders: int) -> None:
    """So many orders, one hundredth of them in one case."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _SQL:
            connection.execute(statement, {"orders": orders})  # pyright: ignore
        connection.execute("vacuum analyze")


def ask_for(apart: psycopg.Connection, which: str, role: str) -> None:
    """A refund of each of these orders waits for somebody of this role; of a later number, until later."""
    apart.execute(f"""insert into approval_request (entity, name, digest, role, people, hours, what, amount_minor, currency,
                                                    payee, cause, until, asked_at)
        select 'order:shop:' || n, 'refund:1', md5(n::text), '{role}', 1, 24, 'refund ' || n, 1000 + n, 'USD', 'card of ' || n,
               'return:shop:R' || n, now() + n * interval '1 min', now()
        from (select substr(key, 12)::int as n from entity where key like 'order:shop:%') o {which}""")  # pyright: ignore
