-- The ledger (DESIGN §5): accounts, balances, holds, entries, postings. No foreign keys: every write goes through
-- the books (books.ts), which have loaded and locked what they touch (R4).
select log.create_topic('ledger');

create sequence account_keys;

-- What never changes about an account, except its name and metadata.
create table accounts (
  key bigint primary key,
  tenant text not null,
  id text not null check (id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'),
  kind text not null check (kind in ('wallet', 'service', 'external', 'card', 'cashbook')),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  -- The least `available` may be; null means none.
  floor bigint check (floor between -9007199254740991 and 9007199254740991),
  name text,
  time_zone text not null,
  metadata text,
  opened_at timestamptz not null,
  unique (tenant, id)
);

-- What every posting changes: narrow, no secondary index and spare room, so that updates stay in the page (HOT).
create table balances (
  account_key bigint primary key,
  status text not null check (status in ('open', 'closed')),
  posted bigint not null check (posted between -9007199254740991 and 9007199254740991),
  held bigint not null check (held between 0 and 9007199254740991),
  -- Of the account's last posting; 0 before the first.
  sequence bigint not null check (sequence >= 0),
  last_posted_at timestamptz not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);

-- A hold is closed, never deleted (R5). Its id is its owner's: one hold per payment.
create table holds (
  id uuid primary key,
  account_key bigint not null,
  amount bigint not null check (amount between 1 and 9007199254740991),
  state text not null check (state in ('open', 'captured', 'released', 'expired')),
  opened_at timestamptz not null,
  closed_at timestamptz,
  check ((state = 'open') = (closed_at is null))
) with (fillfactor = 50);

-- An entry's id is a function of its cause and purpose (entry-id.ts), so its primary key is the guard that one
-- cause posts once per purpose (R5).
create table entries (
  id uuid primary key,
  tenant text not null,
  cause uuid not null,
  purpose text not null check (purpose in ('manual', 'payment', 'reversal')),
  posted_at timestamptz not null,
  description text,
  reference text,
  effective_on date
);

-- In the account's own order: sequence and posted_at rise together, so one index serves history, balance at an
-- instant, and the sequence's proof.
create table postings (
  account_key bigint not null,
  posted_at timestamptz not null,
  sequence bigint not null check (sequence > 0),
  entry_id uuid not null,
  -- Credits positive, debits negative.
  amount bigint not null check (amount <> 0),
  posted_after bigint not null,
  primary key (account_key, posted_at, sequence)
) partition by range (posted_at);

-- Adds the range table of one UTC month; attached, so that nobody waits.
create function add_posting_month(p_month date) returns boolean language plpgsql as $$
declare
  child text := 'postings_' || to_char(p_month, 'YYYYMM');
  lower_bound timestamptz := p_month::timestamp at time zone 'UTC';
  upper_bound timestamptz := (p_month + interval '1 month')::timestamp at time zone 'UTC';
begin
  if to_regclass('ledger.' || child) is not null then
    return false;
  end if;
  execute format('create table ledger.%I (like ledger.postings including defaults including constraints,
                    check (posted_at >= %L and posted_at < %L))', child, lower_bound, upper_bound);
  execute format('alter table ledger.postings attach partition ledger.%I for values from (%L) to (%L)',
                 child, lower_bound, upper_bound);
  return true;
end $$;

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
