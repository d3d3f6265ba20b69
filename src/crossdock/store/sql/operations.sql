-- hold_key: Nobody else does what this key asks for before this transaction is over; false when somebody does now.
select pg_try_advisory_xact_lock(hashtextextended(%(client)s || ' ' || %(route)s || ' ' || %(key)s, 6))

-- claim: This key asks this for the first time, or else nothing is written.
insert into operation (id, client, route, key, request, trace, at)
values (%(id)s, %(client)s, %(route)s, %(key)s, %(request)b, %(trace)s, now())
on conflict (client, route, key) do nothing
returning id

-- claimed: What this key asked before, and was answered.
select id, request, status, answer, tag, about from operation where client = %(client)s and route = %(route)s and key = %(key)s

-- keep_answer: What was answered, to be answered again.
update operation set status = %(status)s, answer = %(answer)b, tag = %(tag)s, about = %(about)s where id = %(id)s

-- describe: What it came to.
update operation set entity = %(entity)s, kind = %(kind)s, thing = %(thing)s, connection = %(connection)s
where id = %(id)s

-- operation: What became of it: of its message, while that is kept.
select o.id, o.entity, o.kind, o.thing, o.at, i.outcome, i.reason
from operation o
left join inbox_seen s on s.connection = o.connection and s.message_id = o.id
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
