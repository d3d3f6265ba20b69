-- The spine: what was received, what is known, what is promised, what was done about it.
-- Hot queues are narrow tables beside immutable bodies; their fill factor and vacuum thresholds are set here. Their files
-- don't shrink when they are empty for a moment: the planner would take them for tiny, and scan them when they no longer are.

create sequence fence_seq;
create sequence promise_seq;  -- not cached: of two promises in one slot the later one must have the higher id
create sequence inbox_seq cache 100;

-- ---------------------------------------------------------------- received

create table inbox (
    id          bigint      not null default nextval('inbox_seq'),
    received_at timestamptz not null,
    connection  text        not null,
    topic       text        not null,
    message_id  text        not null,
    observed    bigint      not null,             -- microseconds at which our own read began; 0 = pushed by the source
    outcome     smallint    not null default 0,   -- 0 pending, 1 translated, 2 ignored, 3 quarantined
    reason      text,
    body        bytea       not null,
    primary key (received_at, id)
) partition by range (received_at);
alter table inbox alter column body set storage external;

-- Uniqueness can't live in a table partitioned by time.
create table inbox_seen (
    connection  text not null,
    message_id  text not null,
    received_at timestamptz not null,
    primary key (connection, message_id)
);

create table inbox_pending (
    id          bigint primary key,
    received_at timestamptz not null
) with (fillfactor = 90, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Which messages speak of which entity: the way from an order to its evidence.
create table evidence (
    entity      text        not null,
    inbox_id    bigint      not null,
    received_at timestamptz not null
) partition by range (received_at);
create index evidence_entity on evidence (entity);

-- ---------------------------------------------------------------- known

create table connection (
    name  text primary key,
    epoch integer not null default 1
);

create table document (
    connection  text        not null,
    kind        text        not null,
    id          text        not null,
    entity      text,                              -- null: unbound
    fact        text        not null,
    epoch       integer     not null,
    token       bigint      not null,
    observed    bigint      not null,
    digest      bytea       not null,
    gone        boolean     not null,
    recorded_at timestamptz not null,              -- when this fact was first heard of
    changed_at  timestamptz not null,              -- when its content changed last
    raised_at   timestamptz not null,              -- when its version rose last
    body        bytea       not null,
    primary key (connection, kind, id)
) with (fillfactor = 80);
create index document_entity on document (entity);
create index document_unbound on document (recorded_at) where entity is null;

create table entity (
    key        text        primary key,
    bucket     smallint    not null,
    revision   bigint      not null,               -- counts changes to what is known
    settled    bigint      not null default 0,     -- the revision last settled
    settled_at timestamptz,
    code       bytea                               -- the code and policy it was settled under
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

create table dirty (
    entity text        primary key,
    bucket smallint    not null,
    since  timestamptz not null
) with (fillfactor = 90, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index dirty_since on dirty (since);

-- What an entity waits for that is not ours to do. When `until` passes, the entity is looked at again.
create table waiting (
    entity text        not null,
    name   text        not null,
    on_whom text       not null,
    what   text        not null,
    until  timestamptz not null,
    woken  boolean     not null default false,
    primary key (entity, name)
);
create index waiting_until on waiting (until) where not woken;

create table alias (
    name   text not null,
    entity text not null,
    primary key (name, entity)
);

-- A person's or a system's word on what one of our keys is called elsewhere.
create table mapping (
    connection text not null,
    kind       text not null,
    key        text not null,
    value      text not null,
    by         text not null,
    at         timestamptz not null,
    primary key (connection, kind, key)
);

-- What a sealed act used becomes a fact and doesn't move.
create table pin (
    entity text not null,
    name   text not null,
    value  text not null,
    at     timestamptz not null,
    primary key (entity, name)
);
create function refuse_change() returns trigger language plpgsql as
$$ begin raise exception '% rows do not change', tg_table_name; end $$;
create trigger pin_stays before update on pin for each row execute function refuse_change();

-- ---------------------------------------------------------------- promised

create table code_version (
    digest  bytea primary key,
    name    text not null,
    live_at timestamptz not null
);

create table promise (
    id                bigint      primary key,
    entity            text        not null,
    name              text        not null,
    verb              smallint    not null,        -- 0 fetch, 1 state, 2 act
    target            text        not null,
    noun              text        not null,
    cause             text        not null,
    cause_recorded_at timestamptz not null,
    code              bytea       not null,
    in_flight         boolean     not null,        -- its cause was recorded but not yet settled when that code went live
    revision          bigint      not null,
    opened_at         timestamptz not null,
    first_ordinal     integer     not null,
    document          text        not null,        -- the target document it touches: one unresolved act each
    needs             jsonb       not null,        -- {label: need}: ids it is sealed with
    within            jsonb       not null,        -- [[account, amount, limit]] moved by its seal
    pins              jsonb       not null,
    repair            boolean     not null,        -- the target drifted by itself, and this puts it right
    digest            bytea       not null,
    body              bytea       not null
);
create index promise_entity on promise (entity);
create trigger promise_stays before update on promise for each row execute function refuse_change();

-- Every open promise, and nothing else: met = deleted. A claim pushes due_at; that is the lease.
create table due (
    promise    bigint      primary key,
    entity     text        not null,
    target     text        not null,
    priority   smallint    not null,
    due_at     timestamptz not null,
    stage      smallint    not null default 0,     -- 0 ready, 1 calling, 2 accepted, 3 doubtful, 4 blocked, 5 case
    actor      smallint    not null default 0,     -- 0 hub, 1 target, 2 person, 3 counterparty, 4 clock, 5 brake
    fence      bigint      not null default 0,
    attempts   integer     not null default 0,
    ordinal    integer     not null,
    deadline   timestamptz not null,
    document   text        not null,
    blocked_on text,
    job        text
) with (fillfactor = 50, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create index due_claim on due (target, priority, due_at);
create index due_entity on due (entity);
create index due_blocked on due (blocked_on) where blocked_on is not null;

-- Immutable, committed before the call: what exactly was going to be asked, and why.
create table intent (
    promise   bigint      not null,
    ordinal   integer     not null,
    key       text        not null,
    sealed_at timestamptz not null,
    worker    text        not null,
    code      bytea       not null,
    refs      bytea       not null,
    digest    bytea       not null,                -- of body and refs: the bytes every send repeats
    primary key (promise, ordinal)
);
create unique index intent_key on intent (key);
create trigger intent_stays before update on intent for each row execute function refuse_change();

-- What the target confirmed, one row per promised thing; only this discharges a promise.
create table receipt (
    slot      text        primary key,             -- entity/name
    promise   bigint      not null,
    at        timestamptz not null,
    remote_id text        not null,
    number    text        not null,
    written   bytea,                               -- for a state: what was written, read back, normalised
    repairs   integer     not null default 0
) with (fillfactor = 90);

-- Every call that did not end in a confirmation. Short-lived.
create table attempt (
    promise bigint      not null,
    ordinal integer     not null,
    at      timestamptz not null,
    outcome text        not null,
    detail  text        not null
) partition by range (at);
create index attempt_promise on attempt (promise);

create table account (
    key     text   primary key,
    "limit" bigint not null,
    pending bigint not null default 0,
    posted  bigint not null default 0,
    constraint account_within_limit check (0 <= pending and 0 <= posted and pending + posted <= "limit")
);

-- Promises that were sealed, did not happen, and are not owed any more.
create table withdrawn (
    promise bigint primary key,
    at      timestamptz not null
);

create table withheld (
    entity text not null,
    name   text not null,
    code   bytea not null,
    at     timestamptz not null,
    primary key (entity, name)
);

-- ---------------------------------------------------------------- governed

create table budget (
    connection text             primary key,
    rate       double precision not null,          -- points a second
    burst      double precision not null,
    points     double precision not null,
    updated_at timestamptz      not null,
    started_at timestamptz      not null,
    spent      double precision not null default 0
) with (fillfactor = 50);

create table brake (
    connection text        primary key,
    kind       text        not null,               -- outage, refused, regression
    reason     text        not null,
    since      timestamptz not null,
    probe_at   timestamptz not null,
    probes     integer     not null default 0
);

create table cases (
    id        bigint      generated always as identity primary key,
    cause     text        not null,
    kind      text        not null,
    title     text        not null,
    remedy    text        not null,
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_by text
);
create unique index cases_one_open on cases (cause) where closed_at is null;

create table case_item (
    case_id bigint      not null references cases,
    entity  text        not null,
    promise bigint      not null default 0,
    at      timestamptz not null,
    detail  text        not null,
    field   text,
    primary key (case_id, entity, promise)
);
create index case_item_entity on case_item (entity);
create index case_item_promise on case_item (promise);

create table decision (
    id   bigint      generated always as identity primary key,
    at   timestamptz not null,
    by   text        not null,
    what text        not null,
    detail jsonb     not null
);

-- ---------------------------------------------------------------- running

create table worker (
    id      text        primary key,
    host    text        not null,
    pid     integer     not null,
    version text        not null,
    settles boolean     not null,
    beat_at timestamptz not null
);

create table bucket (
    id    smallint    primary key,
    owner text,
    fence bigint      not null default 0,
    until timestamptz not null default '-infinity'
) with (fillfactor = 50);
insert into bucket (id) select generate_series(0, 255);

create table cursor (
    connection text not null,
    kind       text not null,
    position   text not null,
    at         timestamptz not null,
    primary key (connection, kind)
);
