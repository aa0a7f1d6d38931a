-- What requests about webhooks were answered under their keys, for ever. An answer with a secret in it is sealed as the vault seals.
create table idempotency_keys (
  digest uuid primary key,
  request text not null,
  status smallint not null,
  answer text not null,
  created_at timestamptz not null
);
