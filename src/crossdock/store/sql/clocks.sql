-- look: When somebody last looked, and when it is now; nothing when somebody else is looking, for a sleeper may hold the row.
select looked_at, now() from clock for update skip locked

-- looked: Somebody looked now.
update clock set looked_at = now()

-- wait_on: What waited when somebody last looked, for a call's lease or for what may still travel, waits on as if no time had passed since.
update due set due_at = due_at + (now() - %(looked_at)s::timestamptz)
where stage in (1, 3) and due_at > %(looked_at)s
  and due_at <= %(looked_at)s::timestamptz + make_interval(secs => %(longest_seconds)s)

-- wait_no_longer: What was made to wait by a clock that was ahead waits as long as it was to, and none longer than anything has to; leases and signs of life from then are none.
with waiting as (
    update due set due_at = least(due_at + (now() - %(looked_at)s::timestamptz), now() + make_interval(secs => %(longest_seconds)s))
    where stage in (0, 1, 3) and due_at > now() + make_interval(secs => %(longest_seconds)s) and due_at < 'infinity'
), probing as (
    update brake set probe_at = now() where probe_at > now() + make_interval(secs => %(longest_seconds)s)
), holding as (
    update bucket set until = now() where until > now() + make_interval(secs => %(lease_seconds)s) and until < 'infinity'
)
delete from worker where beat_at > now() + make_interval(secs => %(lease_seconds)s)
