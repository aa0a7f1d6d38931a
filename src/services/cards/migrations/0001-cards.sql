-- The card authorizer: cards, decisions and merchant rules. A card's balances are accounts of the ledger.
select log.create_topic('cards');

create table cards (
  tenant text not null,
  account text not null check (account ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,58}$'),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('active', 'blocked')),
  created_at timestamptz not null,
  primary key (tenant, account)
);

-- Every decision (K9). What a later one changes is in no index, and there is room for it in the page (HOT).
create table card_transactions (
  tenant text not null,
  id uuid not null,
  -- As received; null if it could not be read.
  account text,
  external_id text,
  -- If a repeat under the external id gets this answer (K6): 16 bytes of SHA-256 of tenant, account and external id, so
  -- that no other index could serve its look-up.
  claim uuid,
  digest uuid,
  mcc text,
  merchant text,
  amount bigint check (amount between 1 and 9007199254740991),
  currency text,
  code text not null check (code in ('00', '51', '07')),
  category text check (category in ('FOOD', 'MEAL', 'CASH')),
  decided_by text check (decided_by in ('merchant_rule', 'mcc', 'fallback')),
  reason text,
  detail text,
  rules_version integer,
  latency_ms integer not null,
  state text not null check (state in ('declined', 'held', 'captured', 'released', 'expired')),
  captured bigint not null check (captured >= 0),
  reversed bigint not null check (reversed between 0 and captured),
  decided_at timestamptz not null,
  -- A repeat was about to get the answer of an approval, so that it stands; null as long as none was.
  repeated_at timestamptz,
  -- And one did get it, as far as is known here.
  confirmed_at timestamptz
) with (fillfactor = 85);

create unique index card_transactions_claim on card_transactions (claim) where claim is not null;
-- The account first, as nothing is looked up by it alone.
create index card_transactions_by_account on card_transactions (account, tenant, id);
-- Last: of indexes that cost the same, as all do while the table is empty, the planner takes the newest.
alter table card_transactions add constraint card_transactions_pkey primary key (tenant, id);

-- Raises unless as many rows were changed as were to be: a change that is lost would be money that is given back twice.
create function require_all(p_found bigint, p_wanted integer) returns void language plpgsql as $$
begin
  if p_found <> p_wanted then
    raise exception '% of % card transactions were changed: a row was not locked', p_found, p_wanted;
  end if;
end $$;

-- Holds of two-step card transactions, until they end: what is to expire is found among the few that wait.
create table open_holds (
  tenant text not null,
  id uuid not null,
  due_at timestamptz not null,
  -- Of the request that placed it: one id finds everything.
  correlation_id text not null,
  primary key (tenant, id)
);
create index open_holds_due on open_holds (due_at);

-- A row per deciding process: approvals that are committed with this row, or were before, and may not be answered yet.
create table deciders (
  process uuid primary key,
  tenants text[] not null,
  pending uuid[] not null,
  seen_at timestamptz not null
) with (fillfactor = 25);

-- Approvals whose process died with the answer unsent or unseen; for a person, until a repeat or a reversal settles it.
create table unconfirmed (
  tenant text not null,
  id uuid not null,
  since timestamptz not null,
  primary key (tenant, id)
);

-- Every version of a tenant's merchant rules, for ever; the highest holds.
create table merchant_rules (
  tenant text not null,
  version integer not null check (version > 0),
  -- JSON, as given.
  rules text not null,
  actor text,
  replaced_at timestamptz not null,
  primary key (tenant, version)
);

create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
