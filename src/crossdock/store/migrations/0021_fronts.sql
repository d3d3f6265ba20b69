-- Pending messages are taken in the order in which they became so: whoever looks for some can then begin where the first one
-- is, and not with all that is gone. Their ids are no such order: each session is given a hundred of them in advance.
alter table inbox_pending add column since timestamptz not null default now();
create index inbox_pending_since on inbox_pending (since, id);
