-- When the database's clock was put forward, and by how much. It may have been behind before: what it dated then was done that much later.
create table clock_put_forward (
    at timestamptz not null,        -- by the clock it was put to
    by interval    not null
);

-- From when on a clock that was behind may have dated what was done since then.
create function dated_since(since timestamptz) returns timestamptz language sql stable
    return since - coalesce((select sum(by) from clock_put_forward where at >= since), interval '0');
