-- What was found wrong, and what was done about it. Rare rows: nothing here is written while all is well.
select log.create_topic('integrity');

create table findings (
  id uuid primary key,
  -- Empty for what concerns the installation: no key has such a tenant, so nobody but the operator sees it.
  tenant text not null,
  kind text not null,
  severity text not null check (severity in ('critical', 'error', 'warning', 'info')),
  -- What it is about: `pay_…`, `acme/wallet`, `payments/3/1041`.
  subject text not null,
  -- The partition key of the events that tell of it.
  key text not null,
  -- Identities of the events it is about; JSON.
  evidence text not null,
  detail text not null,
  -- Who saw it first: a verdict, the sweep of the stages, an audit of the tables.
  source text not null check (source in ('verdict', 'stages', 'audit', 'operator')),
  first_seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  seen bigint not null check (seen > 0),
  state text not null check (state in ('open', 'repairing', 'parked', 'acknowledged', 'repaired', 'resolved')),
  attempts smallint not null check (attempts >= 0),
  -- When the next repair is due; null if none is.
  next_attempt_at timestamptz,
  -- Of the last one that was closed: `system`, or the id of a key.
  closed_by text,
  closed_at timestamptz,
  reason text,
  check ((closed_at is not null) = (state in ('repaired', 'resolved')))
);

-- One live finding of a kind about a subject: to see it again is no second one.
create unique index findings_live on findings (subject, kind, tenant) where closed_at is null;
-- Of a subject those that are not closed first: what is looked for may have been closed often.
create index findings_subject on findings (subject, closed_at desc nulls first);
-- The list, newest first, and what is due.
create index findings_tenant on findings (tenant, id);
create index findings_due on findings (next_attempt_at) where next_attempt_at is not null;

-- Who did what about a finding, and why. Never changed.
create table finding_actions (
  finding_id uuid not null,
  at timestamptz not null,
  id uuid not null,
  -- `system`, `operator` (the command line), or the id of a key.
  actor text not null,
  action text not null check (action in ('opened', 'repair_requested', 'attempted', 'repaired', 'parked', 'acknowledged', 'resolved')),
  detail text not null,
  primary key (finding_id, at, id)
);

-- Audits that were asked for.
create table audits (
  id uuid primary key,
  tenant text not null,
  scope text not null check (scope in ('everything', 'log', 'books', 'sagas')),
  state text not null check (state in ('queued', 'running', 'completed', 'failed')),
  requested_by text not null,
  requested_at timestamptz not null,
  started_at timestamptz,
  -- Moved while it runs: whoever finds a running one that stands still begins it anew.
  progress_at timestamptz,
  ended_at timestamptz,
  phase text,
  done bigint not null default 0,
  total bigint not null default 0,
  failure text
);

-- One at a time, over all tenants: an audit reads everything.
create unique index audits_under_way on audits ((true)) where ended_at is null;

-- How many sagas of a tenant have which verdict, as last counted.
create table census (
  tenant text primary key,
  complete bigint not null,
  broken bigint not null,
  running bigint not null,
  counted_at timestamptz not null
);
