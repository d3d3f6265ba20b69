-- key: A live key of a live consumer, and what its consumer may.
select k.prefix, k.hash, c.name, c.tenant, c.connection, c.scopes, c.per_minute
from api_key k join consumer c on c.name = k.consumer
where k.prefix = %(prefix)s and k.ended_at is null and c.ended_at is null

-- used: This key is in use; written once a minute.
update api_key set last_used_at = now()
where prefix = %(prefix)s and (last_used_at is null or last_used_at < now() - interval '1 minute')

-- count: How many requests the caller has made in this minute, this one included, and how many seconds of it are left.
insert into request_count as c (caller, minute, count)
values (%(caller)s, extract(epoch from now())::bigint / 60, 1)
on conflict (caller) do update set
    count = case when c.minute = excluded.minute then c.count + 1 else 1 end, minute = excluded.minute
returning count, (60 - extract(epoch from now())::bigint %% 60)::integer

-- consumer: One consumer, ended or not; it stays so until this transaction is over.
select name, owner, tenant, connection, scopes, per_minute, made_at, ended_at from consumer where name = %(name)s for update

-- consumers: Every consumer.
select name, owner, tenant, connection, scopes, per_minute, made_at, ended_at from consumer order by name

-- keys: The keys of these consumers, without what proves them.
select prefix, consumer, made_at, last_used_at, ended_at from api_key
where consumer = any(%(consumer)s::text[]) order by made_at, prefix

-- keep_consumer: A consumer as it is from now on.
insert into consumer (name, owner, tenant, connection, scopes, per_minute, made_at)
values (%(name)s, %(owner)s, %(tenant)s, %(connection)s, %(scopes)s, %(per_minute)s, now())
on conflict (name) do update set owner = excluded.owner, scopes = excluded.scopes, per_minute = excluded.per_minute

-- add_key: One more key.
insert into api_key (prefix, consumer, hash, made_at) values (%(prefix)s, %(consumer)s, %(hash)s, now())

-- end_key: A key that opens nothing any more.
update api_key set ended_at = now() where prefix = %(prefix)s and consumer = %(consumer)s and ended_at is null
returning prefix

-- end_consumer: A consumer and all its keys open nothing any more.
with gone as (update api_key set ended_at = now() where consumer = %(name)s and ended_at is null)
update consumer set ended_at = now() where name = %(name)s and ended_at is null

-- person: Somebody by name, case makes no difference; it stays so until this transaction is over.
select name, roles, tenants, password, generation, made_at, ended_at, failures, failed_at
from person where lower(name) = lower(%(name)s) for update

-- person_now: The same, for those who only look.
select name, roles, tenants, password, generation, made_at, ended_at, failures, failed_at
from person where lower(name) = lower(%(name)s)

-- persons: Everybody.
select name, roles, tenants, password, generation, made_at, ended_at, failures, failed_at from person order by lower(name)

-- keep_person: Somebody as they are from now on.
insert into person (name, roles, tenants, password, made_at)
values (%(name)s, %(roles)s, %(tenants)s, %(password)s, now())
on conflict (name) do update set roles = excluded.roles, tenants = excluded.tenants, password = excluded.password,
    generation = person.generation + (person.password <> excluded.password)::integer, failures = 0, ended_at = null

-- end_person: Somebody who may not come in any more.
update person set ended_at = now() where name = %(name)s and ended_at is null

-- sign_in_failed: One more wrong password.
update person set failures = failures + 1, failed_at = now() where name = %(name)s

-- signed_in: The right one.
update person set failures = 0 where name = %(name)s and failures > 0
