-- begin: The sums begin before everything that is there.
insert into tally_mark (until)
select coalesce(least((select min(recorded_at) from document), (select min(at) from receipt)), now()) - interval '1 s'
where not exists (select from tally_mark) on conflict do nothing

-- slice: The next span of time to be added; it ends a while ago, when whoever began to write before that has come to an end.
select until, least(until + make_interval(secs => %(seconds)s), now() - make_interval(secs => %(margin)s))
from tally_mark for update skip locked

-- went_back: The database's clock shows an earlier time than it did: what it dates now is before what is in the sums, so its day is counted anew.
insert into ledger_touched (day, entity)
select (now() at time zone 'UTC')::date, '' from tally_mark where until > now() and not exists (select from ledger_touched)

-- add: Money and postings of a span, into the sums of their days and the balances of their orders; answers how many.
with span as materialized (
    select (at at time zone 'UTC')::date as day, at, entity, what, currency, minor, counts from ledger_entry
    where at > %(since)s and at <= %(until)s and minor is not null and currency is not null and status not in ('failed', 'won')
), days as (
    insert into ledger_day as d (day, channel, currency, what, minor, entries)
    select day, split_part(coalesce(entity, ''), ':', 2), currency, what, sum(minor), count(*) from span group by 1, 2, 3, 4
    on conflict (day, channel, currency, what) do update
    set minor = d.minor + excluded.minor, entries = d.entries + excluded.entries
), balances as (
    insert into ledger_balance as b (entity, currency, minor, since, touched)
    select entity, currency, sum(minor * counts), min(at), now()
    from span where entity like 'order:%%' group by 1, 2
    having sum(minor * counts) <> 0
    on conflict (entity, currency) do update
    set minor = b.minor + excluded.minor, touched = excluded.touched, judged_at = null
)
select count(*) from span

-- add_work: What the hub did in a span, into the counts of its days.
insert into work_day as w (day, what, count)
select day, what, count(*) from (
    select (r.at at time zone 'UTC')::date as day,
           case when p.repair then 'repair' else case p.verb when 2 then 'act:' else 'state:' end || p.noun end as what
    from receipt r join promise p on p.id = r.promise
    where r.at > %(since)s and r.at <= %(until)s and p.verb in (1, 2)
    union all
    select (at at time zone 'UTC')::date, 'again' from attempt
    where at > %(since)s and at <= %(until)s and outcome in ('transient', 'throttled', 'unknown')) done
group by 1, 2
on conflict (day, what) do update set count = w.count + excluded.count

-- advance: So far everything is in the sums. A day that has just ended is counted once more as a whole.
with over as (
    insert into ledger_touched (day, entity) select (%(since)s at time zone 'UTC')::date, ''
    where (%(since)s at time zone 'UTC')::date < (%(until)s at time zone 'UTC')::date and %(until)s > now() - interval '1 day'
)
update tally_mark set until = %(until)s

-- touched: What is to be counted anew; it is forgotten here, in the transaction that does so.
delete from ledger_touched where ctid = any(array(select ctid from ledger_touched limit %(limit)s)) returning day, entity

-- forget_day: The sums of a day.
delete from ledger_day where day = %(day)s

-- count_day: The sums of a day, as far as it is counted, from all that is known of it now.
insert into ledger_day (day, channel, currency, what, minor, entries)
select %(day)s, split_part(coalesce(entity, ''), ':', 2), currency, what, sum(minor), count(*) from ledger_entry
where at >= %(first)s and at < %(next)s and at <= %(until)s
  and minor is not null and currency is not null and status not in ('failed', 'won')
group by 2, 3, 4

-- forget_orders: The balances of these orders are not known.
update ledger_balance set minor = 0, touched = now(), judged_at = null where entity = any(%(entity)s::text[])

-- count_orders: The balances of these orders, as far as it is counted.
insert into ledger_balance as b (entity, currency, minor, since, touched)
select entity, currency, sum(minor * counts), min(at), now()
from ledger_entry
where entity = any(%(entity)s::text[]) and at <= %(until)s and minor is not null and currency is not null
  and status not in ('failed', 'won')
group by 1, 2 having sum(minor * counts) <> 0
on conflict (entity, currency) do update set minor = excluded.minor

-- drop_even: Orders whose money and documents are the same again.
delete from ledger_balance where minor = 0 and wrong = 0

-- unjudged: Orders that differ and that nobody has looked at since they were touched, or for long.
(select entity from ledger_balance where judged_at is null order by touched limit %(limit)s)
union
(select entity from ledger_balance where judged_at < now() - interval '6 hours' limit %(limit)s)

-- audited: Up to which order all were looked at in turn.
select audited from tally_mark

-- audit_from: All orders up to this one were looked at; empty: all.
update tally_mark set audited = %(after)s

-- looked_at: Somebody has looked at these orders, whatever came of it.
update ledger_balance set judged_at = now() where entity = any(%(entity)s::text[])

-- judge: Why each of these orders differs, and how much of that nothing explains; an order that is wrong without differing is kept, too.
with told as (
    select * from unnest(%(entity)s::text[], %(currency)s::text[], %(reason)s::text[], %(wrong)s::bigint[])
    as t(entity, currency, reason, wrong)
), known as (
    update ledger_balance b set reason = t.reason, wrong = t.wrong, judged_at = now()
    from told t where b.entity = t.entity and b.currency = t.currency returning b.entity
)
insert into ledger_balance (entity, currency, minor, since, touched, judged_at, reason, wrong)
select entity, currency, 0, now(), now(), now(), reason, wrong from told t
where t.wrong <> 0 and not exists (select from ledger_balance b where b.entity = t.entity and b.currency = t.currency)
on conflict (entity, currency) do nothing

-- differing: Orders whose money and documents differ, those first that nothing explains, then the oldest.
select entity, currency, minor, since, reason, wrong, judged_at from ledger_balance
where (not %(wrong)s or wrong <> 0) order by (wrong <> 0) desc, since, entity limit %(limit)s offset %(offset)s

-- reasons: Why orders differ: how many, since when, and by how much, each way apart.
select currency, case when judged_at is null then 'not looked at yet' when wrong <> 0 then 'nothing explains it' else reason end, wrong <> 0, count(*), min(since),
       coalesce(sum(minor) filter (where minor > 0), 0)::bigint, coalesce(-sum(minor) filter (where minor < 0), 0)::bigint
from ledger_balance group by 1, 2, 3 order by 3 desc, 4 desc

-- mark: Up to when everything is in the sums.
select until from tally_mark

-- hold_mark: The same, which nobody moves until commit; none where somebody else is summing up.
select until from tally_mark for update skip locked

-- work: What the hub did in these days.
select what, sum(count)::bigint from work_day where day >= %(first)s and day <= %(last)s group by what

-- released: Decisions of people in these days that released what waited for a name, and how much.
select count(*), coalesce(sum((detail ->> 'released')::bigint), 0)::bigint from decision
where at >= %(since)s and at < %(until)s and what = 'mapped'

-- refused: Money that people did not allow to go back in these days: how often, and how much.
select count(*), array_agg(detail ->> 'amount') filter (where detail ? 'amount')
from decision where at >= %(since)s and at < %(until)s and what = 'reject'

-- ended: Cases that ended in these days without anybody's decision, and with one.
select count(*) filter (where closed_by in ('the hub', 'settling')), count(*) filter (where closed_by not in ('the hub', 'settling'))
from cases where closed_at >= %(since)s and closed_at < %(until)s

-- assumptions: What people assume.
select name, value::float8, by, at from assumption

-- assumed: What was assumed by this name; nobody else changes it until commit.
select value::float8 from assumption where name = %(name)s for update

-- assume: From now on this is assumed.
insert into assumption (name, value, by, at) values (%(name)s, %(value)s, %(by)s, now())
on conflict (name) do update set value = excluded.value, by = excluded.by, at = excluded.at

-- assume_nothing: From now on nothing is assumed by this name.
delete from assumption where name = %(name)s
