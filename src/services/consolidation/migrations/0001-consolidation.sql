-- Daily balances of every account of the ledger, made of the logs of the ledger and of the cards.
select log.create_topic('consolidation');

-- One number for each commit that changes what can be read of an account; no two commits have the same one.
create sequence changes;

-- The accounts that the logs speak of. A row stands from the first that is heard of an account, be it a posting; what
-- account.opened tells is null until that has come.
create table accounts (
  key bigint generated always as identity primary key,
  tenant text not null,
  id text not null,
  kind text,
  currency text,
  time_zone text,
  unique (tenant, id),
  check ((kind is null) = (currency is null) and (kind is null) = (time_zone is null))
);

-- Once told, these never change.
create index accounts_of_kind on accounts (tenant, kind, currency, id) where kind is not null;

-- How far an account's postings are counted: narrow, without a secondary index and with spare room, so that updates stay
-- in the page (HOT). No row: none is.
create table standings (
  account_key bigint primary key,
  -- Of the last posting that is counted; all before it are too.
  sequence bigint not null check (sequence > 0),
  -- Of the last day that has a row.
  last_day date not null,
  change bigint not null
) with (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.05);

-- A day of an account on which something moved. `closing` is the opening of the next one.
create table days (
  account_key bigint not null,
  day date not null,
  version integer not null check (version > 0),
  opening bigint not null,
  credits bigint not null check (credits >= 0),
  debits bigint not null check (debits >= 0),
  count bigint not null check (count > 0),
  closing bigint not null check (closing = opening + credits - debits),
  -- Over the day's postings in the order of their sequences (day.ts).
  hash bytea not null,
  -- The event that made this version.
  cause text not null,
  as_of timestamptz not null,
  sealed_at timestamptz,
  primary key (account_key, day)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

-- What is still to be sealed; changes with a day's first posting, its sealing and its being opened again, and not between.
create index days_unsealed on days (day, account_key) where sealed_at is null;

-- Versions of days that another one has replaced. By when that was, so that a month can be kept elsewhere.
create table day_versions (
  account_key bigint not null,
  day date not null,
  version integer not null,
  opening bigint not null,
  credits bigint not null,
  debits bigint not null,
  count bigint not null,
  closing bigint not null,
  hash bytea not null,
  cause text not null,
  as_of timestamptz not null,
  sealed_at timestamptz,
  replaced_at timestamptz not null,
  primary key (account_key, day, version, replaced_at)
) partition by range (replaced_at);

-- Adds the range table of one UTC month; attached, so that nobody waits.
create function add_version_month(p_month date) returns boolean language plpgsql as $$
declare
  child text := 'day_versions_' || to_char(p_month, 'YYYYMM');
  lower_bound timestamptz := p_month::timestamp at time zone 'UTC';
  upper_bound timestamptz := (p_month + interval '1 month')::timestamp at time zone 'UTC';
begin
  if to_regclass('consolidation.' || child) is not null then
    return false;
  end if;
  execute format('create table consolidation.%I (like consolidation.day_versions including defaults including constraints,
                    check (replaced_at >= %L and replaced_at < %L))', child, lower_bound, upper_bound);
  execute format('alter table consolidation.day_versions attach partition consolidation.%I for values from (%L) to (%L)',
                 child, lower_bound, upper_bound);
  return true;
end $$;

-- Postings that came before one of a lower sequence, from another partition or past a dead letter.
create table waiting (
  account_key bigint not null,
  sequence bigint not null,
  entry_id uuid not null,
  -- Credits positive, debits negative.
  amount bigint not null check (amount <> 0),
  posted_after bigint not null,
  posted_at timestamptz not null,
  effective_on date,
  -- The event that told of it.
  cause text not null,
  correlation_id text not null,
  primary key (account_key, sequence)
);

-- What a rebuild makes of the logs, beside what is there: compared with it when it has caught up, and then forgotten. Lost
-- by a crash, after which a rebuild begins anew.
create unlogged table rebuilt_days (like days including defaults including constraints, primary key (account_key, day));
create unlogged table rebuilt_day_versions (like day_versions including defaults);
create unlogged table rebuilt_standings (like standings including defaults including constraints, primary key (account_key));
create unlogged table rebuilt_waiting (like waiting including defaults including constraints, primary key (account_key, sequence));

-- The rebuild that they are of: one at a time.
create table rebuilds (
  id uuid primary key,
  begun_at timestamptz not null
);

-- As the owner: the role of the services may not truncate.
create function begin_rebuild(p_id uuid) returns void language sql security definer set search_path = consolidation, pg_temp as $$
  truncate consolidation.rebuilt_days, consolidation.rebuilt_day_versions, consolidation.rebuilt_standings,
           consolidation.rebuilt_waiting, consolidation.rebuilds;
  insert into consolidation.rebuilds (id, begun_at) values (p_id, now());
$$;
