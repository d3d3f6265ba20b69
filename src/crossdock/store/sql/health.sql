-- durability: The server settings that decide whether what was committed survives a crash.
select name, setting from pg_settings
where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'idle_in_transaction_session_timeout')

-- clock: The time by the one clock of all processes.
select clock_timestamp()

-- size: How many bytes the database takes.
select pg_database_size(current_database())

-- brakes: The lanes that are stopped, and why.
select connection, reason from brake order by connection

-- oldest_pending: For how many seconds the oldest message has been waiting to be translated.
select coalesce(extract(epoch from now() - min(received_at)), 0)::float8 from inbox_pending
