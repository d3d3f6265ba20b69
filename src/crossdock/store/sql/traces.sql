-- remember: By whose trace these are followed. What is followed by one already stays with it, its own included: what was settled.
insert into trace_context (name, parent, at)
select name, parent, now() from unnest(%(name)b::text[], %(parent)b::text[]) as t(name, parent)
where not exists (select from entity e where e.key = t.name and e.settled_at is not null)
on conflict (name) do nothing
returning name, parent

-- parents: Whose traces these are followed by, where somebody else began one.
select name, parent from trace_context where name = any(%(name)b::text[])
