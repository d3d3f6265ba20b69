-- When somebody last looked at this database's clock: one that is put forward shows as time in which nobody looked.
create table clock (
    one       boolean     primary key default true check (one),
    looked_at timestamptz not null
);
insert into clock (looked_at) values (now());
