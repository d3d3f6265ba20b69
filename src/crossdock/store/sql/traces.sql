-- remember: By whose trace these are followed; what is followed by one already stays with it.
insert into trace_context (name, parent, at)
select name, parent, now() from unnest(%(name)b::text[], %(parent)b::text[]) as t(name, parent)
on conflict (name) do nothing

-- parents: Whose traces these are followed by, where somebody else began one.
select name, parent from trace_context where name = any(%(name)b::text[])
