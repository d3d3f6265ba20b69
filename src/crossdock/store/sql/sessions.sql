-- make_link: A link that lets one person in, once.
insert into console_link (digest, person, roles, expires_at)
values (%(digest)s, %(person)s, %(roles)s, now() + make_interval(mins => %(minutes)s))

-- link: For whom a link is that can still be used.
select person from console_link where digest = %(digest)s and expires_at > now()

-- use_link: Nobody else can use this link from now on; those that ran out go with it.
with used as (
    delete from console_link where digest = %(digest)s or expires_at <= now() returning digest, person, roles, expires_at
)
select person, roles from used where digest = %(digest)s and expires_at > now()

-- begin: A session of this person; those that ran out go.
with over as (
    delete from console_session where expires_at <= now()
)
insert into console_session (digest, person, roles, generation, began_at, expires_at)
values (%(digest)s, %(person)s, %(roles)s, %(generation)s, now(), now() + make_interval(hours => %(hours)s))

-- session: Whose session this is, the roles they have now, and the tenants they are limited to. One that began with a password ends with it, or its person.
select s.person, s.roles || coalesce(p.roles, '{}'), coalesce(p.tenants, '{}') from console_session s
left join person p on lower(p.name) = lower(s.person) and p.ended_at is null
where s.digest = %(digest)s and s.expires_at > now() and (s.generation is null or s.generation = p.generation)

-- finish: This session is over.
delete from console_session where digest = %(digest)s
