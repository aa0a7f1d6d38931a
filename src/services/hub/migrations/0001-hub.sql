-- Connectors, what goes through them, what they call, and the webhooks that came in.
select log.create_topic('hub');

-- Every version of a connector, for ever; the highest holds. What is under way keeps the version that it began with.
create table connectors (
  tenant text not null,
  name text not null,
  version integer not null check (version > 0),
  entry text not null check (entry in ('api', 'webhook')),
  -- JSON, as given.
  definition text not null,
  actor text,
  put_at timestamptz not null,
  primary key (tenant, name, version)
);

-- Where each request through a connector stands. Changes of status touch no indexed column and find room in the page (HOT).
create table integrations (
  tenant text not null,
  id uuid not null,
  connector text not null,
  connector_version integer not null,
  entry text not null check (entry in ('api', 'webhook')),
  status text not null check (status in ('requested', 'validated', 'rules_applied', 'enriched', 'delivered', 'refused',
                                         'failed', 'undoing', 'undone', 'undo_failed')),
  -- The first of those that replay each other: under its name destinations are called.
  origin uuid not null,
  replay_of uuid,
  failure_step text,
  failure_code text,
  failure_detail text,
  -- What the destination calls what came of it.
  reference text,
  correlation_id text not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  -- Ids rise with time, so this also serves lists, newest first.
  primary key (tenant, id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Lists of one connector. Not led by the tenant: to a planner that believes the table empty, an index that shares its
-- leading column with the primary key looks as good as the primary key.
create index integrations_connector on integrations (connector, tenant, id);

-- One id finds everything (U17).
create index integrations_correlation on integrations (correlation_id, tenant, id);

-- A call to the outside that a step needs: a row that is committed before the first request of it leaves.
create table calls (
  integration uuid not null,
  step text not null check (step in ('enrichment', 'delivery', 'undo')),
  tenant text not null,
  connector text not null,
  connector_version integer not null,
  -- Which of the connector's destinations; of look-ups empty.
  destination text not null,
  -- JSON: what is sent, or looked up; without secrets.
  request text not null,
  state text not null check (state in ('waiting', 'sending', 'done')),
  -- Requests begun: tells the answer of the last one from those of earlier ones.
  tries integer not null,
  -- Whether a request left and nobody knows what became of it.
  is_unknown boolean not null,
  -- JSON: the last tries, each with its outcome.
  history text not null,
  -- When something is to be done about it; while a process works on it, when another may. Null when it has ended.
  due_at timestamptz,
  give_up_at timestamptz not null,
  -- How long one try may take; who has taken it is given up on that much later.
  timeout_ms integer not null check (timeout_ms > 0),
  -- Of the event that asks for it: the causation of the next.
  cause text not null,
  origin uuid not null,
  correlation_id text not null,
  traceparent text,
  created_at timestamptz not null,
  primary key (integration, step)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- What is to be done, oldest first. Most calls leave it within a second and never come back.
create index calls_due on calls (due_at) where due_at is not null;

-- Webhooks as they came in, before anything was read of them but their signature.
create table received_hooks (
  tenant text not null,
  id uuid not null,
  connector text not null,
  -- JSON; those that could hold a secret are left out.
  headers text not null,
  body bytea not null,
  verdict text not null check (verdict in ('valid', 'invalid', 'stale')),
  -- The sender's own id of it, else the hash of its bytes; only of what is authentic.
  dedup text,
  -- What it became. Null if it was not authentic.
  integration uuid,
  correlation_id text not null,
  received_at timestamptz not null,
  primary key (tenant, id)
);

-- One of a sender is taken once (U18). Two processes that receive it at once are arbitrated here.
create unique index received_hooks_dedup on received_hooks (connector, tenant, dedup) where dedup is not null;

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
