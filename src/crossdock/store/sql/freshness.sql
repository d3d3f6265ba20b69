-- note: So many answers of each age were told just now; those of before yesterday go.
with over as (
    delete from answer_told where at < now() - interval '2 days'
)
insert into answer_told (at, noun, age_seconds, in_time, count)
select now(), t.* from unnest(%(noun)b::text[], %(age_seconds)b::int[], %(in_time)b::bool[], %(count)b::int[]) t

-- windows: In each window how many were asked for, how many of them were told as fresh as they were asked for, and how old half, 95 % and 99 % of what was told was at most.
with told as (
    select h.span_minutes, t.age_seconds, t.in_time, t.count,
           sum(t.count) filter (where t.age_seconds >= 0) over (partition by h.span_minutes order by t.age_seconds) as up_to,
           sum(t.count) filter (where t.age_seconds >= 0) over (partition by h.span_minutes) as whole
    from unnest(%(span)s::int[]) as h(span_minutes)
    join answer_told t on t.at > now() - make_interval(mins => h.span_minutes)
    where t.noun = %(noun)s
)
select span_minutes, sum(count)::bigint, coalesce(sum(count) filter (where in_time), 0)::bigint,
       coalesce(min(age_seconds) filter (where up_to >= 0.5 * whole), 0)::float8,
       coalesce(min(age_seconds) filter (where up_to >= 0.95 * whole), 0)::float8,
       coalesce(min(age_seconds) filter (where up_to >= 0.99 * whole), 0)::float8
from told group by 1
