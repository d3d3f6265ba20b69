-- know_messages: Which of these messages are new; they are known from now on. Their bodies stay out of it: sorting those cost more than storing them.
insert into inbox_seen (connection, message_id, received_at)
select connection, message_id, now()
from unnest(%(connection)b::text[], %(message_id)b::text[]) as m(connection, message_id) order by 1, 2
on conflict do nothing
returning connection, message_id

-- store_messages: New messages, durable when the transaction commits.
with stored as (
    insert into inbox (received_at, connection, topic, message_id, observed, outcome, reason, body, epoch)
    select now(), m.connection, topic, message_id, observed, outcome, reason, body, c.epoch
    from unnest(%(connection)b::text[], %(topic)b::text[], %(message_id)b::text[], %(observed)b::bigint[],
                %(outcome)b::smallint[], %(reason)b::text[], %(body)b::bytea[])
         as m(connection, topic, message_id, observed, outcome, reason, body)
    left join connection c on c.name = m.connection
    returning id, received_at, outcome
)
insert into inbox_pending (id, received_at)
select id, received_at from stored where outcome = 0

-- front: Since when anything is pending. What a transaction stores that is under way may be so since it began.
select least((select since from inbox_pending order by since limit 1), now() - make_interval(secs => %(late_seconds)s))

-- take_pending: The oldest messages nobody else is translating; they stay pending unless this transaction commits.
with taken as materialized (
    select id, received_at from inbox_pending
    where since >= coalesce(%(front)b::timestamptz, '-infinity')
    order by since, id limit %(limit)s for update skip locked
), removed as (
    delete from inbox_pending where id = any(array(select id from taken))
)
select i.id, i.received_at, i.connection, i.topic, i.message_id, i.observed, i.body, coalesce(i.epoch, c.epoch, 1),
       coalesce(i.heard_at, least(i.received_at, clock_timestamp()))
from taken t
join inbox i on i.received_at = t.received_at and i.id = t.id
left join connection c on c.name = i.connection

-- record_outcomes: What became of each message: 1 translated, 2 ignored by a rule, 3 quarantined, with the reason.
update inbox i set outcome = o.outcome, reason = o.reason
from unnest(%(id)b::bigint[], %(received_at)b::timestamptz[], %(outcome)b::smallint[], %(reason)b::text[])
     as o(id, received_at, outcome, reason)
where i.received_at = o.received_at and i.id = o.id

-- leave_cases: Messages of a part of the inbox are in no case any more, until they fail again.
delete from case_item where entity in (
    select %(prefix)s || connection || ':' || message_id from inbox
    where received_at >= %(since)s and received_at < %(until)s
      and (%(connection)s::text is null or connection = %(connection)s)
      and (%(entity)s::text is null or (received_at, id) in
           (select received_at, inbox_id from evidence where entity = any(evidence_keys(array[%(entity)s]))))
      and outcome = 3)

-- put_back: Messages of a part of the inbox are pending again, to be translated once more.
with chosen as (
    update inbox set outcome = 0, reason = null
    where received_at >= %(since)s and received_at < %(until)s
      and (%(connection)s::text is null or connection = %(connection)s)
      and (%(entity)s::text is null or (received_at, id) in
           (select received_at, inbox_id from evidence where entity = any(evidence_keys(array[%(entity)s]))))
      and outcome <> 0
    returning id, received_at
), pending as (
    insert into inbox_pending (id, received_at) select id, received_at from chosen on conflict do nothing
), told_anew as (
    delete from evidence e using chosen c where e.inbox_id = c.id and e.received_at = c.received_at
)
select count(*) from chosen

-- read_again: The messages of a case that are still kept are pending again, to be translated once more, and in no case until they fail again.
with chosen as (
    update inbox i set outcome = 0, reason = null
    from case_item c
    join inbox_seen s on s.connection = split_part(c.entity, ':', 2)
                     and s.message_id = substr(c.entity, length(%(prefix)s) + length(split_part(c.entity, ':', 2)) + 2)
    where c.case_id = %(case)s and starts_with(c.entity, %(prefix)s)
      and i.received_at = s.received_at and i.connection = s.connection and i.message_id = s.message_id and i.outcome = 3
    returning i.id, i.received_at, c.entity
), pending as (
    insert into inbox_pending (id, received_at) select id, received_at from chosen on conflict do nothing
), left_case as (
    delete from case_item where case_id = %(case)s and entity in (select entity from chosen)
)
select count(*) from chosen

-- read_part: The messages of a part of the inbox, in order, without touching them.
select i.id, i.received_at, i.connection, i.topic, i.message_id, i.observed, i.body, coalesce(i.epoch, c.epoch, 1),
       coalesce(i.heard_at, least(i.received_at, clock_timestamp()))
from inbox i left join connection c on c.name = i.connection
where i.received_at >= %(since)s and i.received_at < %(until)s
  and (%(connection)s::text is null or i.connection = %(connection)s)
  and (%(entity)s::text is null or (i.received_at, i.id) in
       (select received_at, inbox_id from evidence where entity = any(evidence_keys(array[%(entity)s]))))
order by i.received_at, i.id

-- entities_in: The entities that messages of a part of the inbox speak of.
select distinct coalesce(d.entity, e.entity)
from evidence e join inbox i on i.received_at = e.received_at and i.id = e.inbox_id
left join document d on d.kind = split_part(e.entity, ':', 1) and d.connection = split_part(e.entity, ':', 2)
                    and d.id = substr(e.entity, length(split_part(e.entity, ':', 1)) + length(split_part(e.entity, ':', 2)) + 3)
where i.received_at >= %(since)s and i.received_at < %(until)s
  and (%(connection)s::text is null or i.connection = %(connection)s)
  and (%(entity)s::text is null or e.entity = any(evidence_keys(array[%(entity)s])))
  and (d.id is null or d.entity is not null)
