-- after: What happened after a position, of these channels, this kind and these types, in an order nothing is ever added before; and how far was looked.
with horizon as materialized (
    select coalesce((select number from past), 0) as past, pg_snapshot_xmin(pg_current_snapshot()) as xmin, now() as at
), found as materialized (
    select e.id, e.past, e.xid, e.at, e.entity, e.connection, e.kind, e.document, e.fact, e.what
    from horizon h cross join lateral (
        select * from event
        where (past, xid, id) > (%(past)s::int, %(xid)s::text::xid8, %(id)s::bigint) and (past < h.past or xid < h.xmin)
          and (%(channels)b::text[] is null or split_part(entity, ':', 2) = any(%(channels)b::text[]))
          and (%(kind)s::text = '' or kind = %(kind)s::text)
          and (cardinality(%(types)b::text[]) = 0 or 'crossdock.' || kind || '.' || what = any(%(types)b::text[]))
        order by past, xid, id limit %(limit)s
    ) e
)
select h.past, h.xmin::text, h.at, f.id, f.past, f.xid::text, f.at, f.entity, f.connection, f.kind, f.document, f.fact, f.what
from horizon h left join found f on true
order by f.past, f.xid, f.id
