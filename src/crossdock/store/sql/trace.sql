-- entities_named: The entities somebody knows by this name: ours, a document's, a receipt's, or any alias.
select distinct entity from (
    select key as entity from entity where key = any(%(name)b::text[])
    union all select entity from alias where name = any(%(name)b::text[])
    union all select entity from document where id = any(%(name)b::text[]) and entity is not null
        and connection = any(%(connection)b::text[]) and kind = any(%(kind)b::text[])
) named order by entity

-- messages: What was received about these entities.
select distinct coalesce(d.entity, e.entity), i.received_at, i.connection, i.topic, i.outcome, i.id
from evidence e
-- Its id from the evidence alone: worked out from the document's own columns, all documents of a kind were read for it.
left join document d on d.kind = split_part(e.entity, ':', 1) and d.connection = split_part(e.entity, ':', 2)
     and d.id = substr(e.entity, length(split_part(e.entity, ':', 1)) + length(split_part(e.entity, ':', 2)) + 3)
-- One row each by the limit: where a day is not counted yet, all messages of all days were read to find these.
cross join lateral (
    select received_at, connection, topic, outcome, id from inbox m
    where m.received_at = e.received_at and m.id = e.inbox_id limit 1) i
where e.entity = any(evidence_keys(%(entity)b::text[])) order by i.received_at, i.id

-- promises: What was promised about these entities, and how far each is.
select p.entity, p.name, p.verb, p.target, p.noun, p.cause, p.opened_at, d.stage,
       case when b.connection is not null and d.stage = 0 then 5 else d.actor end, d.deadline, d.attempts, d.blocked_on,
       nullif(d.due_at, 'infinity'), i.key, i.sealed_at, r.at, r.remote_id, r.number, p.id, w.at,
       array(select n.value from jsonb_each_text(p.needs) n order by n.key),
       array(select n.value from jsonb_each_text(p.needs) n join receipt k on k.slot = n.value)
from promise p
left join due d on d.promise = p.id
left join lateral (select key, sealed_at from intent where promise = p.id order by ordinal desc limit 1) i on true
left join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
left join withdrawn w on w.promise = p.id
left join brake b on b.connection = p.target
where p.entity = any(%(entity)b::text[]) order by p.opened_at, p.id

-- attempts: Calls about these entities that did not end in a confirmation.
select p.entity, p.name, p.target, a.at, a.outcome, a.detail
from attempt a join promise p on p.id = a.promise
where p.entity = any(%(entity)b::text[]) order by a.at

-- expectations: What these entities wait for that is not ours to do.
select entity, name, on_whom, what, until from waiting where entity = any(%(entity)b::text[]) order by until

-- cases: The open cases these entities are in.
select i.entity, c.id, c.title, c.remedy, i.detail, i.at, c.kind
from case_item i join cases c on c.id = i.case_id
where c.closed_at is null and i.entity = any(%(entity)b::text[]) order by c.id

-- facts: What is known about these entities.
select entity, connection, kind, id, fact, recorded_at, changed_at, gone, body
from document where entity = any(%(entity)b::text[]) order by recorded_at, kind, id

-- pins: What was fixed for these entities.
select entity, name, value, at from pin where entity = any(%(entity)b::text[]) order by name

-- intents: Every intent about these entities: what was going to be asked, because of what, under which rules, and what came of it.
select p.name, p.verb, p.target, p.document, i.key, i.sealed_at, i.worker, p.cause, p.cause_recorded_at,
       encode(p.code, 'hex'), c.live_at, p.in_flight, p.campaign, d.stage, r.remote_id, p.body, i.refs
from intent i
join promise p on p.id = i.promise
left join code_version c on c.digest = p.code
left join due d on d.promise = i.promise and d.ordinal = i.ordinal
left join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
    and not exists (select from intent l where l.promise = i.promise and l.ordinal > i.ordinal)
where p.entity = any(%(entity)b::text[]) order by i.sealed_at, i.key
