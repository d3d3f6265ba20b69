-- claim: This key asks this for the first time, or else nothing is written; waits for one that is being asked just now.
insert into operation (id, client, key, request, at)
values (%(id)s, %(client)s, %(key)s, %(request)b, now())
on conflict (client, key) do nothing
returning id

-- claimed: What this key asked before.
select id, request from operation where client = %(client)s and key = %(key)s

-- describe: What it came to.
update operation set entity = %(entity)s, kind = %(kind)s, thing = %(thing)s where id = %(id)s

-- operation: What became of it: of its message, while that is kept.
select o.id, o.entity, o.kind, o.thing, o.at, i.outcome, i.reason
from operation o
left join inbox_seen s on s.connection = %(connection)s and s.message_id = o.id
left join inbox i on i.received_at = s.received_at and i.connection = s.connection and i.message_id = s.message_id
where o.id = %(id)s and o.client = %(client)s

-- lock_entity: What is asked of one entity is decided one after the other.
select pg_advisory_xact_lock(hashtextextended(%(entity)s, 5))

-- own_facts: What the API was told of this entity.
select kind, id, token, body from own_fact where entity = %(entity)s

-- own_fact: One of them, whatever it is about.
select entity, token, body from own_fact where kind = %(kind)s and id = %(id)s

-- next_id: A number nobody had.
select nextval('own_fact_seq')

-- keep: A new version of it.
insert into own_fact (kind, id, entity, token, body) values (%(kind)s, %(id)s, %(entity)s, %(token)s, %(body)b)
on conflict (kind, id) do update set token = excluded.token, body = excluded.body
where own_fact.token < excluded.token and own_fact.entity = excluded.entity
