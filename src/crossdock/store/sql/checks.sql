-- fates: What became of the inbox; the four counts add up to all messages.
select count(*), count(*) filter (where outcome = 0), count(*) filter (where outcome = 1),
       count(*) filter (where outcome = 2), count(*) filter (where outcome = 3)
from inbox

-- states: Every entity is in exactly one state, the worst that applies; the counts add up to all entities.
with in_case as (
    select distinct i.entity from case_item i join cases c on c.id = i.case_id where c.closed_at is null and i.entity <> ''
), promised as (
    select entity, min(deadline) as deadline, bool_or(stage in (0, 1) and b.connection is null) as in_flight
    from due left join brake b on b.connection = due.target group by entity
), expected as (
    select entity, min(until) as until from waiting group by entity
), stated as (
    select e.key,
           case when c.entity is not null then 'case'
                when least(p.deadline, w.until) < now() then 'overdue'
                when d.entity is not null or p.in_flight then 'in flight'
                when p.entity is not null or w.entity is not null then 'waiting'
                else 'converged' end as state
    from entity e
    left join in_case c on c.entity = e.key
    left join promised p on p.entity = e.key
    left join expected w on w.entity = e.key
    left join dirty d on d.entity = e.key
)
select (select count(*) from entity), state, count(*) from stated group by state

-- S1: No act was ever confirmed as two different things at its target.
select count(*), min(detail) from attempt where outcome = 'second effect'

-- S2: Every account holds what the seals took from it, no more and no less, and within its limit.
with moves as (
    select w.value ->> 0 as key, (w.value ->> 1)::bigint as amount, r.slot is not null as posted
    from promise p
    cross join lateral jsonb_array_elements(p.within) w
    left join receipt r on r.slot = p.entity || '/' || p.name
    left join due d on d.promise = p.id
    -- What was sealed, did not happen and was replaced gave back what it took; the receipt is its successor's.
    where p.within <> '[]' and not exists (select from withdrawn w where w.promise = p.id) and (r.slot is not null or d.stage in (1, 2, 3) or (d.stage = 0 and exists (
        select from intent i where i.promise = p.id and i.ordinal = d.ordinal)))
), sums as (
    select key, coalesce(sum(amount) filter (where posted), 0) as posted,
           coalesce(sum(amount) filter (where not posted), 0) as pending
    from moves group by key
)
select count(*), min(coalesce(a.key, s.key)) from account a full join sums s on s.key = a.key
where coalesce(a.posted, 0) <> coalesce(s.posted, 0) or coalesce(a.pending, 0) <> coalesce(s.pending, 0)
   or a.pending + a.posted > a."limit"

-- S3: Everything a target confirmed had been sealed before.
select count(*), min(r.slot) from receipt r
where r.promise <> 0 and not exists (select from intent i where i.promise = r.promise and i.sealed_at <= r.at)

-- S6: Every sealed act's cause was recorded after its code went live, or was on its way when it did, or a campaign that held at its seal covers it.
select count(*), min(p.entity || '/' || p.name)
from promise p join code_version c on c.digest = p.code
where p.verb = 2 and case
    when p.campaign is null then not p.in_flight and p.cause_recorded_at < c.live_at
        and exists (select from intent i where i.promise = p.id)
    else exists (select from intent i where i.promise = p.id and not exists (
        select from campaign_item m join campaign k on k.id = m.campaign
        where m.campaign = p.campaign and m.entity = p.entity and m.name = p.name
          and i.sealed_at between k.approved_at and k.expires_at)) end

-- S7: Every pin is what its seal fixed.
select count(*), min(pin.entity || ' ' || pin.name) from pin
where name <> 'party' and not exists (
    select from promise p join intent i on i.promise = p.id
    where p.entity = pin.entity and p.pins ->> pin.name = pin.value)

-- S8: No target document has two unresolved acts.
select count(*), min(entity || ' ' || document) from (
    select entity, target, document from due where stage in (1, 2, 3) group by 1, 2, 3 having count(*) > 1) twice

-- S9: The queue of pending messages and the inbox agree, and nothing was taken for a repeat without being kept.
select (select count(*) from inbox i where outcome = 0 and not exists (select from inbox_pending p where p.id = i.id))
     + (select count(*) from inbox_pending p where not exists (select from inbox i where i.id = p.id and i.received_at = p.received_at and outcome = 0))
     + (select count(*) from inbox_seen s where not exists (
            select from inbox i where i.received_at = s.received_at and i.connection = s.connection and i.message_id = s.message_id)),
       null

-- S10: Every open promise has a next actor who knows of it, and a deadline; no promise got lost on the way.
select count(*), min(entity || '/' || name) from (
    select p.entity, p.name from due d join promise p on p.id = d.promise
    where (d.stage = 4 and d.blocked_on is null)
       or (d.stage in (0, 1, 2) and d.due_at = 'infinity')
       or ((d.stage = 5 or (d.stage = 3 and d.due_at = 'infinity')) and not exists (
            select from case_item i join cases c on c.id = i.case_id
            where i.promise = d.promise and c.closed_at is null))
    union all
    select p.entity, p.name from promise p
    where not exists (select from due d where d.promise = p.id)
      and not exists (select from withdrawn w where w.promise = p.id)
      and not exists (select from receipt r where r.slot = p.entity || '/' || p.name and r.promise >= p.id)
) stray

-- S11: No connection was called more than its budget allows, summed over all processes.
select count(*), min(connection) from budget
where spent > burst + rate * extract(epoch from clock_timestamp() - started_at) + 1e-6

-- S12: Every sealed act explains itself: its cause, code and bytes are on record.
-- In two parts: as one condition it looks through all documents for each intent, and beside 200,000 orders it never ends.
select count(*), min(entity || '/' || name) from (
    select p.entity, p.name, i.promise, i.ordinal from promise p join intent i on i.promise = p.id
    where p.verb = 2 and not exists (select from document d where d.fact = p.cause)
    union
    select p.entity, p.name, i.promise, i.ordinal from promise p join intent i on i.promise = p.id
    where p.verb = 2 and not exists (select from code_version c where c.digest = i.code)) unexplained

-- unbound: Documents that could not be attributed to any entity.
select count(*), min(connection || ' ' || kind || ' ' || id) from document where entity is null

-- withheld: Acts that only new code or policy would owe for old facts, and that no campaign has let through.
select count(*), min(w.entity || '/' || w.name) from withheld w
where not exists (
    select from promise p join intent i on i.promise = p.id
    where p.entity = w.entity and p.name = w.name and p.campaign is not null)
