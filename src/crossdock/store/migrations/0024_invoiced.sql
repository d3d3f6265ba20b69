-- What an ERP invoiced, as it said when it posted the invoice. What is owed doesn't depend on it; the books tell of it.
alter table receipt add column said bytea;

drop view ledger_entry;
create view ledger_entry as
select d.recorded_at as at, d.entity,
       case d.kind when 'capture' then 'captured' when 'refund' then 'refunded' else 'disputed' end as what,
       d.id, d.connection as system, b.body -> 'amount' ->> 'currency' as currency,
       (b.body -> 'amount' ->> 'minor')::bigint as minor, coalesce(b.body ->> 'status', '') as status,
       -- How much of it an order's balance holds: what was kept, less what it is to cost; an invoice says that once more.
       case d.kind when 'capture' then 1 else -1 end as counts
from document d cross join lateral (select convert_from(d.body, 'UTF8')::jsonb as body offset 0) b
where d.kind in ('capture', 'refund', 'dispute') and not d.gone
union all
select r.at, p.entity,
       case p.noun when 'sales_order' then 'sold' when 'invoice_posting' then 'invoiced'
                   when 'credit_memo' then 'credited' else 'billed further' end,
       r.number, p.target,
       case p.noun when 'sales_order' then b.body -> 'order' ->> 'currency'
                   when 'invoice_posting' then b.body -> 'total' ->> 'currency' else b.body ->> 'currency' end,
       case p.noun when 'sales_order' then (b.body -> 'order' -> 'total' ->> 'minor')::bigint
                   when 'invoice_posting' then (b.body -> 'total' ->> 'minor')::bigint else (
           select sum((l -> 'net' ->> 'minor')::bigint + coalesce((
               select sum((t -> 'amount' ->> 'minor')::bigint) from jsonb_array_elements(l -> 'taxes') t), 0))::bigint
           from jsonb_array_elements(b.body -> 'lines') l) end,
       '', case p.noun when 'credit_memo' then 1 when 'invoice_posting' then 0 else -1 end
from receipt r join promise p on p.id = r.promise and r.slot = p.entity || '/' || p.name  -- found from either side
cross join lateral (
    select convert_from(case when p.noun = 'invoice_posting' then r.said else p.body end, 'UTF8')::jsonb as body offset 0) b
where p.noun in ('sales_order', 'invoice_posting', 'credit_memo', 'supplementary_invoice');
