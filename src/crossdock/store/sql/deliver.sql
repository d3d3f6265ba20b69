-- claim: Open promises that are due in this lane, urgent ones first, leased to me by pushing due_at; none while it is braked, but for a probe. Ready ones only when their entity is settled.
with picked as materialized (
    select d.promise
    from generate_series(0, 4) as p(priority)
    cross join lateral (
        select q.promise from due q join entity e on e.key = q.entity
        where q.target = %(target)s and q.priority = p.priority and q.due_at <= now()
          and q.due_at >= coalesce((%(front)b::timestamptz[])[p.priority + 1], '-infinity')
          and (q.stage <> 0 or e.revision = e.settled)
          -- After the database was set back no act is done before the sources were read again.
          and (q.stage > 1 or not exists (select from recovery where go_on_at is null)
               or (select p.verb <> 2 from promise p where p.id = q.promise limit 1))
        order by q.due_at limit %(limit)s
        for update of q skip locked
    ) d
    where %(probe)s or not exists (select from brake where connection = %(target)s)
    limit %(limit)s
), leased as (
    update due set due_at = now() + make_interval(secs => %(lease_seconds)s), fence = nextval('fence_seq')
    where due.promise = any(array(select promise from picked))
    returning due.promise, due.entity, due.stage, due.fence, due.attempts, due.ordinal, due.document, due.job,
              due.searches, due.unclear
)
select l.promise, l.entity, l.stage, l.fence, l.attempts, l.ordinal, l.document, l.job,
       p.name, p.verb, p.noun, p.cause, p.within::text, p.pins::text, p.repair, p.body,
       i.key, i.sealed_at, i.refs, i.digest,
       case when p.needs = '{}' then null else p.needs::text end,
       case when p.needs = '{}' then null else (
           select jsonb_object_agg(n.key, jsonb_build_array(r.remote_id, r.number))::text
           from jsonb_each_text(p.needs) n join receipt r on r.slot = n.value) end,
       now(), p.valid_until, l.searches, l.unclear,
       p.verb = 2 and exists (select from recovery)
from leased l
join promise p on p.id = l.promise
left join intent i on i.promise = l.promise and i.ordinal = l.ordinal
order by l.promise

-- forgotten_since: Since when these acts may have been done in a time that the database was set back over; none that can't have been.
select p.id, r.restored_to
from promise p
cross join lateral (
    select min(restored_to) as restored_to from recovery
    where p.cause_recorded_at <= go_on_at or p.cause_recorded_at > now()
       -- Of refunds that nobody here asked for: whoever made them may have told of them, too.
       or p.noun = 'refund_notice' and p.needs = '{}'
       -- A level, and what is done once for an order, may have been for what was known before its cause was or changed.
       or p.noun in ('sales_order', 'shipment_order', 'credit_memo', 'supplementary_invoice')
          and p.cause_recorded_at < go_on_at + interval '7 days'
          and exists (select from document d where d.entity = p.entity and d.recorded_at <= go_on_at
                      and (d.fact = p.cause or p.noun in ('credit_memo', 'supplementary_invoice')))
) r
where p.id = any(%(promise)b::bigint[]) and r.restored_to is not null

-- front: Since when anything is due in this lane, by priority. What becomes due in a transaction that is under way may be due since it began.
select array(
    select least(d.due_at, now() - make_interval(secs => %(late_seconds)s))
    from generate_series(0, 4) as p(priority)
    left join lateral (
        select due_at from due where target = %(target)s and due.priority = p.priority order by due_at limit 1
    ) d on true
    order by p.priority)

-- has_open: Whether this lane will soon have something to call for by itself: not what waits for longer than between two probes, nor what no probe is given.
select exists (
    select from generate_series(0, 4) as p(priority)
    cross join lateral (
        select from due q
        where q.target = %(target)s and q.priority = p.priority and q.due_at <= now() + interval '60 s'
          and (q.stage > 1 or not exists (select from recovery where go_on_at is null)
               or (select p.verb <> 2 from promise p where p.id = q.promise limit 1))
        limit 1
    ) d)

-- told_of: What this connection told of these acts, by the keys they were sent under.
select a.promise, d.body
from unnest(%(promise)b::bigint[], %(entity)b::text[], %(key)b::text[]) as a(promise, entity, key)
join document d on d.entity = a.entity and d.connection = %(connection)s and d.kind = %(kind)s and not d.gone
where convert_from(d.body, 'UTF8')::jsonb ->> 'reference' = a.key

-- busy: Which of these claimed promises touch a target document that another act is unresolved on, or is being sealed for by somebody else. Those that are only ready are held until commit, so that nobody seals them meanwhile; waits for nobody.
with mine as (
    select * from unnest(%(promise)b::bigint[], %(entity)b::text[], %(document)b::text[]) as m(promise, entity, document)
), free as materialized (
    select o.promise from (select distinct entity, document from mine) m
    -- One entity's at a time by the limit, and not by = on the target, for which there is the index of claims: as a join, or
    -- by that index, each promise walked through all that is due.
    cross join lateral (
        select promise from due
        where entity = m.entity and target is not distinct from %(target)s and document = m.document and stage = 0
        limit 1000000000 for update skip locked
    ) o
)
select m.promise from mine m
where (
    select true from due o
    where o.entity = m.entity and o.target is not distinct from %(target)s and o.document = m.document
      and o.promise <> m.promise and (o.stage in (1, 2, 3) or (o.stage = 0 and o.promise <> all(array(select promise from free))))
    limit 1)

-- mapped: What the target calls these keys of ours.
select k.kind, k.key, m.value
from unnest(%(kind)b::text[], %(key)b::text[]) as k(kind, key)
cross join lateral (
    select value from mapping m where m.connection = %(target)s and m.kind = k.kind and m.key = k.key limit 1
) m

-- seal: Immutable intents, committed before any call; their promises are being called for from now on.
with sealed as (
    select * from unnest(%(promise)b::bigint[], %(ordinal)b::int[], %(key)b::text[], %(refs)b::bytea[], %(digest)b::bytea[])
    as s(promise, ordinal, key, refs, digest)
)
insert into intent (promise, ordinal, key, sealed_at, worker, code, refs, digest)
select promise, ordinal, key, now(), %(worker)s, %(code)b, refs, digest from sealed

-- calling: These are being called for: the lane owns them until the lease ends.
update due set stage = 1, actor = 1 where promise = any(%(promise)b::bigint[])

-- set_pins: What these seals used becomes a fact and doesn't move; a pin that stands already stays.
insert into pin (entity, name, value, at)
select entity, name, value, now() from unnest(%(entity)b::text[], %(name)b::text[], %(value)b::text[]) as p(entity, name, value)
on conflict do nothing

-- confirm: The target did it: receipts are kept, promises are met, and what waited for them is ready. Says which were still open, and whose lanes have something to do now.
with answered as (
    select * from unnest(%(promise)b::bigint[], %(slot)b::text[], %(remote_id)b::text[], %(number)b::text[],
                         %(written)b::bytea[], %(repairs)b::int[], %(said)b::bytea[])
    as a(promise, slot, remote_id, number, written, repairs, said)
), kept as (
    insert into receipt as r (slot, promise, at, remote_id, number, written, repairs, said)
    select slot, promise, now(), remote_id, number, written, repairs, said from answered order by slot
    on conflict (slot) do update
    set promise = excluded.promise,
        -- An act that is heard of again was done when it was heard of first: the books' sums have it already.
        at = case when r.promise = excluded.promise and r.written is null and excluded.written is null
                  then r.at else excluded.at end,
        remote_id = excluded.remote_id, number = excluded.number,
        written = excluded.written, said = coalesce(excluded.said, r.said),
        repairs = case when r.promise = excluded.promise then r.repairs  -- recorded before
                       when excluded.repairs > 0 then r.repairs + excluded.repairs else 0 end
    where r.promise <= excluded.promise
    returning new.promise, new.slot, old.remote_id as was, new.remote_id as is_now
), doubled as (
    -- The same act confirmed as two things: the target did it twice.
    insert into attempt (promise, ordinal, at, outcome, detail)
    select k.promise, 0, now(), 'second effect', k.slot || ' was ' || k.was || ', and then ' || k.is_now
    from kept k join promise p on p.id = k.promise
    where k.was <> k.is_now and p.verb = 2
), met as (
    delete from due where promise = any(%(promise)b::bigint[]) returning promise, ordinal
), items as (
    delete from case_item where promise = any(array(select promise from met))
), released as (
    update due set stage = 0, actor = 0, blocked_on = null, due_at = now() where blocked_on = any(%(slot)b::text[])
    returning target
)
select array(select promise from met), array(select distinct target from released),
       -- An answer so late that its act was given up for a new one: what its seal took has been given back.
       array(select promise from met m where m.ordinal > 1
             and not exists (select from intent i where i.promise = m.promise and i.ordinal = m.ordinal))

-- free_documents: Promises that waited for another act on the same target document may go on.
update due d set due_at = now()
from unnest(%(entity)b::text[], %(document)b::text[]) as f(entity, document)
where d.entity = f.entity and d.entity = any(%(entity)b::text[]) and d.document = f.document
  and d.document <> '' and d.stage = 0 and d.due_at > now()

-- release: What was blocked on these keys is ready, and their case items are done.
with ready as (
    update due set stage = 0, actor = 0, blocked_on = null, due_at = now()
    where blocked_on = any(%(key)b::text[])
    returning promise
), items as (
    delete from case_item where promise = any(array(select promise from ready))
)
select count(*) from ready

-- release_met: Promises blocked on something that has been confirmed meanwhile are ready.
update due d set stage = 0, actor = 0, blocked_on = null, due_at = now()
where d.blocked_on is not null and d.stage = 4 and exists (select from receipt r where r.slot = d.blocked_on)

-- release_these: Of these promises those blocked on something that has been confirmed meanwhile are ready.
update due d set stage = 0, actor = 0, blocked_on = null, due_at = now()
where d.promise = any(%(promise)b::bigint[]) and d.stage = 4
  and (select true from receipt r where r.slot = d.blocked_on limit 1)

-- release_mapped: Promises blocked on a mapping that was given after their last seal are ready.
update due d set stage = 0, actor = 0, blocked_on = null, due_at = now()
from mapping m
where d.blocked_on = any(%(key)b::text[]) and d.blocked_on = 'map/' || m.connection || '/' || m.kind || '/' || m.key
  and m.at > (select max(i.sealed_at) from intent i where i.promise = d.promise)

-- reschedule: What follows for promises that did not end in a confirmation, unless somebody else has claimed them since or it is written already.
update due d
set fence = 0, stage = r.stage, actor = r.actor, due_at = case when r.wait_seconds is null then 'infinity'
                                                    else now() + make_interval(secs => r.wait_seconds) end,
    attempts = d.attempts + r.burnt, ordinal = d.ordinal + r.bump, blocked_on = r.blocked_on,
    job = coalesce(r.job, d.job), searches = r.searches, unclear = r.unclear
from unnest(%(promise)b::bigint[], %(fence)b::bigint[], %(stage)b::smallint[], %(actor)b::smallint[],
            %(wait_seconds)b::float8[], %(burnt)b::int[], %(bump)b::int[], %(blocked_on)b::text[], %(job)b::text[],
            %(searches)b::smallint[], %(unclear)b::smallint[])
     as r(promise, fence, stage, actor, wait_seconds, burnt, bump, blocked_on, job, searches, unclear)
where d.promise = r.promise and d.promise = any(%(promise)b::bigint[]) and d.fence = r.fence
returning d.promise

-- note_attempts: Every call that did not end in a confirmation.
insert into attempt (promise, ordinal, at, outcome, detail)
select promise, ordinal, now(), outcome, detail
from unnest(%(promise)b::bigint[], %(ordinal)b::int[], %(outcome)b::text[], %(detail)b::text[]) as a(promise, ordinal, outcome, detail)

-- permit: Whether the lane may call: no brake; or a probe, to one process at a time, less often the longer it lasts.
with probing as (
    update brake set probes = probes + 1,
        probe_at = now() + make_interval(secs => least(%(probe_seconds)s * power(1.5, probes), 60) * (0.75 + random() / 2))
    where connection = %(target)s and kind = 'outage' and probe_at <= now()
    returning 1
)
select case when exists (select from probing) then 'probe'
            when exists (select from brake where connection = %(target)s) then 'braked'
            else 'free' end

-- brake: The lane stops; True when it wasn't stopped already.
insert into brake (connection, kind, reason, since, probe_at)
values (%(connection)s, %(kind)s, %(reason)s, now(), now() + make_interval(secs => %(probe_seconds)s))
on conflict (connection) do nothing
returning true

-- lift_brake: The lane may go on; True when it was stopped.
with lifted as (delete from brake where connection = %(connection)s returning connection)
select exists (select from lifted)

-- stopped_by: What kind of brake stops the lane.
select kind from brake where connection = %(connection)s
