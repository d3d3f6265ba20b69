-- Who may: consumers of the API with their keys and quotas, people with their roles and passwords.

create table consumer (
    name       text        primary key,
    owner      text        not null,              -- who answers for it
    tenant     text        not null,
    connection text        not null default '',   -- the channel whose orders are its own; empty: it sees all of its tenant's
    scopes     text[]      not null,
    per_minute integer     not null,              -- requests
    made_at    timestamptz not null,
    ended_at   timestamptz
);

-- At most two live ones each: the second is for the days of a change.
create table api_key (
    prefix       text        primary key,
    consumer     text        not null references consumer,
    hash         bytea       not null,            -- SHA-256; the key has 256 random bits, so that a slow hash adds nothing
    made_at      timestamptz not null,
    last_used_at timestamptz,                     -- to the minute
    ended_at     timestamptz
);
create index api_key_of on api_key (consumer);

create table person (
    name       text        primary key,
    roles      text[]      not null,
    tenants    text[]      not null,              -- empty: all
    password   text        not null,              -- argon2id, with its parameters
    generation integer     not null default 1,    -- rises with every change of password: tokens of earlier ones end
    made_at    timestamptz not null,
    ended_at   timestamptz,
    failures   integer     not null default 0,    -- wrong passwords since the last right one
    failed_at  timestamptz
);
create unique index person_named on person (lower(name));

-- Requests of each caller in the current minute. A crash empties it, which costs one minute's count and spares a flush a request.
create unlogged table request_count (
    caller text    primary key,
    minute bigint  not null,
    count  integer not null
) with (fillfactor = 50);

-- An answer is kept with its key, and given again; a key is its caller's, for one sort of request.
alter table operation
    add column route      text     not null default '',
    add column connection text     not null default 'api',  -- by which its message came in
    add column trace      text     not null default '',     -- W3C trace context it was asked with
    add column status     smallint,
    add column answer     bytea,
    drop constraint operation_client_key_key,
    add constraint operation_key unique (client, route, key);
