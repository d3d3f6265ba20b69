-- take_turn: Since when nobody has looked; no row while another process looks, or when somebody has just looked.
update traffic_looked set at = now()
where one and pg_try_advisory_xact_lock(%(lock)s) and at < now() - %(seconds)s * interval '1 second'
returning (select at from traffic_looked)

-- begin: Looking begins now.
insert into traffic_looked values (true, now()) on conflict do nothing

-- recent: The latest messages since then, up to so many of each connection and topic.
select connection, topic, body from (
    select connection, topic, body, row_number() over (partition by connection, topic order by received_at desc) as nth
    from (select connection, topic, body, received_at from inbox
          where received_at > %(since)s and octet_length(body) <= %(bytes)s
          order by received_at desc limit %(messages)s) latest
) ranked where nth <= %(each)s

-- sampled: So many more messages were looked at.
insert into traffic_sample (whose, contract, messages, since, last_at)
select whose, contract, messages, now(), now()
from unnest(%(whose)s::text[], %(contract)s::text[], %(messages)s::bigint[]) as s(whose, contract, messages)
on conflict (whose, contract) do update
set messages = traffic_sample.messages + excluded.messages, last_at = excluded.last_at

-- noticed: Fields that were strange; beyond so many of one contract no new names are kept.
insert into traffic_field (whose, contract, field, what, messages, first_at, last_at)
select whose, contract, field, what, messages, now(), now()
from unnest(%(whose)s::text[], %(contract)s::text[], %(field)s::text[], %(what)s::text[], %(messages)s::bigint[])
     as f(whose, contract, field, what, messages)
where exists (select from traffic_field t where (t.whose, t.contract, t.field, t.what) = (f.whose, f.contract, f.field, f.what))
   or (select count(*) from traffic_field t where (t.whose, t.contract) = (f.whose, f.contract)) < %(fields)s
on conflict (whose, contract, field, what) do update
set messages = traffic_field.messages + excluded.messages, last_at = excluded.last_at

-- samples: How many messages were looked at, and how many fields were strange.
select s.whose, s.contract, s.messages, s.since, s.last_at,
       count(f.*) filter (where f.what = 'unknown'), count(f.*) filter (where f.what = 'missing')
from traffic_sample s left join traffic_field f using (whose, contract)
where %(whose)s = '' or s.whose = %(whose)s
group by s.whose, s.contract order by s.whose, s.contract

-- fields: The strange fields of one contract, the latest first.
select field, what, messages, first_at, last_at from traffic_field
where whose = %(whose)s and contract = %(contract)s order by what, messages desc, field

-- forget: Counting begins anew, for instance when the contract has another version.
with gone as (delete from traffic_field where whose = %(whose)s and contract = %(contract)s)
delete from traffic_sample where whose = %(whose)s and contract = %(contract)s
