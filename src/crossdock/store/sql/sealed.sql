-- held: A secret as it is kept.
select sealed from sealed_secret where name = %(name)s

-- keep_first: A secret, unless there is one of that name; of two processes that start at once one makes it.
insert into sealed_secret (name, sealed, made_at) values (%(name)s, %(sealed)s, now()) on conflict (name) do nothing

-- keep: A secret in the place of the one of that name.
insert into sealed_secret (name, sealed, made_at) values (%(name)s, %(sealed)s, now())
on conflict (name) do update set sealed = excluded.sealed, made_at = excluded.made_at
