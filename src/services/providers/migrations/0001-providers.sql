-- What is asked of external payment providers, and what became of it.
select log.create_topic('providers');

-- One row per attempt to charge or to refund, committed before its request leaves. The attempts of a subject are locked
-- together, by their first row: whoever wants one of them takes that first (decided under it: at most one is open).
create table attempts (
  -- As `att_…` the idempotency key that the provider knows it by. Derived from subject, kind and number.
  id uuid primary key,
  tenant text not null,
  -- The payment or the refund.
  subject text not null,
  -- Of the events about it: the wallet, and so the partition.
  key text not null,
  partition smallint not null,
  kind text not null check (kind in ('charge', 'refund')),
  -- What it is for. `unexpected`: gives back a charge that the payment did not want.
  purpose text not null check (purpose in ('payment', 'refund', 'compensation', 'unexpected')),
  -- Of a refund: the attempt whose charge is given back. Null if there is none to be found.
  charge_id uuid,
  provider text not null,
  -- Names of the route's providers that have still to be tried in this round, as a JSON array, in order.
  others text not null,
  number integer not null check (number between 1 and 1000),
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null,
  state text not null check (state in (
    'waiting', 'sending', 'pending', 'unknown', 'voiding',
    'approved', 'declined', 'closed', 'unexpected', 'reversed', 'resolved_charged', 'resolved_not_charged',
    'refunded', 'refused', 'resolved')),
  -- Whether an earlier try may have reached the provider: then only the provider can say that nothing was charged.
  exposed boolean not null,
  -- The payment is to be called off.
  cancelling boolean not null,
  told_unknown boolean not null,
  told_unresolved boolean not null,
  -- What the provider has said against what it said before, each once, separated by spaces.
  contradictions text not null,
  -- Until when its sender may begin to send.
  send_before timestamptz not null,
  -- When something is to be done about it; null when nothing is. While a process works on it, when another may.
  due_at timestamptz,
  -- Calls begun: tells the answer of the last one from those of earlier ones.
  calls integer not null,
  -- The last of them whose end was heard of. Of a refund asked for again, an earlier call may have been lost with its process.
  heard integer not null,
  -- Tries in the present state.
  tries integer not null,
  -- When its outcome should have been known.
  deadline_at timestamptz not null,
  correlation_id text not null,
  traceparent text,
  -- Identity of the last event about it: the causation of the next.
  cause text not null,
  provider_reference text,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

-- A subject's attempts, the first one first: the order in which they are locked.
create unique index attempts_subject on attempts (subject, kind, number);

-- What is to be done, by partition, since a process works on the partitions that it holds leases for. Most attempts
-- leave it within a second and never come back.
create index attempts_due on attempts (partition, due_at) where due_at is not null;
