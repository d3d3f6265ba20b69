-- The books as sums that grow with time and not with orders, what money and documents of an order differ by, and what the
-- hub's work is worth. All of it is worked out in the background from what is stored anyway; nothing is written with an order.

-- Up to when money and postings are in the sums; what came later is read as it is.
create table tally_mark (
    one     boolean     primary key default true check (one),
    until   timestamptz not null,
    audited text        not null default ''       -- the last order whose money was looked at, of all orders in turn
);

create table ledger_day (
    day      date   not null,                     -- by UTC, when the hub heard of it
    channel  text   not null,
    currency text   not null,
    what     text   not null,                     -- captured, refunded, disputed, sold, billed further, credited
    minor    bigint not null,
    entries  bigint not null,
    primary key (day, channel, currency, what)
);

-- What the hub did by day: acts confirmed by noun, states written, drift put right, calls tried again.
create table work_day (
    day   date   not null,
    what  text   not null,
    count bigint not null,
    primary key (day, what)
);

-- Orders whose money and documents differ, and why as far as anybody knows; most do for seconds, and never get here.
create table ledger_balance (
    entity    text        not null,
    currency  text        not null,
    minor     bigint      not null,               -- kept less sold, billed further and credited
    since     timestamptz not null,
    touched   timestamptz not null,
    judged_at timestamptz,                        -- null: not since it was touched
    reason    text        not null default '',
    wrong     bigint      not null default 0,     -- what of it nothing explains, with nothing under way; minor units
    primary key (entity, currency)
) with (fillfactor = 70);
create index ledger_balance_even on ledger_balance (entity) where minor = 0 and wrong = 0;
create index ledger_balance_unjudged on ledger_balance (touched) where judged_at is null;
create index ledger_balance_wrong on ledger_balance (since) where wrong <> 0;

-- Days and orders whose sums a later word about money has made wrong; they are counted anew.
create table ledger_touched (
    day    date not null,
    entity text not null
);

create function touch_ledger() returns trigger language plpgsql set enable_hashjoin = on as $$ begin
    insert into ledger_touched (day, entity)
    select distinct (o.recorded_at at time zone 'UTC')::date, e.entity
    from was o join is_now n using (connection, kind, id)
    cross join lateral (values (coalesce(o.entity, '')), (coalesce(n.entity, ''))) e (entity)
    where o.kind in ('capture', 'refund', 'dispute')
      and (o.digest, o.gone, o.entity) is distinct from (n.digest, n.gone, n.entity);
    return null;
end $$;
create trigger document_tallied after update on document referencing old table as was new table as is_now
    for each statement execute function touch_ledger();

-- What people assume about work by hand; nothing is assumed for them. Changes are decisions, with who and what it was before.
create table assumption (
    name  text        primary key,
    value numeric     not null,
    by    text        not null,
    at    timestamptz not null
);

create index decision_at on decision (at);
-- Cases like this one that are over.
create index cases_over on cases (kind, system, closed_at) where closed_at is not null;

-- As before, but its entity is the document's own, by which it is found, and null for what belongs to nothing yet.
drop view ledger_entry;
create view ledger_entry as
select d.recorded_at as at, d.entity,
       case d.kind when 'capture' then 'captured' when 'refund' then 'refunded' else 'disputed' end as what,
       d.id, d.connection as system, b.body -> 'amount' ->> 'currency' as currency,
       (b.body -> 'amount' ->> 'minor')::bigint as minor, coalesce(b.body ->> 'status', '') as status
from document d cross join lateral (select convert_from(d.body, 'UTF8')::jsonb as body offset 0) b
where d.kind in ('capture', 'refund', 'dispute') and not d.gone
union all
select r.at, p.entity,
       case p.noun when 'sales_order' then 'sold' when 'credit_memo' then 'credited' else 'billed further' end,
       r.number, p.target,
       case when p.noun = 'sales_order' then b.body -> 'order' ->> 'currency' else b.body ->> 'currency' end,
       case when p.noun = 'sales_order' then (b.body -> 'order' -> 'total' ->> 'minor')::bigint else (
           select sum((l -> 'net' ->> 'minor')::bigint + coalesce((
               select sum((t -> 'amount' ->> 'minor')::bigint) from jsonb_array_elements(l -> 'taxes') t), 0))::bigint
           from jsonb_array_elements(b.body -> 'lines') l) end,
       ''
from receipt r join promise p on p.id = r.promise and r.slot = p.entity || '/' || p.name  -- found from either side
cross join lateral (select convert_from(p.body, 'UTF8')::jsonb as body offset 0) b
where p.noun in ('sales_order', 'credit_memo', 'supplementary_invoice');
