-- merge_documents: Per document the highest (epoch, token, observation) stays, whatever the order of arrival; says what was there before.
with incoming as materialized (
    select * from unnest(%(connection)b::text[], %(kind)b::text[], %(id)b::text[], %(entity)b::text[], %(fact)b::text[],
                         %(epoch)b::int[], %(token)b::bigint[], %(observed)b::bigint[], %(digest)b::bytea[],
                         %(gone)b::bool[], %(body)b::bytea[])
    as d(connection, kind, id, entity, fact, epoch, token, observed, digest, gone, body)
), merged as (
    insert into document as held (connection, kind, id, entity, fact, epoch, token, observed, digest, gone,
                                  recorded_at, changed_at, raised_at, body)
    select connection, kind, id, entity, fact, epoch, token, observed, digest, gone, now(), now(), now(), body
    from incoming order by connection, kind, id
    on conflict (connection, kind, id) do update set
        entity = coalesce(excluded.entity, held.entity), fact = excluded.fact,
        epoch = excluded.epoch, token = excluded.token, observed = excluded.observed, digest = excluded.digest,
        gone = excluded.gone, body = excluded.body, raised_at = excluded.raised_at,
        changed_at = case when held.digest = excluded.digest and held.gone = excluded.gone
                           and held.entity is not distinct from coalesce(excluded.entity, held.entity)
                     then held.changed_at else excluded.changed_at end
    where (excluded.epoch, excluded.token, excluded.observed, excluded.digest)
        > (held.epoch, held.token, held.observed, held.digest)
    returning held.connection, held.kind, held.id, old.epoch, old.token, old.digest, old.gone, new.digest as is_digest,
              new.gone as is_gone, old.connection is null as is_new, old.entity is distinct from new.entity as is_bound,
              old.entity as was_entity
)
-- Those that won, then what was held of all: whoever reads this pairs them, for a join of two batches costs their product.
select connection, kind, id, true as won, is_new or digest <> is_digest or gone <> is_gone or is_bound as changed,
       epoch as held_epoch, token as held_token, digest as held_digest, null::timestamptz as held_raised_at, was_entity
from merged
union all
select i.connection, i.kind, i.id, false, false, h.epoch, h.token, h.digest, h.raised_at, null
from incoming i
cross join lateral (
    select epoch, token, digest, raised_at from document d
    where d.connection = i.connection and d.kind = i.kind and d.id = i.id limit 1
) h

-- mark_dirty: These entities are known anew: their revision rises and somebody will settle them. Locks dirty before entity.
with touched as (
    select * from unnest(%(entity)b::text[], %(bucket)b::smallint[]) as t(entity, bucket)
), queued as (
    insert into dirty (entity, bucket, since) select entity, bucket, now() from touched order by entity
    on conflict (entity) do update set since = dirty.since
    returning entity, bucket
)
insert into entity as e (key, bucket, revision) select entity, bucket, 1 from queued order by entity
on conflict (key) do update set revision = e.revision + 1

-- mark_absent_dirty: Entities that are spoken of but not known become placeholders, to be settled; known ones are left alone.
with placed as (
    insert into entity (key, bucket, revision)
    select entity, bucket, 1 from unnest(%(entity)b::text[], %(bucket)b::smallint[]) as t(entity, bucket) order by entity
    on conflict do nothing
    returning key, bucket
)
insert into dirty (entity, bucket, since) select key, bucket, now() from placed on conflict do nothing

-- add_aliases: Names somebody may search these entities by.
insert into alias (name, entity)
select distinct name, entity from unnest(%(name)b::text[], %(entity)b::text[]) as a(name, entity) order by 1, 2
on conflict do nothing

-- add_evidence: Which message spoke of which entity.
insert into evidence (entity, inbox_id, received_at)
select * from unnest(%(entity)b::text[], %(inbox_id)b::bigint[], %(received_at)b::timestamptz[])

-- know_connections: Every configured connection has a row, and its source's epoch in it.
insert into connection (name) select unnest(%(name)b::text[]) on conflict do nothing

-- open_epoch: A source that was set back begins anew: what it says from now on counts, however old its versions look.
update connection set epoch = epoch + 1 where name = %(connection)s returning epoch
