-- one_snapshot: Everything that is asked from here on is as it is now, whatever is done meanwhile; nothing can be written.
set transaction isolation level repeatable read, read only

-- at_rest: Those of these entities about which nothing is to be settled or done and nothing is withheld; whether somebody is waited for, or a case is open.
select e.key,
       exists (select from waiting w where w.entity = e.key)
       or exists (select from case_item i join cases c on c.id = i.case_id where i.entity = e.key and c.closed_at is null)
from entity e
where e.key = any(%(entity)b::text[]) and e.settled_at is not null
  and not exists (select from dirty d where d.entity = e.key)
  and not exists (select from due d where d.entity = e.key)
  and not exists (select from withheld w where w.entity = e.key)

-- orders: The next orders behind a key.
select key from entity where key > %(after)s and key < 'order;' and key >= 'order:' order by key limit %(limit)s
