-- merge_documents: Per document the highest (epoch, token, observation) stays, and the entity or name of the highest that has one, whatever the order of arrival; says what was there before. What is written over was changed before, also by a transaction that began later.
with incoming as materialized (
    select * from unnest(%(connection)b::text[], %(kind)b::text[], %(id)b::text[], %(entity)b::text[], %(about)b::text[],
                         %(fact)b::text[], %(epoch)b::int[], %(token)b::bigint[], %(observed)b::bigint[],
                         %(digest)b::bytea[], %(gone)b::bool[], %(body)b::bytea[])
    as d(connection, kind, id, entity, about, fact, epoch, token, observed, digest, gone, body)
), merged as (
    insert into document as held (connection, kind, id, entity, about, fact, epoch, token, observed, digest, gone,
                                  recorded_at, changed_at, raised_at, body)
    select connection, kind, id, entity, about, fact, epoch, token, observed, digest, gone, now(), now(), now(), body
    from incoming order by connection, kind, id
    on conflict (connection, kind, id) do update set
        entity = case when held.decided is not null then held.decided
                      when excluded.entity is not null then excluded.entity
                      when excluded.about in ('', held.about) then held.entity end,
        about = case when excluded.entity is not null or excluded.about <> '' then excluded.about else held.about end,
        named = case when excluded.entity is null and excluded.about = '' and (held.entity is not null or held.about <> '')
                then coalesce(held.named, (held.epoch, held.token, held.observed, held.digest)::version) end,
        fact = excluded.fact,
        epoch = excluded.epoch, token = excluded.token, observed = excluded.observed, digest = excluded.digest,
        gone = excluded.gone, body = excluded.body, raised_at = excluded.raised_at,
        changed_at = case when held.digest = excluded.digest and held.gone = excluded.gone
                           and (excluded.entity is null or held.entity is not distinct from excluded.entity)
                     then held.changed_at else greatest(held.changed_at + interval '1 us', excluded.changed_at) end
    where (excluded.epoch, excluded.token, excluded.observed, excluded.digest)
        > (held.epoch, held.token, held.observed, held.digest)
        -- What came late where its source was set back is asked for instead.
        and not (excluded.epoch > held.epoch and excluded.token < held.token and excluded.observed = 0
                 and excluded.connection || ' ' || excluded.kind = any(%(readable)b::text[]))
    returning held.connection, held.kind, held.id, old.epoch, old.token, old.digest, old.gone, new.digest as is_digest,
              new.gone as is_gone, old.connection is null as is_new, old.entity is distinct from new.entity as is_bound,
              old.entity as was_entity, new.decided, old.raised_at as was_raised_at, old.observed as was_observed
), noted as (
    -- Their leaves are to be counted again before a sweep compares them.
    insert into sweep_stale (connection, kind, leaf)
    select connection, kind, sweep_leaf(id) from merged m
    where (is_new or digest <> is_digest or gone <> is_gone)
      and exists (select from sweep_tree t where t.connection = m.connection and t.kind = m.kind)
)
-- Those that won, then what was held of all: whoever reads this pairs them, for a join of two batches costs their product.
select connection, kind, id, true as won, is_new or digest <> is_digest or gone <> is_gone or is_bound as changed,
       epoch as held_epoch, token as held_token, digest as held_digest, was_raised_at as held_raised_at, was_observed as held_observed, was_entity,
       decided, false as may_name
from merged
union all
select i.connection, i.kind, i.id, false, false, h.epoch, h.token, h.digest, h.raised_at, h.observed, null, null,
       h.named is not null or h.entity is null and h.about = ''
       or (i.epoch, i.token, i.observed, i.digest) = (h.epoch, h.token, h.observed, h.digest)
          and (i.entity, i.about) is distinct from (h.entity, h.about)
from incoming i
cross join lateral (
    select epoch, token, digest, raised_at, named, entity, about, observed from document d
    where d.connection = i.connection and d.kind = i.kind and d.id = i.id limit 1
) h

-- held: What is held of these documents, in the shape of the statement before.
select connection, kind, id, false, false, epoch, token, digest, raised_at, observed, null, null, true
from document join unnest(%(connection)b::text[], %(kind)b::text[], %(id)b::text[]) as w(connection, kind, id) using (connection, kind, id)

-- name_documents: What older versions said these documents are about, where no newer one says it.
with stated as materialized (
    select i.* from unnest(%(connection)b::text[], %(kind)b::text[], %(id)b::text[], %(entity)b::text[], %(about)b::text[],
                           %(epoch)b::int[], %(token)b::bigint[], %(observed)b::bigint[], %(digest)b::bytea[])
    as i(connection, kind, id, entity, about, epoch, token, observed, digest)
), held as materialized (
    select d.connection, d.kind, d.id, d.entity as was_entity, d.digest as own, s.entity, s.about,
           (s.epoch, s.token, s.observed, s.digest)::version as named
    from stated s join document d on d.connection = s.connection and d.kind = s.kind and d.id = s.id
    where d.decided is null and (
        d.entity is null and d.about = ''
        or ((s.epoch, s.token, s.observed, s.digest)::version, coalesce(s.entity, ''), s.about)
         > (coalesce(d.named, (d.epoch, d.token, d.observed, d.digest)::version),
            case when d.about = '' then d.entity else '' end, d.about))
    order by 1, 2, 3 for update of d
)
update document d set
    entity = case when h.about in ('', d.about) and h.entity is null then d.entity else h.entity end,
    about = h.about, changed_at = greatest(d.changed_at, now()),
    named = case when h.named = (d.epoch, d.token, d.observed, d.digest)::version then null else h.named end
from held h where d.connection = h.connection and d.kind = h.kind and d.id = h.id
returning h.was_entity, d.entity

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

-- add_aliases: Names these entities are found by. Documents that are about an added name, or one of `about`, belong to the one entity of that name, and to none while several have it.
with added as (
    insert into alias (name, entity)
    select distinct name, entity from unnest(%(name)b::text[], %(entity)b::text[]) as a(name, entity) order by 1, 2
    on conflict do nothing
    returning name, entity
), told as materialized (
    select d.connection, d.kind, d.id, d.about, d.entity as was_entity from document d
    where d.about = any(array(select name from added union select unnest(%(about)b::text[])))
      and d.about <> '' and d.decided is null
    order by 1, 2, 3 for update
), found as materialized (
    select t.*, (
        select case when count(*) = 1 then min(entity) end from (
            select entity from alias where name = t.about union select entity from added where name = t.about) named
    ) as entity
    from told t
), bound as (
    update document d set entity = f.entity, changed_at = greatest(d.changed_at, now())
    from found f
    where d.connection = f.connection and d.kind = f.kind and d.id = f.id and f.was_entity is distinct from f.entity
    returning f.was_entity, d.entity
), known as materialized (
    -- An entity that is not known yet is so by this transaction, which marks it itself.
    select key, bucket from entity
    where key = any(array(select entity from bound union select was_entity from bound)) order by key
), queued as (
    insert into dirty (entity, bucket, since) select key, bucket, now() from known
    on conflict (entity) do update set since = dirty.since
    returning entity
)
update entity e set revision = e.revision + 1 from queued q where e.key = q.entity

-- waiting_names: Names that documents wait for and that one entity has by now: what made them was not seen by what waited.
select distinct d.about from document d
where d.entity is null and d.about <> '' and d.decided is null
  and (select count(*) from alias a where a.name = d.about) = 1

-- entities_of: What these documents are bound to.
select d.connection, d.kind, d.id, d.entity
from unnest(%(connection)b::text[], %(kind)b::text[], %(id)b::text[]) as i(connection, kind, id)
join document d on d.connection = i.connection and d.kind = i.kind and d.id = i.id
where d.entity is not null

-- add_evidence: Which message spoke of which entity.
insert into evidence (entity, inbox_id, received_at)
select * from unnest(%(entity)b::text[], %(inbox_id)b::bigint[], %(received_at)b::timestamptz[])

-- know_connections: Every configured connection has a row, and its source's epoch in it.
insert into connection (name) select unnest(%(name)b::text[]) on conflict do nothing

-- open_epoch: A source that was set back begins anew: what it says from now on counts, however old its versions look. Its lists are read again, at once and from their beginning: what a pass read before was said before.
with lists as materialized (
    select connection, kind, whole, run from sweep where connection = %(connection)s order by kind, whole for update
), parts as (
    delete from sweep_part where run in (select run from lists)
), listing as (
    update sweep s set run = null, until = '-infinity', fence = nextval('fence_seq'), next_at = now()
    from lists l where s.connection = l.connection and s.kind = l.kind and s.whole = l.whole
)
update connection set epoch = epoch + 1 where name = %(connection)s returning epoch
