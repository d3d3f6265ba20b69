-- begin_tree: From now on changes of these kinds' documents are noted.
insert into sweep_tree (connection, kind) select %(connection)s, unnest(%(kind)b::text[]) on conflict do nothing

-- to_build: Kinds that have no tree yet, once every transaction that may not have noted its changes is over.
select kind, began < pg_snapshot_xmin(pg_current_snapshot()) from sweep_tree
where connection = %(connection)s and kind = any(%(kind)b::text[]) and not built order by kind

-- build_leaves: Every leaf of a range, counted anew.
insert into sweep_node (connection, kind, level, node, items, sum)
select connection, kind, 4, sweep_leaf(id), count(*), bit_xor(sweep_item(id, digest))
from document
where connection = %(connection)s and kind = %(kind)s and sweep_leaf(id) between %(first)s and %(last)s and not gone
  and fact = kind || ':' || connection || ':' || id
group by 1, 2, 4
on conflict (connection, kind, level, node) do update set items = excluded.items, sum = excluded.sum

-- build_above: A level from the one below it.
insert into sweep_node (connection, kind, level, node, items, sum)
select connection, kind, %(level)s, node / 16, sum(items), bit_xor(sum)
from sweep_node where connection = %(connection)s and kind = %(kind)s and level = %(level)s + 1
group by 1, 2, 4
on conflict (connection, kind, level, node) do update set items = excluded.items, sum = excluded.sum

-- built: The tree is whole.
update sweep_tree set built = true where connection = %(connection)s and kind = %(kind)s

-- take_stale: Leaves whose documents changed; taken, for they are about to be counted.
with taken as (
    delete from sweep_stale where connection = %(connection)s and kind = %(kind)s returning leaf
)
select distinct leaf from taken order by 1

-- count_leaves: These leaves, counted anew.
insert into sweep_node (connection, kind, level, node, items, sum)
select %(connection)s, %(kind)s, 4, l.leaf, c.items, c.sum
from unnest(%(leaf)b::int[]) as l(leaf)
cross join lateral (
    select count(*) as items, coalesce(bit_xor(sweep_item(d.id, d.digest)), 0) as sum from document d
    where d.connection = %(connection)s and d.kind = %(kind)s and sweep_leaf(d.id) = l.leaf and not d.gone
      and d.fact = d.kind || ':' || d.connection || ':' || d.id
) c
on conflict (connection, kind, level, node) do update set items = excluded.items, sum = excluded.sum

-- count_above: These nodes of a level, from the one below it.
insert into sweep_node (connection, kind, level, node, items, sum)
select %(connection)s, %(kind)s, %(level)s, n.node, c.items, c.sum
from unnest(%(node)b::int[]) as n(node)
cross join lateral (
    select coalesce(sum(items), 0) as items, coalesce(bit_xor(sum), 0) as sum from sweep_node
    where connection = %(connection)s and kind = %(kind)s and level = %(level)s + 1 and node between n.node * 16 and n.node * 16 + 15
) c
on conflict (connection, kind, level, node) do update set items = excluded.items, sum = excluded.sum

-- nodes: These nodes of a level.
select node, items, sum from sweep_node
where connection = %(connection)s and kind = %(kind)s and level = %(level)s and node = any(%(node)b::int[])

-- items_in: The documents of these leaves.
select l.leaf, d.id, sweep_item(d.id, d.digest), d.entity, d.epoch, d.token, d.recorded_at, d.raised_at
from unnest(%(leaf)b::int[]) as l(leaf)
cross join lateral (
    select id, digest, entity, epoch, token, recorded_at, raised_at from document d
    where d.connection = %(connection)s and d.kind = %(kind)s and sweep_leaf(d.id) = l.leaf and not d.gone
      and d.fact = d.kind || ':' || d.connection || ':' || d.id
) d
