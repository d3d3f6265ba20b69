-- How an act in doubt is coming along.

alter table due
    add column searches smallint not null default 0,  -- searches in vain, by which the next one waits longer
    add column unclear  smallint not null default 0;  -- answers under its key that left it unknown; 3: the key is used up
