-- Who may use this installation. Not sourced from events: a key is a secret, and nothing else is derived from it.

create table tenants (
  id text primary key check (id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  created_at timestamptz not null
);

-- A key is known by its id and proved by its secret, of which only the SHA-256 of the whole key is kept. A revoked or
-- expired key stays, so that an old one can still be told from one that never was.
create table api_keys (
  id uuid primary key,
  tenant text not null references tenants (id),
  name text not null check (length(name) between 1 and 100),
  scopes text[] not null check (cardinality(scopes) between 1 and 100),
  hash bytea not null check (length(hash) = 32),
  created_at timestamptz not null,
  expires_at timestamptz,
  revoked_at timestamptz,
  -- Within a minute or so: it is written at most once a minute.
  last_used_at timestamptz
) with (fillfactor = 70);

create index api_keys_of_tenant on api_keys (tenant, created_at, id);
