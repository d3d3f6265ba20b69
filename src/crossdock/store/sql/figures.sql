-- alone: Nobody else counts until commit; false where somebody does.
select pg_try_advisory_xact_lock(1207)

-- patience: No statement of this transaction takes longer, and each is planned for what it is asked: a day, a month, one order.
select set_config('statement_timeout', %(milliseconds)s::text, true), set_config('plan_cache_mode', 'force_custom_plan', true)

-- counted: What was counted, how long ago, whether that is too long, and how long it took.
select name, value::text, failed, at, seconds, stale_at < now(), extract(epoch from now() - at)::float8 from figure

-- keep: A figure as it is now, and until when it holds.
insert into figure as f (name, value, failed, at, seconds, stale_at)
values (%(name)s, %(value)s::jsonb, %(failed)s, now(), %(seconds)s, now() + make_interval(secs => %(holds_seconds)s))
on conflict (name) do update
set value = excluded.value, failed = excluded.failed, at = excluded.at, seconds = excluded.seconds,
    stale_at = excluded.stale_at

-- stuck: For each part of the trade how many entities are held up, since when, and what their orders are worth; at most 20,000 of them are valued.
with held as (
    select part, entity, min(opened_at) as since from stuck group by part, entity
), valued as (
    select h.part, t.total ->> 'currency' as currency, (t.total ->> 'minor')::bigint as minor
    from (select part, entity from held where entity like 'order:%%' limit 20000) h
    join document d on d.connection = split_part(h.entity, ':', 2) and d.kind = 'order'
                   and d.id = substr(h.entity, length(split_part(h.entity, ':', 2)) + 8) and not d.gone
    cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'total' as total) t
), worth as (
    select part, jsonb_object_agg(currency, minor) as worth
    from (select part, currency, sum(minor) as minor from valued group by part, currency) v group by part
)
select p.part, count(h.entity), min(h.since), coalesce((select w.worth from worth w where w.part = p.part), '{}')::text
from unnest(array['invoicing', 'returns', 'money', 'telling']) as p(part) left join held h using (part) group by p.part

-- approvals: What waits for people's word: how many, since when, how much.
select (select count(*) from approval_request), (select min(asked_at) from approval_request),
       coalesce((select jsonb_object_agg(currency, minor) from (
           select currency, sum(amount_minor) as minor from approval_request group by currency) a), '{}')::text

-- unbound: Documents that belong to nothing we know: how many, since when, and the money that they say moved; at most 20,000 of them are looked into.
select count(*), min(recorded_at), coalesce((
    select jsonb_object_agg(currency, minor) from (
        select m.amount ->> 'currency' as currency, sum((m.amount ->> 'minor')::bigint) as minor
        from (select kind, body from document where entity is null and not gone limit 20000) d
        cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'amount' as amount) m
        where d.kind in ('capture', 'refund', 'dispute') and m.amount is not null group by 1) u), '{}')::text
from document where entity is null

-- targets: Stopped lanes: how many, since when, and the value of the orders that wait for them; at most 20,000 of them are valued.
select count(*), min(since), coalesce((
    select jsonb_object_agg(currency, minor) from (
        select t.total ->> 'currency' as currency, sum((t.total ->> 'minor')::bigint) as minor
        from (select distinct o.entity from due o join brake b on b.connection = o.target
              where o.entity like 'order:%%' limit 20000) h
        join document d on d.connection = split_part(h.entity, ':', 2) and d.kind = 'order'
                       and d.id = substr(h.entity, length(split_part(h.entity, ':', 2)) + 8) and not d.gone
        cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'total' as total) t
        group by 1) w), '{}')::text
from brake

-- unreconciled: Orders whose money does not add up, though nothing is under way about them: how many, since when, how much.
select (select count(distinct entity) from ledger_balance where wrong <> 0), (select min(since) from ledger_balance where wrong <> 0),
       coalesce((select jsonb_object_agg(currency, minor) from (
           select currency, sum(abs(wrong)) as minor from ledger_balance where wrong <> 0 group by currency) w), '{}')::text

-- quarantined: Messages kept aside: how many, since when.
select count(*), min(i.at), '{}'
from cases c join case_item i on i.case_id = c.id where c.closed_at is null and c.kind = 'quarantine'

-- doubtful: Acts that may have happened: how many, since when, and the value of their orders.
select count(i.*), min(i.at), coalesce((
    select jsonb_object_agg(e.key, e.minor) from (
        select w.key, sum(w.value::bigint) as minor from cases k join case_worth v on v.case_id = k.id
        cross join lateral jsonb_each_text(v.worth) w where k.closed_at is null and k.kind = 'doubt' group by w.key) e), '{}')::text
from cases c join case_item i on i.case_id = c.id where c.closed_at is null and c.kind = 'doubt'

-- cases: Open cases that are not snoozed, since when, and the value of their orders, each once; at most 20,000 of them are valued.
with awake as (
    select c.id, c.opened_at from cases c where c.closed_at is null
      and (c.quiet_until is null or c.quiet_until < (select count(*) from case_item i where i.case_id = c.id))
)
select count(*), min(opened_at), coalesce((
    select jsonb_object_agg(currency, minor) from (
        select t.total ->> 'currency' as currency, sum((t.total ->> 'minor')::bigint) as minor
        from (select distinct i.entity from case_item i where i.case_id in (select id from awake)
              and i.entity like 'order:%%' limit 20000) h
        join document d on d.connection = split_part(h.entity, ':', 2) and d.kind = 'order'
                       and d.id = substr(h.entity, length(split_part(h.entity, ':', 2)) + 8) and not d.gone
        cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'total' as total) t
        group by 1) w), '{}')::text
from awake

-- weigh_cases: The value of the orders of each open case; at most 50,000 items are valued.
with items as (
    select distinct i.case_id, i.entity from case_item i join cases c on c.id = i.case_id
    where c.closed_at is null and i.entity like 'order:%%' limit 50000
), valued as (
    select i.case_id, t.total ->> 'currency' as currency, sum((t.total ->> 'minor')::bigint) as minor
    from items i
    join document d on d.connection = split_part(i.entity, ':', 2) and d.kind = 'order'
                   and d.id = substr(i.entity, length(split_part(i.entity, ':', 2)) + 8) and not d.gone
    cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'total' as total) t
    group by 1, 2
)
insert into case_worth as w (case_id, worth)
select case_id, jsonb_object_agg(currency, minor) from valued group by case_id
on conflict (case_id) do update set worth = excluded.worth where w.worth <> excluded.worth
