-- stated: What a source says of a thing, and of which entity.
select entity, body from document where connection = %(connection)s and kind = %(kind)s and id = %(id)s and not gone

-- hold: Nobody else corrects this thing, and its source says nothing else of it, until commit.
select 1 from document where connection = %(connection)s and kind = %(kind)s and id = %(id)s for update

-- corrections: How people have corrected the things of an entity so far.
select body from document where connection = %(people)s and kind = 'correction' and entity = %(entity)s and not gone

-- under_way: A correction of this entity that is not translated yet.
select i.message_id from inbox_pending p join inbox i on i.received_at = p.received_at and i.id = p.id
where i.connection = %(people)s and i.topic = 'correction' and starts_with(i.message_id, %(entity)s || '@') limit 1
