-- tell: Every process that listens hears, when this is committed, who told it of which connections.
select pg_notify('crossdock_promised', %(owner)s || ' ' || name) from unnest(%(connection)b::text[]) as c(name)

-- listen: From now on.
listen crossdock_promised

-- ask: Whether somebody is there still.
select
