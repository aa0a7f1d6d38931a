-- Secrets of tenants by name, sealed: their values are readable with a key that is not in the database.
create table secrets (
  tenant text not null,
  name text not null,
  -- Of the key that sealed it.
  key_id text not null,
  nonce bytea not null check (length(nonce) = 12),
  -- AES-256-GCM: the ciphertext with its tag of 16 bytes behind it.
  sealed bytea not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  primary key (tenant, name)
);
