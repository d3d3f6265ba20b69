-- front: Since when anything is dirty. What becomes so in a transaction that is under way may be so since it began.
select least((select since from dirty order by since limit 1), now() - make_interval(secs => %(late_seconds)s))

-- dirty_entities: The longest waiting entities in my buckets, each with the revision that is about to be settled.
select d.entity, e.revision, e.settled_at, e.code
from (
    select entity, since from dirty
    where bucket = any(%(buckets)b::smallint[]) and since >= coalesce(%(front)b::timestamptz, '-infinity')
    order by since limit %(limit)s
) d
join entity e on e.key = d.entity

-- entities_by_key: The same for named entities, dirty or not.
select key, revision, settled_at, code from entity where key = any(%(entity)b::text[])

-- documents_of: All evidence about these entities.
select entity, connection, kind, id, fact, epoch, token, observed, recorded_at, changed_at, gone, body
from document where entity = any(%(entity)b::text[])

-- promises_of: Every promise ever made about these entities, with its stage while it is open and its last seal; one that was withdrawn counts as never sealed, for nothing was done.
select p.entity, p.id, p.name, p.target, p.noun, p.cause, p.body, d.stage,
       s.last is not null and w.promise is null as sealed, coalesce(s.last, p.first_ordinal - 1), p.valid_until,
       case when d.promise is null then '[]' else p.within::text end, p.campaign,
       case when d.promise is null then '{}' else p.needs::text end
from promise p
left join due d on d.promise = p.id
left join withdrawn w on w.promise = p.id
left join lateral (select max(ordinal) as last from intent i where i.promise = p.id) s on true
where p.entity = any(%(entity)b::text[])
order by p.id

-- receipts_of: What targets confirmed for the states of these entities, for the acts whose facts are known by the id they answered, and for those of a forgotten time of which it was told what they became.
select p.entity, p.name, p.noun, r.at, r.written, r.repairs, r.remote_id
from promise p join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
where p.entity = any(%(entity)b::text[]) and (
    p.verb = 1 or p.noun in ('payment_capture', 'pickup_order', 'goods_issue', 'invoice_posting', 'credit_memo', 'supplementary_invoice')
    -- Only a database that was set back has any, for as long as acts are looked for because of it (deliver, forgotten_since).
    or p.cause_recorded_at < (select max(go_on_at) from recovery) + interval '7 days' and r.written is not null)

-- withheld_of: What these entities would owe only by newer code, since when that is known, and the latest campaign that lets it through, if any.
select w.entity, w.name, w.at, c.id, c.digest, c.count_max, c.expires_at, c.money_max
from withheld w
left join lateral (
    select c.id, i.digest, c.count_max, c.expires_at,
           (select jsonb_object_agg(m.currency, m.money_max)::text from campaign_cap m where m.campaign = c.id) as money_max
    from campaign_item i join campaign c on c.id = i.campaign
    where i.entity = w.entity and i.name = w.name and not i.over_cap and c.expires_at > now()
    order by c.id desc limit 1
) c on true
where w.entity = any(%(entity)b::text[])

-- awaited_of: What these entities were said to wait for when they were settled last.
select entity, name from waiting where entity = any(%(entity)b::text[])

-- pins_of: What sealed acts fixed for these entities.
select entity, name, value from pin where entity = any(%(entity)b::text[])

-- woken: Entities whose waiting ran out are looked at again.
with woken as (
    update waiting set woken = true where not woken and until <= now() returning entity
)
select distinct entity from woken

-- untried: Entities in these buckets that other rules failed on, and that these have not tried.
select distinct i.entity from cases c
cross join lateral (
    -- Not the first thousand of all: those that these rules fail on, too, would keep the others from being tried.
    select t.entity from case_item t join entity e on e.key = t.entity
    where t.case_id = c.id and e.bucket = any(%(buckets)b::smallint[]) and e.code is distinct from %(code)b
    order by t.at limit 1000
) i
where c.closed_at is null and left(c.cause, 10) = 'unsettled:'
order by i.entity limit 1000

-- hold_leases: True when all these buckets are still leased to me under these fences; holds them so until commit.
select count(*) = cardinality(%(bucket)b::smallint[])
from (
    select 1 from bucket b
    join unnest(%(bucket)b::smallint[], %(fence)b::bigint[]) as mine(id, fence) on b.id = mine.id and b.fence = mine.fence
    where b.owner = %(owner)s and b.until > clock_timestamp()
    for share of b
) held

-- settle_entities: These revisions are settled; those known anew meanwhile are not among the answer and stay dirty. What these rules failed on was not settled by them, only tried. Locks dirty before entity. What a transaction that is under way says is dated as of its beginning and was not seen: they are settled as of before that, and as of what was seen of each. One that has written nothing for ten seconds is a report.
with activity as materialized (
    select pid, datid, xact_start, backend_xid, backend_type from pg_stat_get_activity(null)
), seen as materialized (
    select least(now(), min(a.xact_start) - interval '1 us') as until
    from activity me join activity a on a.datid = me.datid and a.pid <> me.pid
    where me.pid = pg_backend_pid() and a.backend_type = 'client backend'
      and (a.backend_xid is not null or a.xact_start > now() - interval '10 s')
), read as (
    select * from unnest(%(entity)b::text[], %(revision)b::bigint[], %(failed)b::bool[], %(known_at)b::timestamptz[])
    as r(key, revision, failed, known_at)
), locked as materialized (
    select entity from dirty where entity = any(%(entity)b::text[]) order by entity for update
), settled as (
    update entity e set settled = read.revision, code = %(code)b,
        settled_at = case when read.failed then coalesce(e.settled_at, to_timestamp(0)) else least(greatest(seen.until, read.known_at), now()) end
    from read, seen where e.key = read.key and e.revision = read.revision and (select count(*) from locked) >= 0
    returning e.key
), clean as (
    delete from dirty where entity = any(array(select key from settled))
)
select key from settled

-- withdraw: Promises that nothing was done about are taken back, with what their last seal still holds of accounts; those a call is under way for stay, and are not in the answer.
with gone as (
    delete from due where promise = any(%(promise)b::bigint[]) and stage in (0, 4, 5) returning promise, ordinal
), items as (
    delete from case_item where promise = any(array(select promise from gone))
), noted as (
    insert into withdrawn (promise, at)
    select promise, now() from gone where exists (select from intent i where i.promise = gone.promise)
)
select g.promise, case when i.promise is null then '[]' else p.within::text end
from gone g join promise p on p.id = g.promise
left join intent i on i.promise = g.promise and i.ordinal = g.ordinal

-- delete_unsealed: The bodies of withdrawn promises that were never sealed; sealed ones are history and stay.
delete from promise p where p.id = any(%(promise)b::bigint[])
  and not exists (select from intent i where i.promise = p.id)

-- open_promises: Promises as immutable rows, and their place in the queue beside them. Says which wait for another entity, and whose lanes have something to do now.
with opened as materialized (
    select nextval('promise_seq') as id, o.* from unnest(%(entity)b::text[], %(name)b::text[], %(verb)b::smallint[], %(target)b::text[],
        %(noun)b::text[], %(cause)b::text[], %(cause_recorded_at)b::timestamptz[], %(in_flight)b::bool[],
        %(revision)b::bigint[], %(ordinal)b::int[], %(document)b::text[], %(needs)b::text[], %(within)b::text[],
        %(pins)b::text[], %(repair)b::bool[], %(digest)b::bytea[], %(body)b::bytea[], %(priority)b::smallint[], %(deadline)b::timestamptz[],
        %(blocked_on)b::text[], %(valid_until)b::timestamptz[], %(campaign)b::bigint[])
    as o(entity, name, verb, target, noun, cause, cause_recorded_at, in_flight, revision, ordinal, document, needs,
         within, pins, repair, digest, body, priority, deadline, blocked_on, valid_until, campaign)
), bodies as (
    insert into promise (id, entity, name, verb, target, noun, cause, cause_recorded_at, code, in_flight, revision,
                         opened_at, first_ordinal, document, needs, within, pins, repair,
                         digest, body, valid_until, campaign)
    select id, entity, name, verb, target, noun, cause, cause_recorded_at, %(code)b, in_flight, revision,
           now(), ordinal, document, needs::jsonb, within::jsonb, pins::jsonb, repair, digest, body, valid_until, campaign
    from opened
), queued as (
    insert into due (promise, entity, target, priority, due_at, stage, actor, ordinal, deadline, document, blocked_on)
    select o.id, o.entity, o.target, o.priority,
           case when blocked is null then now() else 'infinity' end,
           case when blocked is null then 0 else 4 end, 0, o.ordinal, o.deadline, o.document, blocked
    from opened o
    -- One row each by the limit: written as EXISTS, all receipts were read to find a batch's.
    left join lateral (select true as met from receipt r where r.slot = o.blocked_on limit 1) as r on true
    cross join lateral (select case when r.met then null else o.blocked_on end) as b(blocked)
    returning promise, entity, target, blocked_on
)
select coalesce(array_agg(promise) filter (where not starts_with(blocked_on, entity || '/')), '{}'),
       coalesce(array_agg(distinct target) filter (where blocked_on is null), '{}')
from queued

-- replace_waits: What these entities now wait for, and nothing else.
with desired as (
    select * from unnest(%(entity)b::text[], %(name)b::text[], %(on_whom)b::text[], %(what)b::text[], %(until)b::timestamptz[])
    as w(entity, name, on_whom, what, until)
), over as (
    delete from waiting where entity = any(%(settled)b::text[]) and (entity, name) not in (
        select s.entity, unnest(string_to_array(s.names, E'\n'))
        from unnest(%(settled)b::text[], %(kept)b::text[]) as s(entity, names))
)
insert into waiting as w (entity, name, on_whom, what, until)
select entity, name, on_whom, what, until from desired
on conflict (entity, name) do update
set on_whom = excluded.on_whom, what = excluded.what, until = excluded.until,
    woken = w.woken and excluded.until <= now()
where (w.on_whom, w.what, w.until) is distinct from (excluded.on_whom, excluded.what, excluded.until)

-- withhold: Acts only new code would owe for old facts; counted until a campaign opens them.
insert into withheld (entity, name, code, at)
select entity, name, %(code)b, now() from unnest(%(entity)b::text[], %(name)b::text[]) as w(entity, name)
on conflict do nothing

-- adopt_written: The target holds the desired value already; what it holds counts as written.
insert into receipt as r (slot, promise, at, remote_id, number, written)
select entity || '/' || name, 0, now(), '', '', written
from unnest(%(entity)b::text[], %(name)b::text[], %(written)b::bytea[]) as a(entity, name, written)
on conflict (slot) do update set written = excluded.written, at = excluded.at

-- go_live: The first time this code and policy ran; the same ever after.
insert into code_version (digest, name, live_at) values (%(digest)b, %(name)s, now())
on conflict (digest) do update set name = code_version.name
returning live_at

-- now: The one clock of all processes.
select now()
