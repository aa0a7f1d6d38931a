-- Cash flow: entries of cash books, and imports of them. What they move is the ledger's.
select log.create_topic('cashflow');

-- Nobody updates or deletes (F5): that one was reversed is told by the one that reverses it.
create table cash_entries (
  tenant text not null,
  -- Also the id of its journal entry.
  id uuid not null,
  account_id text not null,
  -- The category's account, against which it is posted.
  contra_account_id text not null,
  direction text not null check (direction in ('debit', 'credit')),
  amount bigint not null check (amount between 1 and 9007199254740991),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  -- The day that it counts for, in the account's time zone.
  occurred_on date not null,
  description text not null,
  -- Null: none was given.
  category text,
  reverses uuid,
  import_id uuid,
  line integer check (line > 0),
  recorded_at timestamptz not null,
  check ((import_id is null) = (line is null))
);
-- Lists are newest day first; one index for those of a tenant, one for those of an account.
create index cash_entries_by_day on cash_entries (tenant, occurred_on, id);
create index cash_entries_by_account on cash_entries (account_id, tenant, occurred_on, id);
-- An entry is reversed once. A uuid is nobody else's, so that no other index could serve its look-up.
create unique index cash_entries_reversal on cash_entries (reverses) where reverses is not null;
-- Last: of indexes that cost the same, as all do while the table is empty, the planner takes the newest.
alter table cash_entries add constraint cash_entries_pkey primary key (tenant, id);

-- One per file (its bytes, and the account they are for): the same file again goes on with the same import.
create table imports (
  tenant text not null,
  id uuid not null,
  -- Derived from tenant, bytes and account.
  file uuid not null,
  -- SHA-256 in hex.
  digest text not null,
  bytes bigint not null,
  lines integer not null,
  -- Null: the file has a column of it.
  account_id text,
  -- The names of its columns, in their order.
  columns text[] not null,
  on_error text not null check (on_error in ('keep', 'none')),
  state text not null check (state in ('validating', 'recording', 'completed', 'refused')),
  -- Whose chunks are read.
  upload uuid not null,
  -- Of the last chunk that was read in this state.
  position integer not null,
  read integer not null,
  recorded integer not null,
  -- Of an earlier run.
  already_recorded integer not null,
  failed integer not null,
  errors_listed integer not null,
  request_id text not null,
  correlation_id text not null,
  created_at timestamptz not null,
  finished_at timestamptz,
  check ((state in ('completed', 'refused')) = (finished_at is not null))
) with (fillfactor = 50);
create unique index imports_file on imports (file);
alter table imports add constraint imports_pkey primary key (tenant, id);

-- Imports that are not finished; whoever has locked its row works on it. They take turns.
create table open_imports (
  tenant text not null,
  id uuid not null,
  turn_at timestamptz not null,
  primary key (tenant, id)
);
create index open_imports_turn on open_imports (turn_at);

-- What is being sent and belongs to no import yet; one that stays here was broken off.
create table uploads (
  id uuid primary key,
  began_at timestamptz not null
);

-- Raises unless the upload was there to be taken: an import without its lines would be complete, and say so.
create function require_upload(p_taken bigint) returns void language plpgsql as $$
begin
  if p_taken <> 1 then
    raise exception 'the upload was cleared away before its import began';
  end if;
end $$;

-- Lines of a file as they came, cut between lines.
create table import_chunks (
  upload uuid not null,
  -- Of the file, from 1, the line with the names being the first.
  first_line integer not null,
  content bytea not null,
  primary key (upload, first_line)
);

-- Of lines that could not be recorded, the first so many.
create table import_errors (
  tenant text not null,
  import_id uuid not null,
  line integer not null,
  code text not null,
  detail text not null,
  -- JSON; null for a line that is malformed as a whole.
  errors text,
  primary key (tenant, import_id, line)
);

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
