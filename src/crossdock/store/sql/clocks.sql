-- begin: There is a row to look at.
insert into clock (looked_at) values (now()) on conflict do nothing

-- look: When somebody last looked, and when it is now; nothing when somebody else is looking, for a sleeper may hold the row.
select looked_at, now() from clock for update skip locked

-- looked: Somebody looked now.
update clock set looked_at = now()

-- wait_on: What waited when somebody last looked, for a call's lease or for what may still travel, waits on as if no time had passed since.
update due d set due_at = due_at + (now() - %(looked_at)s::timestamptz)
from unnest(%(target)b::text[], %(seconds)b::float8[]) as longest(target, seconds)
where d.target = longest.target and d.stage in (1, 3) and d.due_at > %(looked_at)s
  and d.due_at <= %(looked_at)s::timestamptz + make_interval(secs => longest.seconds)

-- overtaken: What was heard and read under a clock that was ahead is known as of when it was; answers whose documents those are. Else nothing that is said before that clock's time comes again would be newer.
with by as (
    select (extract(epoch from now()) * 1000000)::bigint as now,
           (extract(epoch from now() - %(looked_at)s::timestamptz) * 1000000)::bigint as gap
), received as (
    -- Nothing is heard later than it is dated: what is ahead is found in the partitions of what is dated ahead.
    update inbox i set observed = case when i.observed > by.now then least(i.observed + by.gap, by.now) else i.observed end,
        heard_at = least(coalesce(i.heard_at, i.received_at) + by.gap * interval '1 microsecond', now())
    from by where i.received_at > now() and coalesce(i.heard_at, i.received_at) > now()
), read as (
    update document d set observed = least(d.observed + by.gap, by.now) from by where d.observed > by.now returning d.entity
), hinted as (
    update document d set token = least(d.token + by.gap, by.now) from by
    where starts_with(d.kind, %(hint)s) and d.token > by.now returning d.entity
)
select entity from read where entity is not null union select entity from hinted where entity is not null

-- wait_no_longer: What was made to wait by a clock that was ahead waits as long as it was to; who held something under it holds it no longer, and a list is known to be as it is only up to now.
with longest as (
    select target, make_interval(secs => seconds) as time
    from unnest(%(target)b::text[], %(seconds)b::float8[]) as l(target, seconds)
), waiting as (
    update due d set due_at = least(due_at + (now() - %(looked_at)s::timestamptz), now() + longest.time)
    from longest
    where d.target = longest.target and d.stage in (0, 1, 3) and d.due_at > now() + longest.time and d.due_at < 'infinity'
), probing as (
    update brake set probe_at = now() from longest where connection = longest.target and probe_at > now() + longest.time
), holding as (
    update bucket set until = now() where until > now() + make_interval(secs => %(lease_seconds)s) and until < 'infinity'
), listing as (
    update sweep set next_at = now(), until = least(until, now()), verified_at = null
    where verified_at > now() or (run is not null and began_at > now())
)
delete from worker where beat_at > now() + make_interval(secs => %(lease_seconds)s)
