-- What happened, in an order that nothing is ever added before: for those who follow it by the API.
-- A trigger writes it, for facts become known, change, go, and find their entity in several places, and none may be missed.

create table event (
    id         bigint      not null generated always as identity,
    past       integer     not null,              -- of the database, for one that was set back counts its transactions anew
    xid        xid8        not null,              -- of the transaction that wrote it: read only once no earlier one can write
    at         timestamptz not null,
    entity     text        not null,
    connection text        not null,              -- whose word it is
    kind       text        not null,
    document   text        not null,
    fact       text        not null,
    what       text        not null,              -- recorded, changed, gone
    primary key (at, id)
) partition by range (at);
create index event_in_order on event (past, xid, id);

create function tell_new() returns trigger language plpgsql as $$ begin
    insert into event (past, xid, at, entity, connection, kind, document, fact, what)
    select coalesce((select number from past), 0), pg_current_xact_id(), now(), entity, connection, kind, id, fact, 'recorded'
    from added where entity is not null and not gone and kind not like 'hint:%';
    return null;
end $$;

-- Hub processes have no hash joins, see store/database.py; and pairing two batches without costs their product.
create function tell_changed() returns trigger language plpgsql set enable_hashjoin = on as $$ begin
    insert into event (past, xid, at, entity, connection, kind, document, fact, what)
    select coalesce((select number from past), 0), pg_current_xact_id(), now(), n.entity, n.connection, n.kind, n.id, n.fact,
           case when n.gone then 'gone' when o.entity is null or o.gone then 'recorded' else 'changed' end
    from was o join is_now n using (connection, kind, id)
    where n.entity is not null and n.kind not like 'hint:%' and n.changed_at is distinct from o.changed_at;
    return null;
end $$;

create trigger document_told after insert on document referencing new table as added
    for each statement execute function tell_new();
create trigger document_told_again after update on document referencing old table as was new table as is_now
    for each statement execute function tell_changed();
