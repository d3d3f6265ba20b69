-- Documents that say by name what they are about: a till knows a receipt's number, a payment provider its own payment.
-- Their entity is found among the aliases, or by a person, and found again whenever the aliases change.

create type version as (epoch integer, token bigint, observed bigint, digest bytea);

alter table document
    add column about   text not null default '',  -- the name that `entity` is found by; empty where the source states it
    add column named   version,                   -- the version that stated entity or about; null: this one, or none did
    add column decided text;                      -- the entity a person said; goes before both
create index document_about on document (about) where about <> '';

-- What messages spoke of is evidence under an entity, or under a document's own key while that belonged to nothing.
create function evidence_keys(entities text[]) returns text[] stable language sql as $$
    select entities || array(select kind || ':' || connection || ':' || id from document
                             where entity = any(entities) and (about <> '' or decided is not null or named is not null))
$$;
