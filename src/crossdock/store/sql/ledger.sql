-- entries: Money that moved and documents that were posted in this time, in order.
select at, (at at time zone 'UTC')::date, channel, entity, what, id, system, currency, minor, status
from ledger_entry
where at >= %(since)s and at < %(until)s and minor is not null and currency is not null
  and (%(channel)s = '' or channel = %(channel)s) and (%(currency)s = '' or currency = %(currency)s)
order by at, entity, id limit %(limit)s

-- by_day: The sums of each day, channel and currency; a refund that failed and a dispute that was won moved nothing.
select (at at time zone 'UTC')::date, channel, currency, what, sum(minor)::bigint
from ledger_entry
where at >= %(since)s and at < %(until)s and minor is not null and currency is not null and status not in ('failed', 'won')
  and (%(channel)s = '' or channel = %(channel)s) and (%(currency)s = '' or currency = %(currency)s)
group by 1, 2, 3, 4 order by 1 desc, 2, 3
