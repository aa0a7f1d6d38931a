-- The coordinator's sagas: where each payment stands, and what its later steps need.
select log.create_topic('authorization');

create table sagas (
  payment_id uuid primary key,
  -- The definition the saga began with, `payment.balance/1`; it keeps it to its end.
  definition text not null,
  state text not null check (state in ('authorized', 'declined', 'completed', 'failed')),
  wallet_id text not null,
  service_id text not null,
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null,
  method text not null check (method in ('balance')),
  updated_at timestamptz not null
) with (fillfactor = 50);
