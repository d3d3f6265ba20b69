"""One database for many examples: emptied between them, which takes a fraction of making another."""

from __future__ import annotations

import psycopg

# Those of days are emptied with the whole they are parts of.
_TABLES = """
select string_agg(format('delete from %I;', relname), ' ') from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
  and relname not in ('bucket', 'migration')
"""


def empty(url: str) -> None:
    """Nothing was heard, known or promised yet. `truncate` would make a file anew for each table and each day's part of it."""
    with psycopg.connect(url) as connection:
        connection.execute("set session_replication_role = replica")  # neither order nor rules of what is kept for ever
        row = connection.execute(_TABLES).fetchone()
        assert row
        connection.execute(row[0])
        connection.execute("update bucket set owner = null, until = '-infinity'")
