-- kept: What systems answered last to this question, the latest first.
select connection, at, extract(epoch from now() - at)::float8, body from answer
where connection = any(%(connection)b::text[]) and noun = %(noun)s and key = %(key)s order by at desc

-- keep: What a system answered just now, in the place of what it answered before.
insert into answer (connection, noun, key, at, body) values (%(connection)s, %(noun)s, %(key)s, %(at)s, %(body)s)
on conflict (connection, noun, key) do update set at = excluded.at, body = excluded.body where answer.at < excluded.at

-- customers: What is known of these customers: who tells of them and since when, and the numbers of their accounts.
select d.entity, array_agg(distinct d.connection order by d.connection), max(d.raised_at),
       extract(epoch from now() - max(d.raised_at))::float8,
       coalesce((select jsonb_object_agg(p.target, coalesce(nullif(r.number, ''), r.remote_id))
                 from promise p join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
                 where p.entity = d.entity and p.noun = 'party_account'), '{}')
from document d where d.entity = any(%(entity)b::text[]) and d.kind = 'customer' and not d.gone
group by d.entity order by d.entity
