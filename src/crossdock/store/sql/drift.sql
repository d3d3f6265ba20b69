-- note: What a source held, and we did not.
insert into drift (run, connection, kind, thing, entity, cause, since, found_at, minor, currency, detail)
select run, connection, kind, thing, entity, cause, since, now(), minor, currency, detail
from unnest(%(run)b::bigint[], %(connection)b::text[], %(kind)b::text[], %(thing)b::text[], %(entity)b::text[],
            %(cause)b::text[], %(since)b::timestamptz[], %(minor)b::bigint[], %(currency)b::text[], %(detail)b::text[])
     as d(run, connection, kind, thing, entity, cause, since, minor, currency, detail)

-- listed: The latest differences, with what followed: the promises that its entity opened since, what was confirmed of them, and its open cases.
select d.id, d.connection, d.kind, d.thing, d.entity, d.cause, d.since, d.found_at, d.minor, d.currency, d.detail,
       case when d.entity is null then false else not exists (select from dirty x where x.entity = d.entity) end as settled,
       coalesce(f.followed, '[]'), coalesce(f.still, 0),
       coalesce((select string_agg(distinct c.title, '; ') from case_item i join cases c on c.id = i.case_id
                 where i.entity = d.entity and c.closed_at is null), '')
from (
    select * from drift where found_at >= %(since)s and (%(connection)s::text is null or connection = %(connection)s)
    order by id desc limit %(limit)s
) d
left join lateral (
    select jsonb_agg(jsonb_build_object('name', p.name, 'target', p.target, 'repair', p.repair, 'id', r.remote_id, 'at', r.at)
                     order by p.id)::text as followed,
           count(*) filter (where r.slot is null) as still
    from promise p left join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
    where p.entity = d.entity and p.opened_at >= d.found_at
      and not exists (select from withdrawn w where w.promise = p.id)
) f on true
order by d.id
