-- facets: How many cases there are for each kind, system and person, of those that are open, snoozed or both.
select kind, system, coalesce(assignee, ''), count(*), sum(items)::bigint from (
    select c.kind, c.system, c.assignee, n.items,
           coalesce(c.quiet_until >= n.items, false) as quiet
    from cases c cross join lateral (select count(*) as items from case_item i where i.case_id = c.id) n
    where c.closed_at is null) open
where %(quiet)s::boolean is null or quiet = %(quiet)s
group by 1, 2, 3

-- groups: The open cases that fit, those with most items first.
select c.id, c.cause, c.kind, c.system, c.title, c.remedy, c.opened_at, c.revision, c.assignee, c.quiet_until,
       n.items, n.first_at, n.last_at, n.recent, coalesce(n.example, ''), coalesce(w.worth, '{}')::text
from cases c
cross join lateral (
    select count(*) as items, min(i.at) as first_at, max(i.at) as last_at,
           count(*) filter (where i.at > now() - interval '1 hour') as recent, min(i.detail) as example
    from case_item i where i.case_id = c.id) n
left join case_worth w on w.case_id = c.id
where c.closed_at is null
  and (%(kind)s = '' or c.kind = %(kind)s) and (%(system)s = '' or c.system = %(system)s)
  and (%(whose)s = '' or coalesce(c.assignee, '-') = %(whose)s)
  and (%(quiet)s::boolean is null or coalesce(c.quiet_until >= n.items, false) = %(quiet)s)
  and (%(channels)s::text[] is null or exists (
       select from case_item i where i.case_id = c.id and split_part(i.entity, ':', 2) = any(%(channels)s::text[])))
  and (%(text)s = '' or strpos(lower(c.title || ' ' || c.cause), lower(%(text)s)) > 0 or exists (
       select from case_item i where i.case_id = c.id and strpos(lower(i.entity || ' ' || i.detail), lower(%(text)s)) > 0))
order by n.items desc, c.id limit %(limit)s offset %(offset)s

-- case_by_id: One case, open or closed.
select c.id, c.cause, c.kind, c.system, c.title, c.remedy, c.opened_at, c.revision, c.assignee, c.quiet_until,
       n.items, n.first_at, n.last_at, n.recent, coalesce(n.example, ''), coalesce(w.worth, '{}')::text, c.closed_at, c.closed_by
from cases c
cross join lateral (
    select count(*) as items, min(i.at) as first_at, max(i.at) as last_at,
           count(*) filter (where i.at > now() - interval '1 hour') as recent, min(i.detail) as example
    from case_item i where i.case_id = c.id) n
left join case_worth w on w.case_id = c.id
where c.id = %(id)s

-- items: A page of a case's items, the longest waiting first, and what each is about.
select i.entity, i.promise, i.at, i.detail, i.field, p.name, p.target, p.noun, d.stage, d.attempts, p.body
from (select * from case_item where case_id = %(id)s order by at, entity, promise limit %(limit)s offset %(offset)s) i
left join promise p on p.id = i.promise and i.promise <> 0
left join due d on d.promise = i.promise and i.promise <> 0
order by i.at, i.entity, i.promise

-- bodies: What is said of these entities.
select entity, body from document where entity = any(%(entity)s::text[])

-- attempts: The latest calls about these promises that did not end in a confirmation.
select promise, at, outcome, detail from (
    select a.*, row_number() over (partition by promise order by at desc) as nth
    from attempt a where promise = any(%(promise)s::bigint[])) latest
where nth <= 5 order by promise, at desc

-- worth: The value of the orders among these entities.
select t.total ->> 'currency', sum((t.total ->> 'minor')::bigint)::bigint
from unnest(%(entity)s::text[]) as e(entity)
join document d on d.connection = split_part(e.entity, ':', 2) and d.kind = 'order'
               and d.id = substr(e.entity, length(split_part(e.entity, ':', 2)) + 8) and not d.gone
cross join lateral (select convert_from(d.body, 'UTF8')::jsonb -> 'total' as total) t
where e.entity like 'order:%%' group by 1 order by 1

-- numbers: What people call these orders.
select d.entity, convert_from(d.body, 'UTF8')::jsonb ->> 'number'
from unnest(%(entity)s::text[]) as e(entity)
join document d on d.connection = split_part(e.entity, ':', 2) and d.kind = 'order'
               and d.id = substr(e.entity, length(split_part(e.entity, ':', 2)) + 8) and not d.gone
where e.entity like 'order:%%'

-- history: What people decided about a case, the latest first.
select at, by, what, detail::text from decision where detail ? 'case' and detail ->> 'case' = %(id)s::text
order by id desc limit 20

-- earlier: Cases of the same cause that are over.
select id, opened_at, closed_at, coalesce(closed_by, '') from cases
where cause = %(cause)s and closed_at is not null order by id desc limit 5

-- trend: How many of the items that these cases have now came in each two hours of the last day; 11 are the latest two.
select case_id, 11 - floor(extract(epoch from now() - at) / 7200)::int, count(*) from case_item
where case_id = any(%(id)s::bigint[]) and at > now() - interval '24 hours' and at <= now() group by 1, 2

-- similar: Other causes of the same kind at the same system that are over, those with most words in common first, and what was decided last about each.
select c.id, c.title, c.closed_at, coalesce(c.closed_by, ''), d.at, d.by, d.what, d.detail::text
from (select id, title, closed_at, closed_by from cases
      where kind = %(kind)s and system = %(system)s and closed_at is not null and cause <> %(cause)s
      order by closed_at desc limit 200) c
left join lateral (
    select at, by, what, detail from decision
    where detail ? 'case' and detail ->> 'case' = c.id::text and what not in ('assign', 'snooze', 'wake')
    order by id desc limit 1) d on true
order by (select count(*) from unnest(string_to_array(lower(c.title), ' ')) w
          where w = any(string_to_array(lower(%(title)s), ' '))) desc, c.closed_at desc limit 5

-- siblings: What keys of this kind are called at this system already, those that look most like the wanted one first.
select key, value, by, at from mapping where connection = %(connection)s and kind = %(kind)s
order by (left(key, 3) = left(%(key)s, 3)) desc, at desc limit 8

-- blocked: What a mapping would release.
select d.promise, d.entity, p.name, d.target from due d join promise p on p.id = d.promise
where d.blocked_on = %(key)s order by d.promise limit %(limit)s

-- blocked_count: How many promises and entities a mapping would release.
select count(*), count(distinct entity) from due where blocked_on = %(key)s

-- message: A message that was kept aside.
select i.id, i.received_at, i.topic, i.reason, i.body
from inbox_seen s join inbox i on i.received_at = s.received_at and i.connection = s.connection and i.message_id = s.message_id
where s.connection = %(connection)s and s.message_id = %(message_id)s

-- lock_case: What a case is like for whoever decides about it; nobody else does until commit.
select revision, closed_at, closed_by, title from cases where id = %(id)s for update

-- last_word: Who decided last about a case.
select by, what, at from decision where detail ? 'case' and detail ->> 'case' = %(id)s::text order by id desc limit 1

-- assign: Whose case it is; tells whose it was.
update cases c set assignee = %(assignee)s from (select id, assignee from cases where id = %(id)s for update) was
where c.id = was.id returning was.assignee

-- snooze: Out of sight until it has more items than now; null brings it back.
update cases set quiet_until = case when %(quiet)s then (select count(*) from case_item i where i.case_id = cases.id) end
where id = %(id)s

-- stuck_first: The promises that have been held up longest, of whatever part; ids rise with time.
select promise from due where stage in (3, 5) or (stage = 4 and actor = 2) or deadline < now() order by promise limit %(limit)s

-- stuck_page: Entities held up in a part of the trade, the longest first; of those these promises are about, or of all.
select s.entity, min(s.opened_at), min(s.deadline), count(*), min(s.name), min(s.target), min(s.stage),
       -- From its own items: as a join, each row looked through every open case.
       (select min(i.case_id) from case_item i
        where i.entity = s.entity and (select c.closed_at is null from cases c where c.id = i.case_id))
from stuck s where s.part = %(part)s
  and (%(promise)s::bigint[] is null or s.entity = any(array(select entity from due where promise = any(%(promise)s::bigint[]))))
group by s.entity order by 2, 1 limit %(limit)s offset %(offset)s

-- unbound_page: Documents that belong to nothing we know, the oldest first.
select connection, kind, id, about, recorded_at from document where entity is null
order by recorded_at, connection, kind, id limit %(limit)s offset %(offset)s

-- entity_stamp: Changes whenever something about an entity does.
select coalesce((select revision::text || settled::text from entity where key = %(entity)s), '')
    || coalesce((select string_agg(promise || '.' || stage || '.' || ordinal || '.' || attempts, ',' order by promise)
                 from due where entity = %(entity)s), '')
    || (select count(*) from case_item where entity = %(entity)s)

-- case_stamp: Changes whenever something about a case does.
select c.revision || '.' || coalesce(c.closed_at::text, '') || '.'
    || (select count(*) || coalesce(max(i.at)::text, '') from case_item i where i.case_id = c.id)
from cases c where c.id = %(id)s

-- home_stamp: Changes whenever a figure does.
select coalesce(md5(string_agg(name || coalesce(value::text, failed, '') || (stale_at < now()), ',' order by name)), '') from figure

-- job_stamp: Changes whenever something of a job is done.
select (j.confirmed_at is not null) || '.' || coalesce(j.done_at::text, '') || '.'
    || (select count(*) from bulk_item i where i.job = j.id and i.outcome is null)
from bulk_job j where j.id = %(id)s
