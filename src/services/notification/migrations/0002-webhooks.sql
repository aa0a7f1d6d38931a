-- Outbound webhooks: who wants to be told what, what is to be delivered in which order, and every attempt.

create table endpoints (
  endpoint_key bigint generated always as identity primary key,
  id uuid not null unique,
  tenant text not null,
  -- `callback`: made for a URL that a request named; it gets what is addressed to it, and is shown to nobody.
  kind text not null check (kind in ('endpoint', 'callback')),
  url text not null,
  -- Patterns: `payment.completed`, `payment.*`, `*`.
  events text[] not null,
  description text,
  signature text not null check (signature in ('v1', 'v1a')),
  -- Raised whenever its secrets in the vault are changed.
  secret_version integer not null,
  status text not null check (status in ('enabled', 'disabled', 'deleted')),
  disabled_reason text check (disabled_reason in ('requested', 'gone', 'failing')),
  -- Since when no attempt has succeeded; null if the last one did.
  failing_since timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null
) with (fillfactor = 70);
create index endpoints_of_tenant on endpoints (tenant, id);
create unique index endpoints_for_callbacks on endpoints (tenant, url) where kind = 'callback';

-- What is told, once for all endpoints of its tenant.
create table messages (
  -- What it tells of: `authorization/3/1041`, or `test/…`.
  event text primary key,
  tenant text not null,
  type text not null,
  subject text not null,
  -- The CloudEvent as JSON, without the sequence, which every endpoint counts for itself.
  body text not null,
  correlation_id text not null,
  traceparent text,
  occurred_at timestamptz not null
);

-- The queue: a subject at an endpoint. Its deliveries are sent one by one, in the order of their turns.
create table lanes (
  lane_key bigint generated always as identity primary key,
  endpoint_key bigint not null,
  subject text not null,
  -- The last turn that was given, and the last that is over.
  last_turn integer not null,
  done_turn integer not null default 0,
  -- The last number that an event of the subject got here.
  last_sequence integer not null,
  -- When its next attempt may begin: due, waiting for another try, or under way until then at the latest. Null: nothing to send.
  due_at timestamptz,
  -- Times that it was taken: who took it before has nothing to say any more.
  claims integer not null default 0,
  -- Of these, for the delivery whose turn it is: the number of its last attempt.
  attempts smallint not null default 0,
  unique (endpoint_key, subject)
) with (fillfactor = 80);
create index lanes_due on lanes (endpoint_key, due_at) where due_at is not null;

create table deliveries (
  -- UUIDv7, so that an endpoint's are listed by age.
  id uuid not null,
  endpoint_key bigint not null,
  lane_key bigint not null,
  turn integer not null,
  event text not null,
  type text not null,
  sequence integer not null,
  -- `skipped`: it came while the endpoint was disabled; a replay sends it.
  status text not null check (status in ('pending', 'delivered', 'exhausted', 'skipped')),
  -- Attempts that the receiver failed: what the schedule goes by.
  failures smallint not null default 0,
  created_at timestamptz not null,
  finished_at timestamptz,
  -- Of what is sent once more: the replay, or the delivery itself that somebody wanted again.
  repeats uuid
) with (fillfactor = 85);
create unique index deliveries_in_turn on deliveries (lane_key, turn);
create index deliveries_of_endpoint on deliveries (endpoint_key, id);
-- Last: of indexes that cost the same, as all do while the table is empty, the planner takes the newest.
alter table deliveries add constraint deliveries_pkey primary key (id);

-- A row before its request leaves; what became of it afterwards. One without an outcome was begun by a process that died.
create table delivery_attempts (
  delivery uuid not null,
  number smallint not null,
  started_at timestamptz not null,
  finished_at timestamptz,
  outcome text check (outcome in ('delivered', 'transient', 'permanent', 'unknown', 'not_called')),
  status smallint,
  latency_ms integer,
  detail text,
  -- The first kilobyte of the answer.
  answer text,
  primary key (delivery, number)
) with (fillfactor = 60);

-- Deliveries of an endpoint that are sent again: which ones is fixed when it is asked for.
create table replays (
  id uuid not null,
  endpoint_key bigint not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  events text[],
  subject text,
  -- Deliveries after the first and up to the last are of the set; `after` moves on.
  after uuid not null,
  up_to uuid not null,
  total integer not null,
  queued integer not null default 0,
  correlation_id text not null,
  created_at timestamptz not null,
  finished_at timestamptz
);
create index replays_of_endpoint on replays (endpoint_key, id);
create index replays_running on replays (created_at) where finished_at is null;
alter table replays add constraint replays_pkey primary key (id);
