-- Signed checkpoints: what the heads of all logs were, once a minute, each bound to the one before it.

-- Which installation a checkpoint is of. Written once, here.
create table installation_ids (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid()
);
insert into installation_ids default values;

-- Every public key that has signed here, for ever: what was signed yesterday must be checkable tomorrow.
create table signing_keys (
  -- RFC 7638 thumbprint of the key.
  kid text primary key,
  public_key bytea not null check (length(public_key) = 32),
  added_at timestamptz not null default now()
);

-- That a key signs here, signed by one that does: by itself, or by the one that came after it. Who can write here can add a
-- key, but no such signature.
create table key_vouchers (
  kid text not null,
  by_kid text not null,
  signature bytea not null check (length(signature) = 64),
  primary key (kid, by_kid)
);

create table checkpoints (
  -- 1, 2, 3 …: the primary key decides which of several processes has made the next one.
  number bigint primary key check (number > 0),
  -- The bytes that are signed: RFC 8785 JSON.
  body text not null,
  signature bytea not null check (length(signature) = 64),
  -- By the database's clock: how long ago it was, whatever the clocks of the processes say.
  written_at timestamptz not null default now()
);

-- Where a log's partition stood at a checkpoint; a row only if that differs from the checkpoint before. What no row says
-- of checkpoint n, the last row before n says. The body's `logs_root` is the Merkle root over all partitions.
create table checkpoint_logs (
  number bigint not null,
  topic text not null,
  partition smallint not null,
  -- The stretch of batches that the checkpoint covers: after `from_position`, up to `position`.
  from_position bigint not null check (from_position >= 0),
  position bigint not null check (position >= from_position),
  chain bytea not null check (length(chain) = 32),
  -- Before its first event that the integrity service had not read, or has parked.
  verified bigint not null check (verified >= 0),
  -- How many batches the stretch has, and their Merkle root.
  batches integer not null check (batches >= 0),
  root bytea not null check (length(root) = 32),
  primary key (topic, partition, number)
);
-- Which checkpoint covers a position. (None on the number alone: the planner would walk it for a partition's last row.)
create index checkpoint_logs_position on checkpoint_logs (topic, partition, position, number);
