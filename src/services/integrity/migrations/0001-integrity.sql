-- Verdicts, from the logs alone. A saga that ends in the batch that began it costs one insert.
create table verdicts (
  subject text primary key,
  tenant text not null,
  verdict text not null check (verdict in ('complete', 'broken')),
  -- [[type, identity, epoch ms], …] in causal order, and the findings; JSON.
  stages text not null,
  findings text not null,
  verified_at timestamptz not null
);

-- Sagas under way at the end of a batch: what has been seen of them.
create table followed (
  subject text primary key,
  tenant text not null,
  events text not null,
  updated_at timestamptz not null
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
