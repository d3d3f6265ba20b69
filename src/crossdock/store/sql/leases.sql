-- beat: I am alive.
insert into worker (id, host, pid, version, settles, beat_at) values (%(id)s, %(host)s, %(pid)s, %(version)s, %(settles)s, now())
on conflict (id) do update set beat_at = now()

-- share: How many buckets each living settling process may hold.
select ceil(256.0 / greatest(count(*), 1))::int from worker
where settles and beat_at > now() - make_interval(secs => %(ttl_seconds)s)

-- keep_leases: Mine are extended, at most my share; leases that ran out are not mine any more. Says which I hold.
with mine as (
    select id, row_number() over (order by id) as place from bucket where owner = %(owner)s and until > now()
), kept as (
    update bucket b set owner = case when place <= %(share)s then b.owner end,
           until = case when place <= %(share)s then now() + make_interval(secs => %(ttl_seconds)s) else '-infinity' end
    from mine where b.id = mine.id and b.owner = %(owner)s
    returning b.id, b.fence, b.owner
)
select id, fence from kept where owner is not null

-- take_leases: Free buckets become mine under new fences, so that whoever held them before can't write.
update bucket set owner = %(owner)s, fence = nextval('fence_seq'), until = now() + make_interval(secs => %(ttl_seconds)s)
where id = any(array(
    select id from bucket where owner is null or until <= now() order by random() limit %(wanted)s for update skip locked))
returning id, fence

-- leave: I hold nothing any more.
with left_ as (delete from worker where id = %(owner)s)
update bucket set owner = null, until = '-infinity' where owner = %(owner)s
