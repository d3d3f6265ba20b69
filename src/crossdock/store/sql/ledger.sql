-- entries: Money that moved and documents that were posted in these days, as the hub heard of them, in the order of the days.
with told as (
    select d.recorded_at as at, split_part(coalesce(d.entity, ''), ':', 2) as channel, coalesce(d.entity, '') as entity,
           case d.kind when 'capture' then 'captured' when 'refund' then 'refunded' else 'disputed' end as what,
           d.id, d.connection as system, b.body -> 'amount' ->> 'currency' as currency,
           (b.body -> 'amount' ->> 'minor')::bigint as minor, coalesce(b.body ->> 'status', '') as status
    from document d cross join lateral (select convert_from(d.body, 'UTF8')::jsonb as body) b
    where d.kind in ('capture', 'refund', 'dispute') and d.recorded_at >= %(since)s and d.recorded_at < %(until)s and not d.gone
), posted as (
    select r.at, split_part(p.entity, ':', 2) as channel, p.entity,
           case p.noun when 'sales_order' then 'sold' when 'credit_memo' then 'credited' else 'billed further' end as what,
           r.number as id, p.target as system,
           case when p.noun = 'sales_order' then b.body -> 'order' ->> 'currency' else b.body ->> 'currency' end as currency,
           case when p.noun = 'sales_order' then (b.body -> 'order' -> 'total' ->> 'minor')::bigint else (
               select sum((l -> 'net' ->> 'minor')::bigint + coalesce((
                   select sum((t -> 'amount' ->> 'minor')::bigint) from jsonb_array_elements(l -> 'taxes') t), 0))::bigint
               from jsonb_array_elements(b.body -> 'lines') l) end as minor,
           '' as status
    from receipt r join promise p on p.id = r.promise
    cross join lateral (select convert_from(p.body, 'UTF8')::jsonb as body) b
    where r.at >= %(since)s and r.at < %(until)s and p.noun in ('sales_order', 'credit_memo', 'supplementary_invoice')
)
select at, (at at time zone 'UTC')::date, channel, entity, what, id, system, currency, minor, status
from (select * from told union all select * from posted) entries
where minor is not null and currency is not null
  and (%(channel)s = '' or channel = %(channel)s) and (%(currency)s = '' or currency = %(currency)s)
order by at, entity, id limit %(limit)s
