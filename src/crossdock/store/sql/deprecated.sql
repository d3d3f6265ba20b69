-- note: Somebody asked for what is to go.
insert into deprecated_call as d (operation, caller, first_at, last_at, count)
values (%(operation)s, %(caller)s, now(), now(), 1)
on conflict (operation, caller) do update set last_at = now(), count = d.count + 1

-- calls: Who asked for what is to go, the one who asked last first.
select operation, caller, first_at, last_at, count from deprecated_call order by last_at desc, operation, caller
