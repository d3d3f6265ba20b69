-- An answer that is given again has the ETag and the Correlation-Id that it had.

alter table operation
    add column tag   text not null default '',
    add column about text not null default '';
