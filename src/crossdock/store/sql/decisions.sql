-- record: A person's word, kept for good; a case it is about is another than it was for those who look at it.
with about as (
    update cases set revision = revision + 1 where id = (%(detail)s::jsonb ->> 'case')::bigint
)
insert into decision (at, by, what, detail) values (now(), %(by)s, %(what)s, %(detail)s::jsonb)

-- map: What one of our keys is called at this target.
insert into mapping (connection, kind, key, value, by, at)
values (%(connection)s, %(kind)s, %(key)s, %(value)s, %(by)s, now())
on conflict (connection, kind, key) do update set value = excluded.value, by = excluded.by, at = excluded.at

-- mapped: What it is called so far; nobody else says so before commit.
select value from mapping where connection = %(connection)s and kind = %(kind)s and key = %(key)s for update

-- promises_in_case: The open promises of a case, with what each needs to go on.
select d.promise, d.entity, d.stage, d.actor, p.name, p.within::text, d.document
from case_item i join due d on d.promise = i.promise join promise p on p.id = d.promise
where i.case_id = %(case_id)s for update of d

-- kind_of_case: Of an open one.
select kind from cases where id = %(case_id)s and closed_at is null

-- try_again: These promises are ready, as new acts under new keys where the target said no.
update due set stage = 0, actor = 0, due_at = now(), blocked_on = null, attempts = 0, searches = 0,
       unclear = case when %(bump)s > 0 then 0 else unclear end, ordinal = ordinal + %(bump)s
where promise = any(%(promise)b::bigint[])

-- hasten: What is to be sent again under the same key is so at once, with all its attempts before it.
update due set due_at = case when actor = 0 then now() else due_at end, attempts = 0
where promise = any(%(promise)b::bigint[])

-- leave_case: These promises need nobody's decision any more.
delete from case_item where case_id = %(case_id)s and promise = any(%(promise)b::bigint[])

-- document_to_bind: What a document belongs to now, and whether its source says so itself.
select entity, about = '' and entity is not null and decided is null from document
where connection = %(connection)s and kind = %(kind)s and id = %(id)s for update

-- known_as: The entities of this key, else of this name.
select key from entity where key = %(name)s
union select entity from alias where name = %(name)s and not exists (select from entity where key = %(name)s)
order by 1 limit 10

-- unname: What was bound before is bound elsewhere now, and finds nothing there any more.
delete from alias where name = %(name)s

-- bind: This document belongs to this entity, whatever its name finds.
update document set decided = %(entity)s, entity = %(entity)s, changed_at = greatest(changed_at, now())
where connection = %(connection)s and kind = %(kind)s and id = %(id)s
