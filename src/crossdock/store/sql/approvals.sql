-- replace_requests: These entities ask for this and nothing else; what is asked for with another digest is another request.
with desired as (
    select * from unnest(%(entity)b::text[], %(name)b::text[], %(digest)b::text[], %(role)b::text[], %(people)b::int[],
                         %(hours)b::int[], %(what)b::text[], %(amount_minor)b::bigint[], %(currency)b::text[],
                         %(payee)b::text[], %(cause)b::text[], %(until)b::timestamptz[])
    as n(entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause, until)
), over as (
    delete from approval_request where entity = any(%(settled)b::text[]) and (entity, name) not in (
        select s.entity, unnest(string_to_array(s.names, E'\n'))
        from unnest(%(settled)b::text[], %(kept)b::text[]) as s(entity, names))
)
insert into approval_request as a (entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause,
                                   until, asked_at)
select entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause, until, now() from desired
on conflict (entity, name) do update
set id = case when a.digest = excluded.digest then a.id else excluded.id end,
    asked_at = case when a.digest = excluded.digest then a.asked_at else excluded.asked_at end,
    digest = excluded.digest, role = excluded.role, people = excluded.people, hours = excluded.hours,
    what = excluded.what, amount_minor = excluded.amount_minor, currency = excluded.currency, payee = excluded.payee,
    cause = excluded.cause, until = excluded.until
where (a.digest, a.role, a.people, a.hours, a.what, a.until)
    is distinct from (excluded.digest, excluded.role, excluded.people, excluded.hours, excluded.what, excluded.until)

-- open_requests: What waits for people's word, what is due first first: of all or of one entity, role or id, of some channels, after one.
select id, entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause, until, asked_at
from approval_request
where (%(entity)s::text is null or entity = %(entity)s) and (%(role)s::text = '' or role = %(role)s)
  and (%(id)s::bigint is null or id = %(id)s)
  and (%(channels)b::text[] is null or split_part(entity, ':', 2) = any(%(channels)b::text[]))
  and (%(after_until)s::timestamptz is null or (until, id) > (%(after_until)s::timestamptz, %(after_id)s::bigint))
order by until, id limit %(limit)s::bigint offset %(offset)s

-- asked_of: How many requests wait for each role.
select role, count(*) from approval_request group by role order by role

-- requests_named: The requests of this id, or whose digest begins so; held until commit.
select id, entity, name, digest, role, people, hours, what, amount_minor, currency, payee, cause, until, asked_at
from approval_request
where id = %(id)s or (%(digest)s <> '' and starts_with(digest, %(digest)s))
order by id for update

-- said: What people have said about these digests so far, whether it is translated yet or not.
select detail ->> 'digest', detail ->> 'entity', by, what, (detail ->> 'expires_at')::timestamptz, now()
from decision where detail ? 'digest' and detail ->> 'digest' = any(%(digest)s::text[])
order by id
