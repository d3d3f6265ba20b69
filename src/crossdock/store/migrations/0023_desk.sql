-- Receipts of the last minutes are found by their time; until their pages are summarised, all of those are read for them.
alter index receipt_at set (autosummarize = on);

-- As before, but each promise is looked up by its own key: where much was held up, all promises were read for a part of it that
-- is empty. And its name is compared, not searched.
create or replace view stuck as
select d.promise, d.entity, d.target, d.stage, d.actor, d.deadline, d.blocked_on, p.name, p.opened_at,
       case when p.kind in ('refund', 'store_credit', 'pay_back', 'capture', 'void') then 'money'
            when p.kind in ('credit_memo', 'goods_return') then 'returns'
            when p.kind in ('party_account', 'sale', 'shipment_order', 'pickup_order', 'goods_issue', 'invoice',
                            'supplementary_invoice') then 'invoicing'
            else 'telling' end as part
from due d
cross join lateral (
    select name, opened_at, split_part(name, ':', 1) as kind from promise where id = d.promise limit 1) p
where d.stage in (3, 5) or (d.stage = 4 and d.actor = 2) or d.deadline < now();

-- A page of what waits for people's word, of one role too, and how much waits for each.
create index approval_request_until on approval_request (until, id, role);

-- How old the answers were that were told to whoever asked: counted, not kept one by one, and for two days.
create table answer_told (
    at          timestamptz not null,
    noun        text        not null,
    age_seconds integer     not null,             -- at most so old; -1: nobody answered
    in_time     boolean     not null,             -- as fresh as it was asked for
    count       integer     not null
);
create index answer_told_at on answer_told (at);
