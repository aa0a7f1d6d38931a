-- A payment may come to an end, and be undone later: statuses have no order of their own. The events that give them do:
-- all of a payment's stand in one partition of the coordinator's log. The position of the last one; 0 before the first.
alter table payments add column status_position bigint not null default 0;

-- Payments that wait for a person (status reconciliation_required), so that among millions the few are found without an
-- index on a status that every payment would have to pay for. Follows the payment's row, in the same commits.
create table reconciliations (
  tenant text not null,
  payment_id uuid not null,
  primary key (tenant, payment_id)
);

-- What is given back of payments. Made anew from the logs at any time, like payments; but what stands here also decides
-- how much is left to be given back, so it is never wiped while requests come in.
create table refunds (
  tenant text not null,
  id uuid not null,
  payment_id uuid not null,
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null,
  reason text,
  status text not null check (status in ('pending', 'authorized', 'completed', 'rejected', 'declined', 'failed',
                                         'reconciliation_required')),
  failure_code text,
  failure_detail text,
  -- As of payments.
  status_position bigint not null default 0,
  correlation_id text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 42);

create index refunds_payment on refunds (payment_id, tenant, id);
-- Last, as of payments (0002).
alter table refunds add constraint refunds_pkey primary key (tenant, id);

-- One row per payment of which money is given back, or whose charge a person denies: locked by whoever promises
-- more of it, so that however many race, no more is promised than was captured.
create table refund_totals (
  tenant text not null,
  payment_id uuid not null,
  captured bigint not null,
  -- Of refunds that are completed or may still be; what ended otherwise gave its promise back.
  promised bigint not null check (promised between 0 and captured),
  -- Of refunds that are completed.
  refunded bigint not null check (refunded between 0 and promised),
  -- Since when a person wants the whole payment undone; null unless one does.
  undo_requested_at timestamptz,
  primary key (tenant, payment_id)
) with (fillfactor = 50);
