-- kept: How long acts took that were confirmed lately, from when their cause was known: by workflow and for each window.
with recent as (
    select w.workflow, w.minutes, r.at, extract(epoch from r.at - p.cause_recorded_at)::float8 as seconds
    from receipt r join promise p on p.id = r.promise
    join unnest(%(name)s::text[], %(workflow)s::text[], %(minutes)s::int[]) as w(name, workflow, minutes)
      on w.name = split_part(p.name, ':', 1)
    where r.at > now() - interval '24 hours' and p.verb = 2
)
select r.workflow, h.span_minutes, count(*), count(*) filter (where r.seconds <= r.minutes * 60),
       percentile_disc(0.5) within group (order by r.seconds), percentile_disc(0.95) within group (order by r.seconds),
       percentile_disc(0.99) within group (order by r.seconds)
from recent r cross join unnest(%(span)s::int[]) as h(span_minutes)
where r.at > now() - make_interval(mins => h.span_minutes)
group by 1, 2

-- seconds: In how many seconds from their cause these promises were kept, if they are kept now.
select name, extract(epoch from clock_timestamp() - cause_recorded_at)::float8 from promise where id = any(%(promises)b::bigint[])

-- open: What is open of each workflow: how many, how many of them late, and since when.
select w.workflow, count(*), count(*) filter (where d.deadline < now()), min(p.opened_at)
from due d join promise p on p.id = d.promise
join unnest(%(name)s::text[], %(workflow)s::text[]) as w(name, workflow) on w.name = split_part(p.name, ':', 1)
where p.verb = 2 group by 1

-- pace: How many of each workflow were confirmed in the last minute and in the last ten, or in the seconds since their lane was released.
with released as materialized (
    select substr(cause, length('brake:') + 1) as target, max(closed_at) as at from cases
    where kind = 'brake' and closed_at > now() - interval '10 minutes' group by 1
), recent as (
    select w.workflow, s.seconds as span, r.at, greatest(now() - make_interval(secs => s.seconds), l.at) as since
    from receipt r join promise p on p.id = r.promise
    join unnest(%(name)s::text[], %(workflow)s::text[]) as w(name, workflow) on w.name = split_part(p.name, ':', 1)
    left join released l on l.target = p.target
    cross join (values (60), (600)) as s(seconds)
    where r.at > now() - interval '10 minutes' and p.verb = 2
)
select workflow, span, count(*), extract(epoch from now() - min(since))::float8 from recent where at > since group by 1, 2 order by 1, 2
