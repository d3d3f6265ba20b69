-- set_budget: The allowed rate of a connection; points already spent stay spent. Under another rate the count begins anew.
insert into budget (connection, rate, burst, points, updated_at, started_at)
values (%(connection)s, %(rate)s, %(burst)s, %(burst)s, clock_timestamp(), clock_timestamp())
on conflict (connection) do update set rate = excluded.rate, burst = excluded.burst,
    points = least(budget.points, excluded.burst), spent = 0, started_at = excluded.started_at
where (budget.rate, budget.burst) <> (excluded.rate, excluded.burst)

-- take_points: As many whole points as are there, up to what is wanted; and how long until the next one.
with filled as (
    select connection, rate,
           least(burst, points + rate * greatest(0, extract(epoch from clock_timestamp() - updated_at))) as points
    from budget where connection = %(connection)s for update
)
update budget b set points = f.points - taken.points, updated_at = clock_timestamp(), spent = b.spent + taken.points
from filled f cross join lateral (select least(floor(f.points), %(wanted)s) as points) taken
where b.connection = f.connection
returning taken.points, greatest(0, (1 - (f.points - taken.points)) / f.rate)

-- take_spare_points: Points above what is kept for those that come first, up to what is wanted; and how long until the next one.
with filled as (
    select connection, rate,
           least(burst, points + rate * greatest(0, extract(epoch from clock_timestamp() - updated_at))) as points
    from budget where connection = %(connection)s for update
)
update budget b set points = f.points - taken.points, updated_at = clock_timestamp(), spent = b.spent + taken.points
from filled f cross join lateral (select greatest(0, least(floor(f.points - %(kept)s), %(wanted)s)) as points) taken
where b.connection = f.connection
returning taken.points, greatest(0.01, (1 + %(kept)s - (f.points - taken.points)) / f.rate)
