-- Governing: partners' contracts with their versions, changes that wait for a second person, what is planned, policies as
-- they went live, and the fields of traffic that no contract knows.

create table contract (
    name       text        primary key,            -- as people call it: market/order
    owner      text        not null,               -- who answers for it
    level      text        not null,               -- which compatibility its versions keep
    strict     boolean     not null,               -- undeclared fields may hold anything, as registries have it by default
    connection text        not null,               -- whose messages of that topic it is about; empty: of nobody's here
    topic      text        not null,
    consumers  text[]      not null,
    made_at    timestamptz not null
);
create unique index contract_of_topic on contract (connection, topic) where connection <> '';

create table contract_version (
    contract text        not null references contract,
    version  integer     not null,
    schema   jsonb       not null,
    example  jsonb,
    at       timestamptz not null,
    by       text        not null,                 -- who asked for it
    approved_by text     not null,
    primary key (contract, version)
);

-- Asked for by one person, done when another one says yes; one open request for each subject.
create table change (
    id         bigint      generated always as identity primary key,
    kind       text        not null,               -- contract, policy, mapping
    subject    text        not null,
    before     jsonb,                              -- as it was when it was asked for; a yes counts for nothing else
    after      jsonb       not null,
    why        text        not null,
    by         text        not null,
    at         timestamptz not null,
    expires_at timestamptz not null,
    decided_at timestamptz,
    decided_by text,
    verdict    text,                               -- approved, rejected, replaced
    note       text        not null default ''
);
create unique index change_open on change (kind, subject) where decided_at is null;

-- The release calendar: what was announced, by people; sunsets and dates of policies are read where they stand.
create table planned (
    id       bigint      generated always as identity primary key,
    on_day   date        not null,
    what     text        not null,                 -- change, sunset
    contract text        not null,
    says     text        not null,
    by       text        not null,
    at       timestamptz not null,
    off_at   timestamptz,                          -- called off
    off_by   text
);
create index planned_on on planned (on_day) where off_at is null;

-- Every policy that a hub ran under, since when.
create table policy_version (
    digest  text        primary key,
    policy  jsonb       not null,
    live_at timestamptz not null
);

-- Names of fields, never what stands in them. `whose`: a consumer of the API, or a connection.
create table traffic_sample (
    whose    text        not null,
    contract text        not null,                 -- the request's name, or the message's topic
    messages bigint      not null,                 -- looked at, of all that came in
    since    timestamptz not null,
    last_at  timestamptz not null,
    primary key (whose, contract)
);
create table traffic_field (
    whose    text        not null,
    contract text        not null,
    field    text        not null,                 -- lines[].sku
    what     text        not null,                 -- unknown, missing
    messages bigint      not null,
    first_at timestamptz not null,
    last_at  timestamptz not null,
    primary key (whose, contract, field, what)
);
-- Up to where messages were looked at; one process at a time takes it on.
create table traffic_looked (
    one boolean     primary key default true check (one),
    at  timestamptz not null
);
