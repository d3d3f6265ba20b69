-- Campaigns: the only way by which newer rules may act on older facts. Proposed as a dry run, approved by a person.

create table campaign (
    id          bigint      generated always as identity primary key,
    digest      text        not null,              -- of every act in it: entity, name, target, amount and cause
    part        jsonb       not null,              -- what it was proposed over, to be worked out again when it is approved
    acts        integer     not null,
    worth       jsonb       not null,              -- {currency: minor units}
    proposed_at timestamptz not null,
    proposed_by text        not null,
    approved_at timestamptz,
    approved_by text,
    count_max   integer,
    expires_at  timestamptz
);
create unique index campaign_proposed on campaign (digest) where approved_at is null;

create table campaign_cap (
    campaign  bigint not null references campaign,
    currency  text   not null,
    money_max bigint not null,                     -- minor units
    primary key (campaign, currency)
);

create table campaign_item (
    entity   text    not null,
    name     text    not null,                     -- the act
    campaign bigint  not null references campaign,
    digest   text    not null,                     -- of the act as it was approved; another act is not covered
    over_cap boolean not null default false,       -- no room was left for it
    primary key (entity, name, campaign)
);
create index campaign_item_campaign on campaign_item (campaign);

alter table promise add column campaign bigint;   -- the one that let newer rules owe this for older facts
create index promise_campaign on promise (campaign) where campaign is not null;
