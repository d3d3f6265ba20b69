-- promise: One promise with what it was made of and under: its rules and since when they are live.
select p.id, p.entity, p.name, p.verb, p.target, p.noun, p.cause, p.cause_recorded_at, p.revision, p.opened_at, p.needs::text,
       p.within::text, p.pins::text, p.repair, p.valid_until, p.campaign, p.digest, p.body, p.code, c.name, c.live_at
from promise p left join code_version c on c.digest = p.code where p.id = %(promise)s

-- intents: What was sealed for it, each time, and under which code.
select i.ordinal, i.key, i.sealed_at, i.worker, i.digest, i.refs, i.code, c.name, c.live_at
from intent i left join code_version c on c.digest = i.code where i.promise = %(promise)s order by i.ordinal

-- outcome: What the target confirmed, and how far it is if it did not yet.
select r.at, r.remote_id, r.number, d.stage, d.actor, d.deadline, d.attempts, d.blocked_on, d.job, w.at
from promise p left join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
left join due d on d.promise = p.id left join withdrawn w on w.promise = p.id where p.id = %(promise)s

-- inputs: The facts it was worked out from: those of its entity that were known when it was opened, and its cause.
select connection, kind, id, fact, epoch, token, digest, recorded_at, changed_at, gone, fact = %(cause)s
from document where entity = %(entity)s and recorded_at <= %(opened_at)s order by fact = %(cause)s desc, recorded_at, kind, id limit 200
