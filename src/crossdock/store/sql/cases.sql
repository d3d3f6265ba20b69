-- open_cases: One open case per cause; further items join it.
with raised as (
    select * from unnest(%(cause)b::text[], %(kind)b::text[], %(title)b::text[], %(remedy)b::text[], %(entity)b::text[],
                         %(promise)b::bigint[], %(detail)b::text[], %(field)b::text[])
    as r(cause, kind, title, remedy, entity, promise, detail, field)
), opened as (
    insert into cases as c (cause, kind, title, remedy, opened_at)
    select distinct on (cause) cause, kind, title, remedy, now() from raised order by cause
    on conflict (cause) where closed_at is null do update set title = excluded.title
    returning id, cause
)
insert into case_item as i (case_id, entity, promise, at, detail, field)
select distinct on (o.id, r.entity, r.promise) o.id, r.entity, r.promise, now(), r.detail, r.field
from raised r join opened o using (cause)
on conflict (case_id, entity, promise) do update set detail = excluded.detail, field = excluded.field
where (i.detail, i.field) is distinct from (excluded.detail, excluded.field)

-- stop_failing: What is another case's by now is no longer tried in vain.
delete from case_item i using cases c
where i.promise = any(%(promise)b::bigint[]) and c.id = i.case_id and c.kind = 'failing' and c.closed_at is null

-- settle_troubles: Of these entities exactly these troubles are open; others of theirs are over.
delete from case_item i
using cases c
where c.id = i.case_id and c.closed_at is null and c.kind = 'trouble' and i.entity = any(%(entity)b::text[])
  and not exists (
      select from unnest(%(trouble_entity)b::text[], %(trouble_cause)b::text[]) as t(entity, cause)
      where t.entity = i.entity and t.cause = c.cause)

-- lock_empty: Cases that look as if they were over; nobody adds to them until commit.
select id from cases c
where c.closed_at is null and c.kind = any(%(kind)b::text[])
  and not exists (select from case_item i where i.case_id = c.id)
order by id for update

-- close_empty: A case none of whose items is open any more is over.
update cases c set closed_at = now(), closed_by = %(by)s
where c.closed_at is null and c.kind = any(%(kind)b::text[])
  and not exists (select from case_item i where i.case_id = c.id)

-- close_by_cause: This case is over.
with closed as (
    update cases set closed_at = now(), closed_by = %(by)s where cause = %(cause)s and closed_at is null returning id
), items as (
    delete from case_item where case_id in (select id from closed)
)
select id from closed

-- open_now: The open cases, those with most items first.
select c.id, c.cause, c.kind, c.title, c.remedy, c.opened_at, count(i.*),
       coalesce(min(i.detail), ''), coalesce(array_agg(distinct i.entity) filter (where i.entity <> ''), '{}')
from cases c left join case_item i on i.case_id = c.id
where c.closed_at is null
group by c.id order by count(i.*) desc, c.id

-- open_after: The open cases after one, the oldest first, each with so many of its entities at most.
select c.id, c.cause, c.kind, c.title, c.remedy, c.opened_at, i.items, i.detail, i.entities
from (select * from cases where closed_at is null and id > %(case)s order by id limit %(limit)s) c cross join lateral (
    select count(*) as items, coalesce(min(detail), '') as detail,
           coalesce((array_agg(distinct entity) filter (where entity <> ''))[1:%(entities_max)s], '{}') as entities
    from case_item where case_id = c.id) i
order by c.id

-- unbound: Documents that could not be attributed for this long, and are in no case yet.
select d.connection, d.kind, d.id, d.about,
       array(select a.entity from alias a where a.name = d.about and d.about <> '' order by 1 limit 5)
from document d
where d.entity is null and d.recorded_at < now() - make_interval(mins => %(minutes)s)
  and not exists (select from case_item i where i.entity = d.kind || ':' || d.connection || ':' || d.id)
limit 1000

-- bound_since: What has been attributed meanwhile is in no case for want of it.
delete from case_item i using cases c, document d
where c.id = i.case_id and c.kind = 'unbound' and i.entity = d.kind || ':' || d.connection || ':' || d.id and d.entity is not null
  and c.closed_at is null
