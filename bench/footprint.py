"""What orders leave behind: memory of each process, bytes of write-ahead log, bytes on disk."""

from __future__ import annotations

from bench import orders, webhooks
from bench.figures import show
from bench.stage import Stage, staged

_MEGABYTE = 1024 * 1024
# Everything that grows with orders; what is deleted again when work is done counts as it stands.
_TABLES_BYTES = """
select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind = 'r'
"""


def measure() -> None:
    """Per order: from before it is stored until after it is done."""
    memory: list[float] = []
    wal: list[float] = []
    tables: list[float] = []
    with staged() as stage:
        orders.warm(stage)
        for n in range(orders.RUNS):
            log_before, disk_before = webhooks.wal_position(stage.sql), stage.count(_TABLES_BYTES)
            orders.run(stage, webhooks.CUSTOMERS + n * orders.BULK_ORDERS, orders.BULK_ORDERS)
            memory.append(max(hub.rss_bytes() for hub in stage.hubs) / _MEGABYTE)
            wal.append((webhooks.wal_position(stage.sql) - log_before) / orders.BULK_ORDERS)
            tables.append((stage.count(_TABLES_BYTES) - disk_before) / orders.BULK_ORDERS)
        largest = _largest(stage)
    show("footprint", "memory of the larger hub process", memory, "MB", target="<= 150")
    show("footprint", "write-ahead log", wal, "bytes/order")
    show("footprint", "tables and indexes", tables, "bytes/order", largest_mb=largest)


def _largest(stage: Stage) -> dict[str, int]:
    """The five largest tables in whole megabytes, partitions under their own names."""
    found = stage.sql.execute(
        "select relname, pg_total_relation_size(oid) from pg_class where relkind = 'r' order by 2 desc limit 5"
    ).fetchall()
    return {name: size // _MEGABYTE for name, size in found}
