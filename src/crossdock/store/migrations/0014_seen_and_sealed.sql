-- Secrets that must come out again, and by which trace things are followed.

-- Sealed by the hub's own keys (govern/strongbox.py), which the database does not hold.
create table sealed_secret (
    name    text        primary key,              -- whose it is; authenticated with it
    sealed  bytea       not null,
    made_at timestamptz not null
);

-- What somebody else's trace began: messages until they are translated, then what they speak of. Only of those whose sender
-- sent a trace along; all others' traces follow from their names. A crash empties it, which tears a trace and spares a flush.
create unlogged table trace_context (
    name    text        primary key,              -- message:<connection>:<id>, or an entity
    parent  text        not null,                 -- W3C traceparent
    at      timestamptz not null
);
create index trace_context_at on trace_context (at);
