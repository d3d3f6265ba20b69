-- The source's epoch when a message was received: a replay of the inbox must not take what was said before a source was set
-- back for something it says now. Null: stored before this was noted; the source's epoch of today.
alter table inbox add column epoch integer;
