-- open_promise: An open promise about which nothing is under way, the case it is in, and one that waits for it; held until commit.
select p.entity, p.name, p.noun, p.digest,
       (select min(i.case_id) from case_item i join cases c on c.id = i.case_id where i.promise = p.id and c.closed_at is null),
       (select min(o.name) from due w join promise o on o.id = w.promise where w.blocked_on = p.entity || '/' || p.name)
from due d join promise p on p.id = d.promise
where d.promise = %(promise)s and d.stage in (0, 4, 5) for update of d
