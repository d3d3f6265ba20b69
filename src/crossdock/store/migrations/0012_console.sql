-- The console: who is signed in, figures counted ahead of its pages, whose case it is, and decisions on many at once.

-- One-time links and sessions, by the SHA-256 of their tokens: whoever reads the database can't sign in with what is there.
create table console_link (
    digest     bytea       primary key,
    person     text        not null,
    roles      text[]      not null,
    expires_at timestamptz not null
);
create table console_session (
    digest     bytea       primary key,
    person     text        not null,
    roles      text[]      not null,              -- given with the link, beside those of the settings
    generation integer,                           -- of the password it began with, null: a link; another password ends it
    began_at   timestamptz not null,
    expires_at timestamptz not null
);

-- What the pages show of the whole, counted in the background; no page reads a hot table for it.
create table figure (
    name     text             primary key,
    value    jsonb,                               -- null: it couldn't be counted, and `failed` says why
    failed   text,
    at       timestamptz      not null,
    seconds  double precision not null,           -- how long counting took
    stale_at timestamptz      not null            -- after this it counts as unknown
);

alter table cases
    add column revision    bigint not null default 0,  -- counts people's decisions: whoever decides says which they saw
    add column assignee    text,
    add column quiet_until integer,                     -- snoozed: it comes back with more items than this
    add column system      text generated always as (
        case when kind in ('mapping', 'rejected', 'failing', 'doubt', 'quarantine', 'unbound', 'brake')
             then split_part(translate(cause, '/', ':'), ':', 2) else '' end) stored;
create index cases_cause on cases (cause, id);
create index case_item_at on case_item (case_id, at);
create index decision_case on decision ((detail ->> 'case')) where detail ? 'case';

-- The value of the orders of each case, counted in the background: {currency: minor units}.
create table case_worth (
    case_id bigint primary key references cases,
    worth   jsonb  not null
);

-- Open promises that somebody should look at, by the part of the trade they hold up. Reads `due`, which holds open ones only.
create view stuck as
select d.promise, d.entity, d.target, d.stage, d.actor, d.deadline, d.blocked_on, p.name, p.opened_at,
       case when p.name ~ '^(refund|store_credit|pay_back|capture|void)(:|$)' then 'money'
            when p.name ~ '^(credit_memo|goods_return)(:|$)' then 'returns'
            when p.name ~ '^(party_account|sale|shipment_order|pickup_order|goods_issue|invoice|supplementary_invoice)(:|$)'
            then 'invoicing'
            else 'telling' end as part
from due d join promise p on p.id = d.promise
where d.stage in (3, 5) or (d.stage = 4 and d.actor = 2) or d.deadline < now();

-- A decision on many case items: the set is frozen when it is previewed, and done bit by bit once it is confirmed.
create table bulk_job (
    id           bigint      generated always as identity primary key,
    what         text        not null,            -- retry, skip; of whole cases assign, snooze, wake
    reason       text        not null,            -- why; of assign to whom
    filter       text        not null,            -- as it was chosen, for people
    by           text        not null,
    items        integer     not null,
    frozen_at    timestamptz not null,
    confirmed_at timestamptz,
    done_at      timestamptz
);
create index bulk_job_open on bulk_job (id) where confirmed_at is not null and done_at is null;
create table bulk_item (
    job     bigint      not null references bulk_job,
    case_id bigint      not null,
    entity  text        not null,
    promise bigint      not null,
    outcome text,                                  -- null: not done yet
    at      timestamptz,
    primary key (job, case_id, entity, promise)
);
create index bulk_item_open on bulk_item (job) where outcome is null;

-- The books by day: what is heard of money is rare beside everything else; a receipt's time is summarised, not indexed.
create index document_money on document (recorded_at) where kind in ('capture', 'refund', 'dispute');

-- Money that moved and documents that were posted, when the hub heard of them; amounts positive, in minor units.
create view ledger_entry as
select d.recorded_at as at, split_part(coalesce(d.entity, ''), ':', 2) as channel, coalesce(d.entity, '') as entity,
       case d.kind when 'capture' then 'captured' when 'refund' then 'refunded' else 'disputed' end as what,
       d.id, d.connection as system, b.body -> 'amount' ->> 'currency' as currency,
       (b.body -> 'amount' ->> 'minor')::bigint as minor, coalesce(b.body ->> 'status', '') as status
from document d cross join lateral (select convert_from(d.body, 'UTF8')::jsonb as body offset 0) b
where d.kind in ('capture', 'refund', 'dispute') and not d.gone
union all
select r.at, split_part(p.entity, ':', 2), p.entity,
       case p.noun when 'sales_order' then 'sold' when 'credit_memo' then 'credited' else 'billed further' end,
       r.number, p.target,
       case when p.noun = 'sales_order' then b.body -> 'order' ->> 'currency' else b.body ->> 'currency' end,
       case when p.noun = 'sales_order' then (b.body -> 'order' -> 'total' ->> 'minor')::bigint else (
           select sum((l -> 'net' ->> 'minor')::bigint + coalesce((
               select sum((t -> 'amount' ->> 'minor')::bigint) from jsonb_array_elements(l -> 'taxes') t), 0))::bigint
           from jsonb_array_elements(b.body -> 'lines') l) end,
       ''
from receipt r join promise p on p.id = r.promise
cross join lateral (select convert_from(p.body, 'UTF8')::jsonb as body offset 0) b
where p.noun in ('sales_order', 'credit_memo', 'supplementary_invoice');
