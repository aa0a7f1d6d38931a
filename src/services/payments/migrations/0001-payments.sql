select log.create_topic('payments');

-- The payment as its readers see it: a read model, made anew from the logs at any time (U15). Status changes touch no
-- indexed column and find room in the page (HOT); no index contains a status.
create table payments (
  tenant text not null,
  id uuid not null,
  wallet_id text not null,
  service_id text not null,
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null,
  method text not null check (method in ('balance', 'gateway')),
  reference text,
  description text,
  metadata text,
  status text not null check (status in ('pending', 'authorized', 'completed', 'rejected', 'declined', 'cancelled',
                                         'failed', 'compensated', 'reconciliation_required')),
  failure_code text,
  failure_detail text,
  correlation_id text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Ids rise with time, so this also serves lists, newest first.
  primary key (tenant, id)
) with (fillfactor = 55, autovacuum_vacuum_scale_factor = 0.05);

-- Lists of one wallet or service. Not led by the tenant: to a planner that believes the table empty, an index that
-- shares its leading column with the primary key looks as good as the primary key.
create index payments_wallet on payments (wallet_id, tenant, id);
create index payments_service on payments (service_id, tenant, id);

-- Uniqueness beyond the key (P3, U2): a reference belongs to one payment of a wallet and service, until that payment
-- ends without having moved money. Not sourced from the log: it is part of the decision, like the keys.
create table payment_references (
  tenant text not null,
  wallet_id text not null,
  service_id text not null,
  reference text not null,
  payment_id uuid not null,
  primary key (tenant, wallet_id, service_id, reference)
);

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
