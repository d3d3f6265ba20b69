-- add: One more subscription; it is told what happens from now on.
insert into subscription (id, consumer, url, types, note, state, made_at, changed_at, past, xid, event, at, next_at)
select %(id)s, %(consumer)s, %(url)s, %(types)s::text[], %(note)s, %(state)s, now(), now(),
       coalesce((select number from past), 0), pg_snapshot_xmin(pg_current_snapshot())::text, 0, now(), now()

-- hold_consumer: Nobody else holds this consumer until commit.
select from consumer where name = %(consumer)s for no key update

-- count: How many a consumer has.
select count(*)::int from subscription where consumer = %(consumer)s and state <> 'ended'

-- change: What may be edited; that also lets one go on that the hub disabled, with all that waits, at once. Whoever tells it now loses the lease: what they hear is of how it was.
with waiting as (update notification set due_at = now() where subscription = %(id)s and due_at > now())
update subscription set url = %(url)s, types = %(types)s::text[], note = %(note)s, state = %(state)s, reason = '',
    revision = revision + 1, changed_at = now(), next_at = now(), failures = 0, failing_since = null,
    fence = nextval('fence_seq'), until = '-infinity'
where id = %(id)s

-- close: Nothing is told any more; its secrets are forgotten.
with secrets as (delete from subscription_secret where subscription = %(id)s),
     waiting as (delete from notification where subscription = %(id)s)
update subscription set state = 'ended', revision = revision + 1, changed_at = now() where id = %(id)s

-- held: Subscriptions as they stand: one by its id, or those of a consumer, or those of tenants' consumers (null: all); so many after one.
select s.id, s.consumer, s.tenant, s.url, s.types, s.note, s.state, s.reason, s.revision, s.made_at, s.changed_at, s.at,
       s.failing_since, s.succeeded_at,
       (select count(*)::int from (select from notification n where n.subscription = s.id limit 10000) as waiting)
from (
    select s.*, c.tenant from subscription s join consumer c on c.name = s.consumer
    where s.state <> 'ended' and (%(id)s::text = '' or s.id = %(id)s) and (%(consumer)s::text = '' or s.consumer = %(consumer)s)
      and (%(tenants)b::text[] is null or c.tenant = any(%(tenants)b::text[]))
      and (%(after_at)s::timestamptz is null or (s.made_at, s.id) > (%(after_at)s::timestamptz, %(after_id)s::text))
    order by s.made_at, s.id limit %(limit)s::bigint) s
order by s.made_at, s.id

-- lock: It stays as it is until commit.
select revision from subscription where id = %(id)s and state <> 'ended' for update

-- add_secret: One more secret.
insert into subscription_secret (name, subscription, sealed, made_at) values (%(name)s, %(subscription)s, %(sealed)s, now())

-- follow_secrets: Earlier secrets end: the last one after a while, those before it now.
with older as (
    update subscription_secret set ends_at = now() + make_interval(secs => %(seconds)s)
    where subscription = %(subscription)s and ends_at is null)
delete from subscription_secret where subscription = %(subscription)s and ends_at is not null

-- secrets: The live ones, the newest first.
select name, sealed, made_at, ends_at from subscription_secret
where subscription = %(subscription)s and (ends_at is null or ends_at > now()) order by made_at desc

-- place: Where in the order of events a time is: nothing that was recorded since is before it.
select coalesce(e.past, coalesce((select number from past), 0)), coalesce(e.xid, pg_snapshot_xmin(pg_current_snapshot()))::text,
       coalesce(e.id, 0), coalesce(e.at, now())
from (values (1)) one left join lateral (
    select past, xid, id - 1 as id, at from event where at >= %(since)s order by past, xid, id limit 1) e on true

-- move: The feed goes on at another place; what waited is told only if it comes after that. Whoever tells it now loses the lease.
with waiting as (delete from notification where subscription = %(id)s)
update subscription set past = %(past)s, xid = %(xid)s, event = %(event)s, at = coalesce(%(at)s, at), next_at = now(),
    fence = nextval('fence_seq'), until = '-infinity'
where id = %(id)s

-- claim: A subscription that is due, mine until the lease ends; of some consumers none. One whose consumer may not be told any more rests.
with picked as materialized (
    select s.id, c.tenant, c.connection from subscription s join consumer c on c.name = s.consumer
    where s.state = 'active' and s.next_at <= now() and s.until <= now()
      and c.ended_at is null and 'subscriptions:write' = any(c.scopes) and s.consumer <> all(%(without)b::text[])
    order by s.next_at limit 1 for update of s skip locked
)
update subscription s set until = now() + make_interval(secs => %(lease_seconds)s), fence = nextval('fence_seq')
from picked p where s.id = p.id
returning s.id, s.consumer, p.tenant, p.connection, s.url, s.types, s.past, s.xid, s.event, s.at, s.fence, s.failures,
    s.failing_since, now()

-- waiting: How many events are on their way to it that nothing refused holds up, and how many in all.
select (select count(*)::int from (
            select from notification n where n.subscription = %(id)s and n.attempts = 0 and not exists (
                select from notification e
                where e.subscription = n.subscription and e.entity = n.entity and e.id < n.id and e.attempts > 0)
            limit %(limit)s) as going),
       (select count(*)::int from (select from notification where subscription = %(id)s limit %(limit_in_all)s) as every)

-- enqueue: Events are on their way, in their order, and so far was looked; nothing where the lease is another's by now.
with mine as (
    update subscription set past = %(past)s, xid = %(xid)s, event = %(event_id)s, at = coalesce(%(at)s, at)
    where id = %(id)s and fence = %(fence)s returning id
)
insert into notification (subscription, event, type, entity, due_at, body)
select mine.id, e.event, e.type, e.entity, now(), e.body
from mine, unnest(%(event)b::text[], %(type)b::text[], %(entity)b::text[], %(body)b::bytea[])
    with ordinality as e(event, type, entity, body, nth)
order by e.nth

-- add_one: An event for this subscription alone is on its way.
insert into notification (subscription, event, type, entity, due_at, body)
values (%(id)s, %(event)s, %(type)s, %(entity)s, now(), %(body)s)

-- hurry: It is this subscription's turn.
update subscription set next_at = now() where id = %(id)s

-- heads: What may go out now: of each entity the first that waits. What was refused least goes first.
select n.id, n.event, n.entity, n.attempts, n.failed_at, n.body
from subscription s join notification n on n.subscription = s.id
where s.id = %(id)s and s.fence = %(fence)s and s.state = 'active' and n.due_at <= now() and not exists (
    select from notification e where e.subscription = n.subscription and e.entity = n.entity and e.id < n.id)
order by n.attempts, n.id limit %(limit)s

-- record: What came of some attempts, and whether they leave; nothing where the lease is another's by now.
with mine as (
    select id from subscription where id = %(id)s and fence = %(fence)s for update
), told as (
    select t.* from mine, unnest(%(notification)b::bigint[], %(outcome)b::text[], %(leaves)b::bool[], %(status)b::int[],
                                 %(detail)b::text[], %(seconds)b::float8[], %(wait_seconds)b::float8[])
    as t(id, outcome, leaves, status, detail, seconds, wait_seconds)
), left_ as (
    delete from notification n using told t where n.id = t.id and t.leaves
    returning n.id, n.subscription, n.event, n.type, n.entity, n.attempts + 1 as attempts
), stays as (
    update notification n set attempts = n.attempts + 1, failed_at = coalesce(n.failed_at, now()),
           due_at = now() + make_interval(secs => t.wait_seconds)
    from told t where n.id = t.id and not t.leaves
    returning n.id, n.subscription, n.event, n.type, n.entity, n.attempts
)
insert into notified (at, subscription, event, type, entity, attempt, outcome, status, detail, seconds)
select clock_timestamp(), n.subscription, n.event, n.type, n.entity, n.attempts, t.outcome, t.status, t.detail, t.seconds
from told t join (select * from left_ union all select * from stays) n on n.id = t.id

-- took: Its receiver took something.
update subscription set failures = 0, failing_since = null, succeeded_at = now() where id = %(id)s and fence = %(fence)s

-- took_nothing: Its receiver took nothing of what it was sent.
update subscription set failures = failures + 1, failing_since = coalesce(failing_since, now())
where id = %(id)s and fence = %(fence)s

-- leave: Its turn is over, and comes again after so long.
update subscription set until = '-infinity', next_at = greatest(next_at, now() + make_interval(secs => %(wait_seconds)s))
where id = %(id)s and fence = %(fence)s

-- disable: The hub itself stops telling it; not where the lease is another's by now.
update subscription set state = 'disabled', reason = %(reason)s, revision = revision + 1, changed_at = now(), until = '-infinity'
where id = %(id)s and fence = %(fence)s and state = 'active' returning id

-- on_the_way: Events that wait, in their order, with what was answered last.
select n.id, n.event, n.type, n.entity, n.attempts, n.due_at, l.at, l.outcome, l.status, l.detail, l.seconds
from notification n left join lateral (
    select * from notified l where l.subscription = n.subscription and l.event = n.event order by l.at desc limit 1) l
    on n.attempts > 0
where n.subscription = %(id)s and n.id > %(after)s order by n.id limit %(limit)s

-- ended: Events that wait no more, the latest first.
select n.id, n.event, n.type, n.entity, n.attempt, null, n.at, n.outcome, n.status, n.detail, n.seconds
from notified n
where n.subscription = %(id)s and n.outcome = any(%(outcome)b::text[])
  and (%(at)s::timestamptz is null or (n.at, n.id) < (%(at)s, %(after)s))
order by n.at desc, n.id desc limit %(limit)s

-- of_event: One event that waits, if it does.
select n.id, n.event, n.type, n.entity, n.attempts, n.due_at from notification n
where n.subscription = %(id)s and n.event = %(event)s order by n.id limit 1

-- attempts: Each attempt at one event, the first first.
select n.id, n.event, n.type, n.entity, n.attempt, null, n.at, n.outcome, n.status, n.detail, n.seconds
from notified n where n.subscription = %(id)s and n.event = %(event)s order by n.at, n.id limit 1000
