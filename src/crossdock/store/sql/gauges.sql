-- inbox: How many messages are pending, and for how long the oldest has been.
select count(*), coalesce(extract(epoch from now() - min(received_at)), 0)::float8 from inbox_pending

-- dirty: How many entities are to be settled, and for how long the oldest has been.
select count(*), coalesce(extract(epoch from now() - min(since)), 0)::float8 from dirty

-- due: Open promises by lane, stage and age: how many, the oldest's age, and how many are overdue. Reads all of `due`.
select d.target, d.stage, width_bucket(a.seconds, %(ages)b::float8[]) as age, count(*), max(a.seconds),
       count(*) filter (where d.deadline < now())
from due d join promise p on p.id = d.promise
cross join lateral (select extract(epoch from now() - p.opened_at)::float8 as seconds) a
group by 1, 2, 3

-- brakes: Stopped lanes.
select connection, kind, extract(epoch from now() - since)::float8 from brake

-- cases: Open cases by kind: how many, with how many items, and since when.
select c.kind, count(distinct c.id), count(i.case_id), coalesce(extract(epoch from now() - min(c.opened_at)), 0)::float8
from cases c left join case_item i on i.case_id = c.id where c.closed_at is null group by 1

-- approvals: What waits for people's word.
select count(*), coalesce(extract(epoch from now() - min(asked_at)), 0)::float8 from approval_request

-- leases: How many buckets are held, and by how many.
select count(*) filter (where owner is not null and until > now()),
       count(distinct owner) filter (where owner is not null and until > now()), count(*)
from bucket

-- workers: Living processes, by whether they settle.
select settles, count(*) from worker where beat_at > now() - make_interval(secs => %(silent_seconds)s) group by 1

-- events_lag: For how long the oldest event has been waiting for an earlier transaction to end.
select coalesce(max(extract(epoch from clock_timestamp() - e.at)), 0)::float8 from (
    select at from event
    where (past, xid, id) >= (coalesce((select number from past), 0), pg_snapshot_xmin(pg_current_snapshot()), 0)
    order by past, xid, id limit 1) e

-- subscriptions: How many of each state.
select state, count(*) from subscription where state <> 'ended' group by 1

-- notifications: What is on its way to subscribers, and for how long the worst of it has not been taken.
select count(*), coalesce(extract(epoch from now() - min(failed_at)), 0)::float8 from notification

-- budgets: What was spent of each call budget.
select connection, spent from budget

-- bytes: What the database takes.
select pg_database_size(current_database())
