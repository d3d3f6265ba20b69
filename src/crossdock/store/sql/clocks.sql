-- begin: There is a row to look at.
insert into clock (looked_at) values (now()) on conflict do nothing

-- look: When somebody last looked, and when it is now; nothing when somebody else is looking, for a sleeper may hold the row.
select looked_at, now() from clock for update skip locked

-- looked: Somebody looked now.
update clock set looked_at = now()

-- put_forward: It was put forward to what it is now, or nobody looked for as long; what happened years ago is looked for by nobody.
with old as (
    delete from clock_put_forward where at < now() - interval '400 days'
)
insert into clock_put_forward (at, by) values (now(), now() - %(looked_at)s::timestamptz)

-- wait_on: What waited when somebody last looked, for a call's lease or for what may still travel, waits on as if no time had passed since.
update due d set due_at = due_at + (now() - %(looked_at)s::timestamptz)
from unnest(%(target)b::text[], %(seconds)b::float8[]) as longest(target, seconds)
where d.target = longest.target and d.stage in (1, 3) and d.due_at > %(looked_at)s
  and d.due_at <= %(looked_at)s::timestamptz + make_interval(secs => longest.seconds)

-- overtaken: What was heard, read and settled under a clock that was ahead is known as of when it was; answers whose documents were, and whose promises were worked out by its days. Else nothing that is said before that clock's time comes again would be newer, and newer rules would take what the earlier ones saw for what nobody has.
with latest as (
    -- What was dated since somebody last looked is later than that; beyond a minute it is of another, worse clock.
    select greatest(%(looked_at)s::timestamptz,
        (select max(changed_at) from document where raised_at > now() and changed_at < %(looked_at)s::timestamptz + interval '1 minute'),
        (select max(settled_at) from entity where settled_at < %(looked_at)s::timestamptz + interval '1 minute')) as at
), by as (
    select (extract(epoch from now()) * 1000000)::bigint as now,
           (extract(epoch from now() - at) * 1000000)::bigint as gap,
           now() - at as ahead
    from latest
), received as (
    -- Nothing is heard later than it is dated: what is ahead is found in the partitions of what is dated ahead.
    update inbox i set observed = case when i.observed > by.now then least(i.observed + by.gap, by.now) else i.observed end,
        heard_at = least(coalesce(i.heard_at, i.received_at) + by.ahead, now())
    from by where i.received_at > now() and coalesce(i.heard_at, i.received_at) > now()
), known as (
    -- Whoever compares it with a list, or with what was read, counts from when it was heard.
    update document d set raised_at = case when d.raised_at > now() then least(d.raised_at + by.ahead, now()) else d.raised_at end,
        recorded_at = case when d.recorded_at > now() then least(d.recorded_at + by.ahead, now()) else d.recorded_at end,
        changed_at = case when d.changed_at > now() then least(d.changed_at + by.ahead, now()) else d.changed_at end,
        observed = case when d.observed > by.now then least(d.observed + by.gap, by.now) else d.observed end,
        token = case when starts_with(d.kind, %(hint)s) and d.token > by.now then least(d.token + by.gap, by.now) else d.token end
    from by where d.raised_at > now() or d.changed_at > now() or d.observed > by.now or starts_with(d.kind, %(hint)s) and d.token > by.now
    returning d.entity, old.observed <> new.observed or old.token <> new.token as is_older
), settled as (
    update entity e set settled_at = least(e.settled_at + by.ahead, now()) from by where e.settled_at > now() returning e.key
)
select entity from known where is_older and entity is not null
union
select key from settled

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
), lists as materialized (
    -- A pass that began under that clock begins anew, for what came since is told by when it began; and a page that is on its way counts for nothing.
    select connection, kind, whole, run, run is not null and began_at > now() as is_anew, run is not null and until > now() as is_asked
    from sweep where verified_at > now() or next_at > now() or run is not null and (began_at > now() or until > now()) for update
), parts as (
    delete from sweep_part where run in (select run from lists where is_anew)
), listing as (
    update sweep s set run = case when not is_anew then s.run end, until = least(s.until, now()),
        fence = case when is_anew or is_asked then nextval('fence_seq') else s.fence end,
        next_at = case when s.verified_at > now() or is_anew then now()
                       when s.next_at > now() then greatest(now(), s.next_at + (now() - %(looked_at)s::timestamptz)) else s.next_at end,
        verified_at = case when s.verified_at <= now() then s.verified_at end
    from lists l where l.connection = s.connection and l.kind = s.kind and l.whole = s.whole
)
delete from worker where beat_at > now() + make_interval(secs => %(lease_seconds)s)
