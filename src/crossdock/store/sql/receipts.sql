-- acts_since: Acts that a target confirmed since then.
select coalesce(array_agg(p.id order by p.id), '{}')
from receipt r join promise p on p.id = r.promise
where r.at >= (select dated_since(%(since)s)) and p.target = %(connection)s and p.verb = 2

-- acts: These acts, each as it was sealed last; and whether a case says that it is missing. What a clock dated that was ahead was done before it was put right: nobody knows how long before, and it is looked for from two days ago.
select p.id, p.entity, p.name, p.noun, i.key, case when i.sealed_at > now() then now() - interval '2 days' else i.sealed_at end,
       i.refs, p.body, case when r.at <= now() then extract(epoch from now() - r.at)::float8 end, r.remote_id, r.number,
       exists (select from case_item t join cases c on c.id = t.case_id
               where t.promise = p.id and c.kind = 'missing' and c.closed_at is null)
from promise p
join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
join lateral (select key, sealed_at, refs from intent where promise = p.id order by ordinal desc limit 1) i on true
where p.id = any(%(promise)b::bigint[])
order by p.id

-- there_after_all: What was looked for and found is in no case for being missing.
delete from case_item i using cases c
where c.id = i.case_id and c.closed_at is null and c.kind = 'missing' and i.promise = any(%(promise)b::bigint[])

-- write_again: Nobody knows any more what this target holds of the states it was told since then; answers whose they are.
update receipt r set written = null from promise p
where p.id = r.promise and p.target = %(connection)s and p.verb = 1 and r.at >= (select dated_since(%(since)s)) and r.written is not null
returning p.entity
