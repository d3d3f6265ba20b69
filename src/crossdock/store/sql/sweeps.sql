-- plan: Every list that can be swept has a row; one that is new is swept for the first time after a while.
insert into sweep (connection, kind, whole, next_at)
select %(connection)s, kind, whole, now() + make_interval(secs => %(first_seconds)s)
from unnest(%(kind)b::text[], %(whole)b::bool[]) as l(kind, whole)
on conflict do nothing

-- drop_trees: Kinds of this connection that are not swept any more need no tree.
with dropped as (
    delete from sweep_tree where connection = %(connection)s and kind <> all(%(kind)b::text[]) returning kind
), nodes as (
    delete from sweep_node where connection = %(connection)s and kind in (select kind from dropped)
)
delete from sweep_stale where connection = %(connection)s and kind in (select kind from dropped)

-- permit: May this connection be swept now? Not while it is braked, and not while anything waits that comes first.
select case
    when exists (select from brake where connection = %(connection)s) then 'braked'
    when (select received_at from inbox_pending order by since limit 1) < now() - make_interval(secs => %(wait_seconds)s)
      or (select since from dirty order by since limit 1) < now() - make_interval(secs => %(wait_seconds)s)
      or exists (
          select from generate_series(0, 4) as p(priority)
          cross join lateral (
              select due_at, stage from due
              where target = %(connection)s and due.priority = p.priority and due_at <= now() order by due_at limit 1
          ) d where d.stage = 0 and d.due_at < now() - make_interval(secs => %(wait_seconds)s))
    then 'shed' else 'free' end

-- claim: One list of this connection that is due or under way, mine until its lease ends; changes go before whole passes. Changes wait for the first whole pass to say where they begin, unless they are listed apart.
with picked as materialized (
    select s.kind, s.whole from sweep s
    where s.connection = %(connection)s and s.until <= now() and (s.run is not null or s.next_at <= now())
      and (s.kind, s.whole) in (select * from unnest(%(kind)b::text[], %(scope)b::bool[]))
      and (s.whole or s.run is not null or s.cursor <> '' or s.kind = any(%(apart)b::text[]))
    order by s.whole, s.run is null, s.next_at limit 1 for update skip locked
)
update sweep s set
    until = now() + make_interval(secs => %(lease_seconds)s), fence = nextval('fence_seq'),
    run = coalesce(s.run, nextval('sweep_run_seq')),
    place = case when s.run is not null then s.place when s.whole then '' else s.cursor end,
    began_at = case when s.run is null then clock_timestamp() else s.began_at end,
    pages = case when s.run is null then 0 else s.pages end, listed = case when s.run is null then 0 else s.listed end,
    differing = case when s.run is null then 0 else s.differing end,
    repairs = case when s.run is null then 0 else s.repairs end,
    counted = case when s.run is null then null else s.counted end,
    flaw = case when s.run is null then null else s.flaw end,
    ended = case when s.run is null then false else s.ended end,
    by_tree = case when s.run is not null then s.by_tree else s.whole and exists (
        select from sweep_tree t where t.connection = s.connection and t.kind = s.kind and t.built) end
from picked p where s.connection = %(connection)s and s.kind = p.kind and s.whole = p.whole
returning s.connection, s.kind, s.whole, s.run, s.fence, s.place, s.began_at, clock_timestamp(), s.pages, s.listed,
          s.differing, s.repairs, s.counted, s.ended, s.flaw, s.by_tree, s.repairs_max, s.gone_max, s.verified_at

-- mine: Held until commit, if it is still mine.
select true from sweep where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s and fence = %(fence)s
for update

-- keep: Whoever works on it goes on doing so; of what somebody else took nothing changes.
update sweep set until = now() + make_interval(secs => %(lease_seconds)s)
where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s and fence = %(fence)s and until > now()

-- turn_page: How far a pass has come; anybody may go on from here.
update sweep set place = %(place)s, pages = pages + 1, listed = listed + %(listed)s, differing = differing + %(differing)s,
    repairs = repairs + %(repairs)s, counted = coalesce(%(counted)s, counted), ended = %(ended)s,
    flaw = coalesce(flaw, %(flaw)s), until = '-infinity'
where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s

-- keep_part: What a page listed.
insert into sweep_part (run, part, listed) values (%(run)s, %(part)s, %(listed)b)

-- parts: What the pages of a pass listed, in their order.
select listed from sweep_part where run = %(run)s and part >= %(after)s order by part limit %(limit)s

-- put_off: Not now; again after a while.
update sweep set until = now() + make_interval(secs => %(seconds)s), flaw = coalesce(%(flaw)s, flaw)
where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s and fence = %(fence)s

-- begin_anew: The list is read once more, page by page: too much differs to be read one by one.
with parts as (delete from sweep_part where run = %(run)s)
update sweep set by_tree = false, place = '', ended = false, pages = 0, listed = 0, differing = 0, counted = null, until = '-infinity'
where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s

-- finish: The pass is over. A complete one has verified everything up to its beginning.
with parts as (
    delete from sweep_part where run = %(run)s
), over as (
    insert into sweep_pass (run, connection, kind, whole, began_at, ended_at, pages, listed, counted, differing, touched, verdict, flaw)
    select run, connection, kind, whole, began_at, now(), pages, listed, counted, differing + %(differing)s, %(touched)s,
           %(verdict)s, coalesce(flaw, %(flaw)s)
    from sweep where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s and run = %(run)s
    on conflict do nothing
), changes as (
    -- Where the first whole pass ended the changes begin.
    update sweep set cursor = %(cursor)s, next_at = now() + make_interval(secs => %(changes_seconds)s)
    where %(whole)s and connection = %(connection)s and kind = %(kind)s and not whole and cursor = '' and run is null and %(cursor)s <> ''
)
update sweep set run = null, place = '', until = '-infinity', repairs_max = null, gone_max = null, ended = false,
    cursor = case when whole or %(cursor)s = '' then cursor else %(cursor)s end,
    next_at = now() + make_interval(secs => %(next_seconds)s),
    verified_at = case when %(verdict)s = 'complete' then began_at else verified_at end
where connection = %(connection)s and kind = %(kind)s and whole = %(whole)s

-- order_pass: This list is swept at once, within these limits; a pass that is under way is that pass.
update sweep set next_at = now(), until = case when run is null then '-infinity' else until end,
    repairs_max = coalesce(%(repairs_max)s, repairs_max), gone_max = coalesce(%(gone_max)s, gone_max)
where connection = %(connection)s and kind = any(%(kind)b::text[]) and whole = %(whole)s
returning kind, coalesce(run, 0)

-- passes_after: Passes of these lists that ended after those.
select kind, run, began_at, ended_at, pages, listed, counted, differing, touched, verdict, flaw from sweep_pass
where connection = %(connection)s and kind = any(%(kind)b::text[]) and whole = %(whole)s and run > %(after)s
order by run

-- begun: Kinds of this connection of which it is known where their changes begin.
select kind from sweep where connection = %(connection)s and not whole and (cursor <> '' or run is not null)

-- last_run: The highest run there has been.
select greatest(coalesce((select max(run) from sweep_pass), 0), coalesce((select max(run) from sweep), 0))

-- held: What is held of these documents.
select d.kind, d.id, d.digest, d.gone, d.token, d.raised_at, d.entity
from unnest(%(kind)b::text[], %(id)b::text[]) as i(kind, id)
join document d on d.connection = %(connection)s and d.kind = i.kind and d.id = i.id

-- held_bodies: The content of these documents.
select d.kind, d.id, d.body
from unnest(%(kind)b::text[], %(id)b::text[]) as i(kind, id)
join document d on d.connection = %(connection)s and d.kind = i.kind and d.id = i.id and not d.gone

-- verified: Up to when each list is known here, changes and whole.
select connection, kind, max(verified_at) filter (where not whole), max(verified_at) filter (where whole),
       bool_or(run is not null), max(flaw)
from sweep group by connection, kind order by 1, 2

-- unlisted_acts: Acts confirmed since this list was last complete, and before this pass began, whose outcome is not there.
select p.entity, p.name, p.id, p.noun, r.remote_id, r.number
from receipt r join promise p on p.id = r.promise
where r.at >= (select dated_since(%(since)s)) and r.at < %(before)s and p.target = %(connection)s and p.noun = any(%(noun)b::text[])
  and not exists (select from document d where d.connection = p.target and d.kind = %(kind)s and d.id = r.remote_id and not d.gone)

-- shown_acts: The act of which this thing at its target is the outcome.
select p.entity, p.name, p.id, p.noun, r.remote_id, r.number
from document d join promise p on p.entity = d.entity and p.target = d.connection and p.noun = any(%(noun)b::text[])
join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id and r.remote_id = d.id
where d.connection = %(connection)s and d.kind = %(kind)s and d.id = any(%(id)b::text[])

-- found_again: Outcomes that are listed again are in no case for being missing.
delete from case_item i using cases c, promise p, receipt r, document d
where c.id = i.case_id and c.closed_at is null and c.kind = 'missing' and c.cause = %(cause)s
  and p.id = i.promise and r.slot = p.entity || '/' || p.name
  and d.connection = %(connection)s and d.kind = %(kind)s and d.id = r.remote_id and not d.gone

-- written_of: What this connection confirmed to hold of a state of these entities, when we last wrote it.
select p.entity, r.written
from promise p join receipt r on r.slot = p.entity || '/' || p.name
where p.entity = any(%(entity)b::text[]) and p.target = %(connection)s and p.noun = %(noun)s and p.verb = 1 and r.written is not null

-- made_by_acts: Which of these things are what an act of ours at this connection became, or may have become: sent, and not answered.
select d.id
from unnest(%(entity)b::text[], %(id)b::text[]) as d(entity, id)
where exists (
    select from promise p left join receipt r on r.slot = p.entity || '/' || p.name and r.promise = p.id
    where p.entity = d.entity and p.target = %(connection)s and p.noun = any(%(noun)b::text[]) and p.verb = 2
      and (r.remote_id = d.id or (r.slot is null and exists (select from due where due.promise = p.id and due.stage in (1, 2, 3)))))
