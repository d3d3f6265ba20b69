-- standing: Each connection that has a budget, a brake or something to do: how much is open, late and in a case.
select n.name, b.rate, b.burst, b.points, b.updated_at, b.spent, b.started_at,
       k.kind, k.reason, k.since, k.probe_at, k.probes, coalesce(e.epoch, 1)
from unnest(%(connection)s::text[]) as n(name)
left join budget b on b.connection = n.name
left join brake k on k.connection = n.name
left join connection e on e.name = n.name
order by n.name

-- backlog: What is open for each target, read from the open promises alone.
select target, count(*), count(*) filter (where stage = 0), count(*) filter (where stage = 4), count(*) filter (where stage in (3, 5)),
       count(*) filter (where deadline < now()), min(deadline)
from due group by target

-- recent: Calls of the last hour that did not end in a confirmation, by connection.
select p.target, a.outcome, count(*) from attempt a join promise p on p.id = a.promise
where a.at > now() - interval '1 hour' group by 1, 2

-- workers: The processes of the hub that were heard of lately.
select id, host, pid, version, settles, extract(epoch from now() - beat_at)::float8 from worker order by id
