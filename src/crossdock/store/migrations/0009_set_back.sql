-- A database that is set back to a backup forgets what the hub did since. Which past this one continues, and what of the
-- forgotten time is not yet known again.

-- One row, made by the hub's first start; the furthest point of this past is the last value of `fence_seq`.
create table past (
    one     boolean     primary key default true check (one),
    id      text        not null,                  -- of this database, over all its pasts
    number  integer     not null default 1,        -- one more each time it is found set back
    beat_at timestamptz not null
);

create table recovery (
    number      integer     primary key,           -- the past that began then
    restored_to timestamptz not null,              -- the last moment the restored database knew of
    noticed_at  timestamptz not null,
    noticed_by  text        not null,
    go_on_at    timestamptz,                       -- what was recorded up to then may have been acted on in the forgotten time
    go_on_by    text
);
