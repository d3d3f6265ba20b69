-- What waits for people's word, and until when a promise may be sealed that has it.

alter table promise add column valid_until timestamptz;  -- not sealed after this; null: it does not run out

create sequence approval_seq;

-- Open requests, replaced as an entity is settled. Another digest is another request and gets another id, so that
-- nobody allows by its id something else than was shown under it.
create table approval_request (
    id           bigint      not null default nextval('approval_seq'),
    entity       text        not null,
    name         text        not null,             -- the act that waits
    digest       text        not null,             -- of amount, payee and cause
    role         text        not null,
    people       integer     not null,             -- how many different ones have to say yes
    hours        integer     not null,             -- how long a yes holds
    what         text        not null,
    amount_minor bigint      not null,
    currency     text        not null,
    payee        text        not null,
    cause        text        not null,
    until        timestamptz not null,
    asked_at     timestamptz not null,
    primary key (entity, name)
);
create unique index approval_request_id on approval_request (id);
create index approval_request_digest on approval_request (digest);
create index decision_digest on decision ((detail ->> 'digest')) where detail ? 'digest';
