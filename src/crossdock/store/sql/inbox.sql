-- store_messages: Each message is stored once, durable when the transaction commits; repeats of an id are dropped.
with incoming as (
    select distinct on (connection, message_id) *
    from unnest(%(connection)b::text[], %(topic)b::text[], %(message_id)b::text[], %(observed)b::bigint[],
                %(outcome)b::smallint[], %(reason)b::text[], %(body)b::bytea[])
         as m(connection, topic, message_id, observed, outcome, reason, body)
    order by connection, message_id
), fresh as (
    insert into inbox_seen (connection, message_id, received_at)
    select connection, message_id, now() from incoming
    on conflict do nothing
    returning connection, message_id
), stored as (
    insert into inbox (received_at, connection, topic, message_id, observed, outcome, reason, body)
    select now(), connection, topic, message_id, observed, outcome, reason, body
    from incoming join fresh using (connection, message_id)
    returning id, received_at, outcome
)
insert into inbox_pending (id, received_at)
select id, received_at from stored where outcome = 0

-- take_pending: The oldest messages nobody else is translating; they stay pending unless this transaction commits.
with taken as materialized (
    select id, received_at from inbox_pending order by id limit %(limit)s for update skip locked
), removed as (
    delete from inbox_pending p using taken t where p.id = t.id
)
select i.id, i.received_at, i.connection, i.topic, i.observed, i.body, coalesce(c.epoch, 1)
from taken t
join inbox i on i.received_at = t.received_at and i.id = t.id
left join connection c on c.name = i.connection

-- record_outcomes: What became of each message: 1 translated, 2 ignored by a rule, 3 quarantined, with the reason.
update inbox i set outcome = o.outcome, reason = o.reason
from unnest(%(id)b::bigint[], %(received_at)b::timestamptz[], %(outcome)b::smallint[], %(reason)b::text[])
     as o(id, received_at, outcome, reason)
where i.received_at = o.received_at and i.id = o.id

-- put_back: Messages of a part of the inbox are pending again, to be translated once more.
with chosen as (
    update inbox set outcome = 0, reason = null
    where received_at >= %(since)s and received_at < %(until)s
      and (%(connection)s::text is null or connection = %(connection)s)
      and (%(entity)s::text is null or (received_at, id) in
           (select received_at, inbox_id from evidence where entity = %(entity)s))
      and outcome <> 0
    returning id, received_at
)
insert into inbox_pending (id, received_at) select id, received_at from chosen on conflict do nothing

-- read_part: The messages of a part of the inbox, in order, without touching them.
select i.id, i.received_at, i.connection, i.topic, i.observed, i.body, coalesce(c.epoch, 1)
from inbox i left join connection c on c.name = i.connection
where i.received_at >= %(since)s and i.received_at < %(until)s
  and (%(connection)s::text is null or i.connection = %(connection)s)
  and (%(entity)s::text is null or (i.received_at, i.id) in
       (select received_at, inbox_id from evidence where entity = %(entity)s))
order by i.received_at, i.id

-- entities_in: The entities that messages of a part of the inbox speak of.
select distinct e.entity
from evidence e join inbox i on i.received_at = e.received_at and i.id = e.inbox_id
where i.received_at >= %(since)s and i.received_at < %(until)s
  and (%(connection)s::text is null or i.connection = %(connection)s)
  and (%(entity)s::text is null or e.entity = %(entity)s)
