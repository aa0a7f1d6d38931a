-- Payments through a gateway pass more states, and so do those that are called off or undone. What is there meets the new
-- constraints already, so the table is not read for them.
alter table sagas
  drop constraint sagas_state_check,
  add constraint sagas_state_check check (state in (
    'authorized', 'charged', 'cancelling', 'reconciling', 'resolving', 'revoking', 'compensating', 'parked',
    'completed', 'declined', 'failed', 'cancelled', 'compensated')) not valid,
  drop constraint sagas_method_check,
  add constraint sagas_method_check check (method in ('balance', 'gateway')) not valid;

-- The coordinator's sagas of refunds. The money goes from the service to the wallet.
create table refund_sagas (
  refund_id uuid primary key,
  payment_id uuid not null,
  definition text not null,
  state text not null check (state in (
    'authorized', 'confirmed', 'reconciling', 'parked', 'completed', 'declined', 'failed')),
  wallet_id text not null,
  service_id text not null,
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null,
  method text not null check (method in ('balance', 'gateway')),
  updated_at timestamptz not null
) with (fillfactor = 50);

-- What of a payment is still to be undone: a row from the first step of a compensation to the payment's end.
create table compensations (
  payment_id uuid primary key,
  -- Steps not done yet, the next one first, as JSON.
  steps text not null,
  code text not null,
  detail text not null,
  -- How often the step has failed.
  failures integer not null default 0,
  -- When the step is asked for again; null while it is under way, or waits for a person.
  retry_at timestamptz,
  -- What the event that asks again is made of.
  ask text,
  updated_at timestamptz not null
);
create index compensations_retry on compensations (retry_at) where retry_at is not null;
