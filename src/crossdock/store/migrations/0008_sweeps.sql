-- Sweeps: what a source lists is compared with what is held, by digests of buckets in a tree, so that comparing costs the
-- differences and not the data. A leaf is the first 16 bits of the MD5 of a document's id; 16 children make a node. Documents
-- that are only evidence of a fact of another id are in no tree, for no list shows them.

create function sweep_leaf(id text) returns integer immutable parallel safe language sql
    return ('x' || left(md5(id), 4))::bit(16)::integer;
create function sweep_item(id text, digest bytea) returns bigint immutable parallel safe language sql
    return ('x' || left(md5(convert_to(id, 'UTF8') || '\x00'::bytea || digest), 16))::bit(64)::bigint;

-- The ids never change, so updates of documents stay in their page. The leaf comes first, or else looking a document up by its
-- key would walk through all of its kind here: to the planner both looked alike.
create index document_leaf on document (sweep_leaf(id), connection, kind);

create sequence sweep_run_seq;

-- One row for each list, and one for each of its two scopes: changes since a cursor, and everything, of all ages.
create table sweep (
    connection  text        not null,
    kind        text        not null,
    whole       boolean     not null,
    next_at     timestamptz not null,
    cursor      text        not null default '',   -- where the next pass goes on
    verified_at timestamptz,                       -- what the source held at this moment is known here
    -- the pass under way
    run         bigint,                            -- null: none
    place       text        not null default '',   -- the cursor within it
    began_at    timestamptz,
    pages       integer     not null default 0,
    listed      integer     not null default 0,
    differing   integer     not null default 0,
    repairs     integer     not null default 0,
    counted     integer,                           -- what the source said it has, when the pass began
    ended       boolean     not null default false,-- every page was read; what they come to is not judged yet
    flaw        text,                              -- why it is not a complete list
    by_tree     boolean     not null default false,
    repairs_max integer,                           -- of this pass only; null: as the settings say
    gone_max    integer,
    fence       bigint      not null default 0,
    until       timestamptz not null default '-infinity',
    primary key (connection, kind, whole)
) with (fillfactor = 50);

-- Passes that are over.
create table sweep_pass (
    run        bigint      primary key,
    connection text        not null,
    kind       text        not null,
    whole      boolean     not null,
    began_at   timestamptz not null,
    ended_at   timestamptz not null,
    pages      integer     not null,
    listed     integer     not null,
    counted    integer,
    differing  integer     not null,
    touched    integer     not null,               -- rows of ours that were read to find the differences
    verdict    text        not null,               -- complete, incomplete, braked
    flaw       text
);
create index sweep_pass_list on sweep_pass (connection, kind, run);

-- What each page of a whole pass listed: ids and digests, so that a process that ends costs no page.
create table sweep_part (
    run    bigint  not null,
    part   integer not null,
    listed bytea   not null,
    primary key (run, part)
);
alter table sweep_part alter column listed set storage external;

-- Which kinds have a tree: their documents' changes are noted from `began` on.
create table sweep_tree (
    connection text    not null,
    kind       text    not null,
    began      xid8    not null default pg_current_xact_id(),
    built      boolean not null default false,
    primary key (connection, kind)
);
create table sweep_node (
    connection text     not null,
    kind       text     not null,
    level      smallint not null,                  -- 0 is the root, 4 the leaves
    node       integer  not null,
    items      integer  not null,
    sum        bigint   not null,                  -- of its items, by exclusive or
    primary key (connection, kind, level, node)
) with (fillfactor = 80);
-- Leaves whose documents changed since they were counted. Only ever added to, so that nobody waits for anybody.
create table sweep_stale (
    connection text    not null,
    kind       text    not null,
    leaf       integer not null
);
create index sweep_stale_list on sweep_stale (connection, kind);

-- What a source held, and we did not.
create table drift (
    id         bigint      generated always as identity primary key,
    run        bigint      not null,
    connection text        not null,
    kind       text        not null,
    thing      text        not null,
    entity     text,
    cause      text        not null,               -- unheard, changed, edited, restored, gone, missing
    since      timestamptz,                        -- when the source changed it, as far as it says
    found_at   timestamptz not null,
    minor      bigint,                             -- money at stake, in minor units
    currency   text,
    detail     text        not null
);
create index drift_found on drift (found_at);
create index drift_entity on drift (entity);

-- What was confirmed since a list was last complete is looked for in the next; receipts come in the order of time.
create index receipt_at on receipt using brin (at);
