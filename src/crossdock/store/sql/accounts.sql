-- make_accounts: Accounts exist from the first time they are moved; a limit follows the facts it was made from.
insert into account as a (key, "limit")
select key, max("limit") from unnest(%(key)b::text[], %(limit)b::bigint[]) as n(key, "limit") group by key order by key collate "C"
on conflict (key) do update set "limit" = excluded."limit"
where a."limit" <> excluded."limit" and excluded."limit" >= a.pending + a.posted

-- lock_accounts: What is left of each account, held until commit; in key order, as Python sorts, so that nobody deadlocks.
select key, "limit" - pending - posted from account where key = any(%(key)b::text[]) order by key collate "C" for update

-- move_accounts: One update per key and batch.
update account a set pending = a.pending + m.pending, posted = a.posted + m.posted
from unnest(%(key)b::text[], %(pending)b::bigint[], %(posted)b::bigint[]) as m(key, pending, posted)
where a.key = m.key

-- after: The accounts behind a key, with what seals have taken of them.
select key, "limit", pending, posted from account where key > %(key)s order by key limit %(limit)s
