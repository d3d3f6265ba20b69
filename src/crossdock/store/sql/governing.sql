-- contracts: Every contract with its latest version, by name.
select c.name, c.owner, c.level, c.strict, c.connection, c.topic, c.consumers, c.made_at,
       coalesce(max(v.version), 0), max(v.at)
from contract c left join contract_version v on v.contract = c.name
group by c.name order by c.name

-- versions: Every version of a contract, the oldest first.
select version, schema::text, example::text, at, by, approved_by from contract_version
where contract = %(contract)s order by version

-- keep_contract: A contract as it is from now on.
insert into contract (name, owner, level, strict, connection, topic, consumers, made_at)
values (%(name)s, %(owner)s, %(level)s, %(strict)s, %(connection)s, %(topic)s, %(consumers)s, now())
on conflict (name) do update set owner = excluded.owner, level = excluded.level, strict = excluded.strict,
    connection = excluded.connection, topic = excluded.topic, consumers = excluded.consumers

-- keep_version: The next version of a contract.
insert into contract_version (contract, version, schema, example, at, by, approved_by)
values (%(contract)s, %(version)s, %(schema)s::jsonb, %(example)s::jsonb, now(), %(by)s, %(approved_by)s)

-- watched: The latest schema of every contract that is about a connection's messages.
select c.connection, c.topic, v.schema::text from contract c
join lateral (select schema from contract_version where contract = c.name order by version desc limit 1) v on true
where c.connection <> ''

-- replace_change: A request on the same subject that nobody has decided makes room.
update change set decided_at = now(), decided_by = %(by)s, verdict = 'replaced'
where kind = %(kind)s and subject = %(subject)s and decided_at is null

-- ask_change: One person's request.
insert into change (kind, subject, before, after, why, by, at, expires_at)
values (%(kind)s, %(subject)s, %(before)s::jsonb, %(after)s::jsonb, %(why)s, %(by)s, now(), now() + %(hours)s * interval '1 hour')
returning id

-- change: A request, locked until commit.
select id, kind, subject, before::text, after::text, why, by, at, expires_at, decided_at, decided_by, verdict, note,
       expires_at < now() from change where id = %(id)s for update

-- open_changes: What waits for a second person, what runs out first first.
select id, kind, subject, before::text, after::text, why, by, at, expires_at, decided_at, decided_by, verdict, note,
       expires_at < now() from change where decided_at is null order by expires_at, id limit %(limit)s

-- decided_changes: What was decided, the latest first.
select id, kind, subject, before::text, after::text, why, by, at, expires_at, decided_at, decided_by, verdict, note, false
from change where decided_at is not null order by decided_at desc, id desc limit %(limit)s

-- decide_change: Another person's word.
update change set decided_at = now(), decided_by = %(by)s, verdict = %(verdict)s, note = %(note)s where id = %(id)s

-- mapped: What a key is called at a target now.
select value, by, at from mapping where connection = %(connection)s and kind = %(kind)s and key = %(key)s for update

-- mappings: Names at targets, by what people look for.
select connection, kind, key, value, by, at from mapping
where (%(connection)s = '' or connection = %(connection)s)
  and (%(text)s = '' or position(lower(%(text)s) in lower(key)) > 0 or position(lower(%(text)s) in lower(value)) > 0)
order by at desc, connection, kind, key limit %(limit)s offset %(offset)s

-- policies: Every policy a hub ran under, the latest first.
select digest, policy::text, live_at from policy_version order by live_at desc, digest limit %(limit)s

-- policy_known: Whether this policy ran before, whether any did, and whether two people have allowed it.
select exists (select from policy_version where digest = %(digest)s),
       exists (select from policy_version),
       exists (select from change where kind = 'policy' and verdict = 'approved' and after ->> 'digest' = %(digest)s)

-- keep_policy: The first time a hub runs under this policy.
insert into policy_version (digest, policy, live_at) values (%(digest)s, %(policy)s::jsonb, now())
on conflict (digest) do nothing

-- plan: Something announced.
insert into planned (on_day, what, contract, says, by, at)
values (%(on_day)s, %(what)s, %(contract)s, %(says)s, %(by)s, now()) returning id

-- call_off: Something that will not be.
update planned set off_at = now(), off_by = %(by)s where id = %(id)s and off_at is null returning id

-- planned: What was announced from a day on.
select id, on_day, what, contract, says, by, at from planned where off_at is null and on_day >= %(since)s order by on_day, id

-- decisions: What people did, the latest first; `text` is looked for in who, what and about what.
select id, at, by, what, detail::text from decision
where (%(before)s = 0 or id < %(before)s)
  and (%(text)s = '' or position(lower(%(text)s) in lower(by || ' ' || what || ' ' || detail::text)) > 0)
order by id desc limit %(limit)s
