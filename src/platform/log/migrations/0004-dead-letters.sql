-- Dead letters (DESIGN §3): events that a consumer group could not handle, what waits behind them, and the orders to the
-- owner of a partition to hand an event to its group once more. None of these tables has a row while all is well.

-- An event that failed alone, by itself, as often as it is tried. Kept for ever; the original is in its log.
create table dead_letters (
  id uuid primary key,
  consumer_group text not null,
  partition smallint not null,
  parking_key text not null,
  topic text not null,
  position bigint not null,
  tenant text not null,
  subject text not null,
  type text not null,
  version smallint not null,
  -- SQLSTATE, or the name of what was thrown.
  error_code text not null,
  error text not null,
  attempts integer not null check (attempts > 0),
  state text not null check (state in ('open', 'replayed', 'skipped', 'discarded')),
  -- With what it was replayed instead of its own data.
  edited_data text,
  failed_first_at timestamptz not null,
  failed_last_at timestamptz not null,
  resolved_at timestamptz,
  check ((state = 'open') = (resolved_at is null))
);
-- Lists, newest first: ids are ordered by time.
create index dead_letters_tenant on dead_letters (tenant, id);

-- The keys of which a group handles nothing for now. Read with the group's positions, and changed only together with a
-- turn of one of them (positions.turn), so whoever believes in stale ones is fenced.
create table parked_keys (
  consumer_group text not null,
  partition smallint not null,
  parking_key text not null,
  -- The open dead letter in front; null while what waited behind a resolved one is worked off.
  dead_letter uuid,
  -- Where the event in front stands, or stood.
  topic text not null,
  position bigint not null,
  parked_at timestamptz not null,
  primary key (consumer_group, partition, parking_key)
);

-- What came for a parked key, in the order of arrival, with all that a dead letter tells of it: it may become one when its
-- log does not have it any more, or nobody can read it.
create table parked_events (
  consumer_group text not null,
  partition smallint not null,
  parking_key text not null,
  seq bigint generated always as identity,
  topic text not null,
  position bigint not null,
  tenant text not null,
  subject text not null,
  type text not null,
  version smallint not null,
  correlation_id text not null,
  parked_at timestamptz not null,
  primary key (consumer_group, partition, parking_key, seq)
);
create unique index parked_events_identity on parked_events (consumer_group, topic, partition, position);

-- Events that a person has had a group pass over for good: dead letters skipped or discarded, and what was discarded behind
-- one. Kept for ever: nothing hands such an event to that group again by itself.
create table abandoned_events (
  consumer_group text not null,
  topic text not null,
  partition smallint not null,
  position bigint not null,
  dead_letter uuid not null,
  primary key (consumer_group, topic, partition, position)
);

-- Orders to hand an event to a group once more, or to pass over it, and what became of them.
create table redeliveries (
  id uuid primary key,
  consumer_group text not null,
  topic text not null,
  partition smallint not null,
  position bigint not null,
  action text not null check (action in ('redeliver', 'replay', 'skip', 'discard')),
  dead_letter uuid,
  -- The frozen set that it belongs to.
  replay uuid,
  edited_data text,
  reason text,
  requested_by text not null,
  requested_at timestamptz not null,
  done_at timestamptz,
  outcome text check (outcome in ('done', 'failed', 'behind_dead_letter', 'not_passed', 'not_handled', 'not_found',
                                      'abandoned', 'withdrawn')),
  error text,
  check ((done_at is null) = (outcome is null)),
  check ((action = 'redeliver') = (dead_letter is null))
);
create index redeliveries_replay on redeliveries (replay) where replay is not null;
-- Those not done yet: whoever would order the same again finds it here.
create index redeliveries_undone on redeliveries (consumer_group, topic, partition, position) where done_at is null;
create index redeliveries_dead_letter on redeliveries (dead_letter) where dead_letter is not null;

-- Those not done yet: a table of its own, so that looking for them costs nothing however many there have been.
create table pending_redeliveries (
  id uuid primary key,
  consumer_group text not null,
  partition smallint not null,
  -- One order at a time about a dead letter.
  dead_letter uuid unique
);

-- A set of dead letters that is replayed as it was when it was asked for: its orders are its members.
create table dead_letter_replays (
  id uuid primary key,
  tenant text not null,
  filter text not null,
  total integer not null,
  reason text,
  requested_by text not null,
  requested_at timestamptz not null
);

-- Who did what to a dead letter, and why; also what the program did. Only added to.
create table dead_letter_actions (
  dead_letter uuid not null,
  seq bigint generated always as identity,
  at timestamptz not null,
  action text not null check (action in
    ('dead_lettered', 'replay_requested', 'skip_requested', 'discard_requested',
     'replayed', 'replay_failed', 'skipped', 'discarded', 'passed_behind')),
  actor text not null,
  reason text,
  data_before text,
  data_after text,
  detail text,
  primary key (dead_letter, seq)
);

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
