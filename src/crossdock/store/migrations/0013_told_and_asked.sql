-- Those who are told: who subscribed, what is on its way to them, and what came of it. Those who ask: answers kept for a while.

create table subscription (
    id            text        primary key,
    consumer      text        not null references consumer,
    url           text        not null,
    types         text[]      not null,             -- of events; empty: all
    note          text        not null,
    state         text        not null,             -- active, paused, disabled (by the hub), ended
    reason        text        not null default '',  -- why it is disabled
    revision      bigint      not null default 1,   -- counts edits
    made_at       timestamptz not null,
    changed_at    timestamptz not null,
    -- how far the feed of events was looked through for it
    past          integer     not null,
    xid           text        not null,
    event         bigint      not null,
    at            timestamptz not null,
    -- whose turn it is
    next_at       timestamptz not null,
    until         timestamptz not null default '-infinity',
    fence         bigint      not null default 0,
    -- how its receiver answers
    failures      integer     not null default 0,   -- turns in which it took nothing, one after the other
    failing_since timestamptz,
    succeeded_at  timestamptz
) with (fillfactor = 50);
create index subscription_due on subscription (next_at) where state = 'active';
create index subscription_of on subscription (consumer);

-- At most two live ones each: the second is for the days of a change.
create table subscription_secret (
    name         text        primary key,           -- authenticated with it
    subscription text        not null references subscription,
    sealed       bytea       not null,
    made_at      timestamptz not null,
    ends_at      timestamptz
);
create index subscription_secret_of on subscription_secret (subscription);

-- Events on their way, and nothing else: taken = deleted. Within one entity they leave in the order of their ids.
create table notification (
    id           bigint      generated always as identity primary key,
    subscription text        not null references subscription,
    event        text        not null,
    type         text        not null,
    entity       text        not null,
    due_at       timestamptz not null,
    attempts     integer     not null default 0,
    failed_at    timestamptz,                       -- for the first time
    body         bytea       not null
) with (fillfactor = 70, vacuum_truncate = off, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create index notification_entity on notification (subscription, entity, id);
create index notification_due on notification (subscription, due_at);

-- Each attempt, and what the receiver answered. Short-lived.
create table notified (
    at           timestamptz      not null,
    id           bigint           not null generated always as identity,
    subscription text             not null,
    event        text             not null,
    type         text             not null,
    entity       text             not null,
    attempt      integer          not null,
    outcome      text             not null,         -- delivered, refused, unreachable, gone, given up
    status       smallint,
    detail       text             not null,
    seconds      double precision not null,
    primary key (at, id)
) partition by range (at);
create index notified_of on notified (subscription, at, id);
create index notified_event on notified (subscription, event, at);

-- What a system answered when it was asked, for those who are content with that. A crash empties it, and it is asked again.
create unlogged table answer (
    connection text        not null,
    noun       text        not null,
    key        text        not null,
    at         timestamptz not null,
    body       bytea       not null,
    primary key (connection, noun, key)
) with (fillfactor = 70);
create index answer_at on answer (at);

-- Who still asks what is to go.
create table deprecated_call (
    operation text        not null,
    caller    text        not null,
    first_at  timestamptz not null,
    last_at   timestamptz not null,
    count     bigint      not null,
    primary key (operation, caller)
) with (fillfactor = 50);
