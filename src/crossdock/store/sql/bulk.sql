-- open_job: A job that does nothing before it is confirmed. Those nobody confirmed within a day go.
with over as (
    select id from bulk_job where confirmed_at is null and frozen_at < now() - interval '1 day'
), items as (
    delete from bulk_item where job in (select id from over)
), jobs as (
    delete from bulk_job where id in (select id from over) and not exists (select from bulk_item i where i.job = bulk_job.id)
)
insert into bulk_job (what, reason, filter, by, items, frozen_at)
values (%(what)s, %(reason)s, %(filter)s, %(by)s, 0, now()) returning id

-- freeze: Every promise in the open cases that fit belongs to this job, as it is now, or each case once (promise 0); later ones don't.
with frozen as (
    insert into bulk_item (job, case_id, entity, promise)
    select distinct %(job)s::bigint, c.id, case when %(whole)s then '' else i.entity end, case when %(whole)s then 0 else i.promise end
    from cases c left join case_item i on i.case_id = c.id
    cross join lateral (select count(*) as items from case_item n where n.case_id = c.id) n
    where c.closed_at is null and (%(whole)s or i.promise <> 0)
      and (%(kind)s = '' or c.kind = %(kind)s) and (%(system)s = '' or c.system = %(system)s)
      and (%(whose)s = '' or coalesce(c.assignee, '-') = %(whose)s)
      and (%(quiet)s::boolean is null or coalesce(c.quiet_until >= n.items, false) = %(quiet)s)
      and (%(channels)s::text[] is null or split_part(i.entity, ':', 2) = any(%(channels)s::text[]))
      and (%(text)s = '' or strpos(lower(c.title || ' ' || c.cause), lower(%(text)s)) > 0
           or strpos(lower(i.entity || ' ' || i.detail), lower(%(text)s)) > 0)
    returning case_id, entity
), counted as (
    update bulk_job set items = (select count(*) from frozen) where id = %(job)s
)
select count(*), count(distinct case_id), count(distinct entity) from frozen

-- job: One job, and how far it is.
select j.id, j.what, j.reason, j.filter, j.by, j.items, j.frozen_at, j.confirmed_at, j.done_at,
       (select count(*) from bulk_item i where i.job = j.id and i.outcome is null)
from bulk_job j where j.id = %(job)s

-- outcomes: What came of the items of a job.
select coalesce(outcome, 'not done yet'), count(*) from bulk_item where job = %(job)s group by 1 order by 2 desc

-- items: Some items of a job and the orders they are about.
select i.case_id, i.entity, i.promise, i.outcome, i.at, p.name, p.target
from (select * from bulk_item where job = %(job)s order by case_id, entity, promise limit %(limit)s offset %(offset)s) i
left join promise p on p.id = i.promise order by i.case_id, i.entity, i.promise

-- entities: The orders a job is about, some of them.
select distinct entity from bulk_item where job = %(job)s limit %(limit)s

-- confirm: From now on it is done, by any process; only the person who froze it, and once.
update bulk_job set confirmed_at = now() where id = %(job)s and by = %(by)s and confirmed_at is null and items > 0 returning items

-- finish: Jobs of which every item has an outcome are done.
update bulk_job j set done_at = now()
where j.confirmed_at is not null and j.done_at is null
  and not exists (select from bulk_item i where i.job = j.id and i.outcome is null)

-- take: The next items of a confirmed job; nobody else takes them until commit.
select i.job, i.case_id, i.entity, i.promise, j.what, j.by, j.reason
from bulk_job j join bulk_item i on i.job = j.id
where j.confirmed_at is not null and j.done_at is null and i.outcome is null
  and j.id = (select min(id) from bulk_job where confirmed_at is not null and done_at is null)
limit %(limit)s for update of i skip locked

-- movable: Of these promises those that are still in that case and about which nothing is under way; nobody moves them until commit.
select d.promise from unnest(%(case_id)s::bigint[], %(promise)s::bigint[]) as w(case_id, promise)
join due d on d.promise = w.promise
where d.stage in (0, 4, 5)
  and exists (select from case_item i where i.case_id = w.case_id and i.promise = w.promise)
order by d.promise for update of d

-- resent: Of these promises those that are still in that case and are sent again under their keys anyway.
select d.promise from unnest(%(case_id)s::bigint[], %(promise)s::bigint[]) as w(case_id, promise)
join due d on d.promise = w.promise
where d.stage = 1
  and exists (select from case_item i join cases c on c.id = i.case_id
              where i.case_id = w.case_id and i.promise = w.promise and c.kind = 'failing')
order by d.promise for update of d

-- still_open: Of these cases those that nobody closed meanwhile; nobody does until commit.
select id from cases where id = any(%(case_id)s::bigint[]) and closed_at is null order by id for update

-- leave_cases: These promises are in no case any more.
delete from case_item where promise = any(%(promise)s::bigint[])

-- done: What came of these items.
update bulk_item b set outcome = o.outcome, at = now()
from unnest(%(job)s::bigint[], %(case_id)s::bigint[], %(entity)s::text[], %(promise)s::bigint[], %(outcome)s::text[])
     as o(job, case_id, entity, promise, outcome)
where b.job = o.job and b.case_id = o.case_id and b.entity = o.entity and b.promise = o.promise
