-- begin_past: The first start gives the database its name.
insert into past (id, beat_at) values (%(id)s, now()) on conflict do nothing

-- past: Which database this is, which past it continues, and how far that has come.
select p.id, p.number, (select last_value from fence_seq) from past p

-- beat: So far it has come; skipped when somebody else says so just now, for a sleeper may hold the row.
with said as (
    update past set beat_at = now() where one = any(array(select one from past for update skip locked))
)
select p.id, p.number, nextval('fence_seq') from past p

-- lock: One process at a time finds that the database was set back.
select pg_advisory_xact_lock(%(lock)s)

-- set_back: A new past begins, from what the database still knows.
with begun as (
    update past set number = %(number)s, beat_at = now() returning old.beat_at
)
insert into recovery (number, restored_to, noticed_at, noticed_by)
select %(number)s, beat_at, now(), %(by)s from begun
returning restored_to

-- skip_numbers: Numbers that the forgotten time may have given out are never given out again.
select setval('fence_seq', greatest(%(fence)s, (select last_value from fence_seq)) + %(machine)s),
       setval('promise_seq', (select last_value from promise_seq) + %(machine)s),
       setval('inbox_seq', (select last_value from inbox_seq) + %(machine)s),
       setval('own_fact_seq', (select last_value from own_fact_seq) + %(people)s),
       setval('approval_seq', (select last_value from approval_seq) + %(people)s),
       setval(pg_get_serial_sequence('cases', 'id'), nextval(pg_get_serial_sequence('cases', 'id')) + %(people)s),
       setval(pg_get_serial_sequence('campaign', 'id'), nextval(pg_get_serial_sequence('campaign', 'id')) + %(people)s)

-- call_in_doubt: What was sealed and ready to be sent may have been sent in the forgotten time.
update due d set stage = 1, actor = 1, due_at = now(), fence = nextval('fence_seq')
from promise p
where p.id = d.promise and p.verb = 2 and d.stage = 0
  and exists (select from intent i where i.promise = d.promise and i.ordinal = d.ordinal)

-- not_read_since: By connection, the kinds whose list was not read whole, to its end, since the database was found set back.
select s.connection, array_agg(s.kind order by s.kind) from sweep s, recovery r
where r.go_on_at is null and s.whole and coalesce(s.verified_at < r.noticed_at, true)
group by s.connection order by s.connection

-- go_on: Acts are done again; answers when the recovery was noticed, if one was open.
update recovery set go_on_at = now(), go_on_by = %(by)s where go_on_at is null returning number

-- last_recovery: The latest time the database was found set back.
select number, restored_to, noticed_at, noticed_by, go_on_at, go_on_by from recovery order by number desc limit 1

-- waiting_acts: By target, the acts that wait until it goes on.
select d.target, count(*) from due d join promise p on p.id = d.promise
where p.verb = 2 and d.stage in (0, 1) group by d.target order by d.target

-- looked_for: Of the acts that may have been forgotten: those confirmed, by whether a search found them, and those in people's hands.
select count(*) filter (where r.slot is not null and a.sent is null),
       count(*) filter (where r.slot is not null and a.sent is not null),
       count(*) filter (where r.slot is null)
from promise p
join intent i on i.promise = p.id and i.sealed_at > %(noticed_at)s
left join receipt r on r.slot = p.entity || '/' || p.name
left join lateral (select true as sent from attempt t where t.promise = p.id and t.outcome = 'not found' limit 1) a on true
where p.verb = 2 and p.cause_recorded_at <= %(go_on_at)s

-- facts_of: Every fact of these entities: what an act of theirs may have had for its cause.
select entity, array_agg(fact order by fact) from document where entity = any(%(entity)b::text[]) group by entity
