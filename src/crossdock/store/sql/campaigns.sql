-- withheld_or_unsettled: Entities from which something is withheld, or that these rules have not settled yet.
select key from entity e
where (exists (select from withheld w where w.entity = e.key) or (e.settled_at is not null and e.code is distinct from %(code)b))
  and (%(entity)s::text is null or e.key = %(entity)s)
order by key

-- entities_of: All entities, or one.
select key from entity where settled_at is not null and (%(entity)s::text is null or key = %(entity)s) order by key

-- propose: A dry run on record; the same acts proposed again are the same proposal.
insert into campaign (digest, part, acts, worth, proposed_at, proposed_by)
values (%(digest)s, %(part)s::text::jsonb, %(acts)s, %(worth)s::text::jsonb, now(), %(by)s)
on conflict (digest) where approved_at is null do update set part = excluded.part
returning id

-- proposed: The proposal whose digest begins so; held until commit.
select id, digest, part::text from campaign
where approved_at is null and starts_with(digest, %(digest)s) order by id for update

-- withdraw_proposal: What a proposal listed is not so any more.
delete from campaign where id = %(id)s and approved_at is null

-- approve: A person allows these acts, so many of them, until then.
update campaign set approved_at = now(), approved_by = %(by)s, count_max = %(count_max)s,
       expires_at = now() + make_interval(hours => %(hours)s)
where id = %(id)s
returning expires_at

-- cap: And no more money than this.
insert into campaign_cap (campaign, currency, money_max)
select %(id)s, currency, money_max from unnest(%(currency)b::text[], %(money_max)b::bigint[]) as c(currency, money_max)

-- cover: The acts it covers.
insert into campaign_item (entity, name, campaign, digest)
select entity, name, %(id)s, digest from unnest(%(entity)b::text[], %(name)b::text[], %(digest)b::text[]) as i(entity, name, digest)

-- uncover: No room was left for these acts in the campaigns that let them.
update campaign_item i set over_cap = true
from promise p
where p.id = any(%(promise)b::bigint[]) and i.entity = p.entity and i.name = p.name and i.campaign = p.campaign

-- campaigns: Every campaign, and how far it is.
select c.id, c.digest, c.part::text, c.acts, c.worth::text, c.proposed_at, c.proposed_by, c.approved_at, c.approved_by,
       c.count_max, c.expires_at, c.expires_at <= now(),
       coalesce((select jsonb_object_agg(currency, money_max)::text from campaign_cap m where m.campaign = c.id), '{}'),
       (select count(*) from promise p where p.campaign = c.id and exists (select from intent i where i.promise = p.id)),
       (select count(*) from promise p where p.campaign = c.id
            and exists (select from receipt r where r.slot = p.entity || '/' || p.name and r.promise = p.id)),
       (select count(*) from campaign_item i where i.campaign = c.id and i.over_cap)
from campaign c order by c.id
