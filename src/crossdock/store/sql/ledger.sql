-- entries: Money that moved and documents that were posted in this time, in order.
select at, (at at time zone 'UTC')::date, split_part(coalesce(entity, ''), ':', 2), coalesce(entity, ''), what, id, system,
       currency, minor, status
from ledger_entry
where at >= %(since)s and at < %(until)s and minor is not null and currency is not null
  and (%(channel)s = '' or split_part(coalesce(entity, ''), ':', 2) = %(channel)s) and (%(currency)s = '' or currency = %(currency)s)
order by at, entity, id limit %(limit)s::bigint

-- by_day: The sums of each day, channel and currency, and of what came since they were added to; a refund that failed and a dispute that was won moved nothing.
select day, channel, currency, what, sum(minor)::bigint from (
    select day, channel, currency, what, minor from ledger_day where day >= %(first)s and day <= %(last)s
    union all
    select (at at time zone 'UTC')::date, split_part(coalesce(entity, ''), ':', 2), currency, what, minor from ledger_entry
    where at > %(mark)s and at >= %(since)s and at < %(until)s and minor is not null and currency is not null
      and status not in ('failed', 'won')) moved
where (%(channel)s = '' or channel = %(channel)s) and (%(currency)s = '' or currency = %(currency)s)
group by 1, 2, 3, 4 order by 1 desc, 2, 3
