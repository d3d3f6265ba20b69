-- What the REST API was asked, once for each idempotency key; and the facts whose authority it is.

create table operation (
    id         text        primary key,
    client     text        not null,
    key        text        not null,             -- Idempotency-Key
    request    bytea       not null,             -- digest of what was asked: the same key may not ask anything else
    at         timestamptz not null,
    entity     text        not null default '',
    kind       text        not null default '',  -- return, allowance
    thing      text        not null default '',  -- its id
    unique (client, key)
);
create index operation_at on operation (at);

-- Returns and allowances that the API opened: as last told, waiting for translation or not. Receipts add up here.
create sequence own_fact_seq;
create table own_fact (
    kind   text   not null,
    id     text   not null,
    entity text   not null,
    token  bigint not null,                      -- rises by one with every change
    body   bytea  not null,
    primary key (kind, id)
);
create index own_fact_entity on own_fact (entity);
