/** The statements that write a batch of completed payments, in the product's forms: one array per column, walked in a target list. */

export interface Statement {
  readonly name: string;
  readonly text: string;
}

export const INSERT_KEYS: Statement = {
  name: 'keys',
  text: `insert into payments.idempotency_keys (digest, request, status, answer, created_at)
         select digest, request, status, answer, $5::timestamptz
         from (select unnest($1::uuid[]) as digest, unnest($2::text[]) as request, unnest($3::smallint[]) as status,
                      unnest($4::text[]) as answer) as k`,
};

export const INSERT_PAYMENTS: Statement = {
  name: 'payments',
  text: `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, status,
                                        correlation_id, created_at, updated_at)
         select tenant, id, wallet_id, service_id, amount, 'USD', 'balance', 'pending', correlation_id,
                $7::timestamptz, $7::timestamptz
         from (select unnest($1::text[]) as tenant, unnest($2::uuid[]) as id, unnest($3::text[]) as wallet_id,
                      unnest($4::text[]) as service_id, unnest($5::bigint[]) as amount,
                      unnest($6::text[]) as correlation_id) as v`,
};

/** The row found is the row updated; touches no indexed column (HOT). By primary key. */
export const UPDATE_STATUSES: Statement = {
  name: 'statuses',
  text: `update payments.payments p set status = 'completed', updated_at = $3::timestamptz
         from (select unnest($1::text[]) as tenant, unnest($2::uuid[]) as id) as v
         cross join lateral (select t.ctid from payments.payments t where t.tenant = v.tenant and t.id = v.id offset 0)
           as found(at)
         where p.ctid = found.at`,
};

export const INSERT_SAGAS: Statement = {
  name: 'sagas',
  text: `insert into "authorization".sagas (payment_id, definition, state, wallet_id, service_id, amount, currency,
                                            method, updated_at)
         select payment_id, 'payment.balance/1', 'completed', wallet_id, service_id, amount, 'USD', 'balance',
                $5::timestamptz
         from (select unnest($1::uuid[]) as payment_id, unnest($2::text[]) as wallet_id,
                      unnest($3::text[]) as service_id, unnest($4::bigint[]) as amount) as v`,
};

export const INSERT_HOLDS: Statement = {
  name: 'holds',
  text: `insert into ledger.holds (id, account_key, amount, state, opened_at, closed_at)
         select id, account_key, amount, 'captured', $4::timestamptz, $4::timestamptz
         from (select unnest($1::uuid[]) as id, unnest($2::bigint[]) as account_key, unnest($3::bigint[]) as amount) as v`,
};

export const UPDATE_BALANCES: Statement = {
  name: 'balances',
  text: `update ledger.balances b
         set posted = v.posted, sequence = v.sequence, last_posted_at = $4::timestamptz
         from (select unnest($1::bigint[]) as account_key, unnest($2::bigint[]) as posted,
                      unnest($3::bigint[]) as sequence) as v
         cross join lateral (select t.ctid from ledger.balances t where t.account_key = v.account_key offset 0)
           as found(at)
         where b.ctid = found.at`,
};

export const INSERT_ENTRIES: Statement = {
  name: 'entries',
  text: `insert into ledger.entries (id, tenant, cause, purpose, posted_at)
         select id, $2, id, 'payment', $3::timestamptz from (select unnest($1::uuid[]) as id) as v`,
};

export const INSERT_POSTINGS: Statement = {
  name: 'postings',
  text: `insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
         select account_key, $6::timestamptz, sequence, entry_id, amount, posted_after
         from (select unnest($1::bigint[]) as account_key, unnest($2::bigint[]) as sequence,
                      unnest($3::uuid[]) as entry_id, unnest($4::bigint[]) as amount,
                      unnest($5::bigint[]) as posted_after) as v`,
};

export const INSERT_NOTIFICATIONS: Statement = {
  name: 'notifications',
  text: `insert into notification.notifications (subject, type, id, tenant, payload, created_at)
         select subject, 'payment.completed', id, $2, payload, $5::timestamptz
         from (select unnest($1::text[]) as subject, unnest($3::uuid[]) as id, unnest($4::text[]) as payload) as v`,
};

export const INSERT_VERDICTS: Statement = {
  name: 'verdicts',
  text: `insert into integrity.verdicts (subject, tenant, verdict, stages, findings, verified_at)
         select subject, $2, 'complete', stages, '[]', $4::timestamptz
         from (select unnest($1::text[]) as subject, unnest($3::text[]) as stages) as v`,
};

/** Of a day that is counted to: what it was before. */
export const INSERT_DAY_VERSIONS: Statement = {
  name: 'day_versions',
  text: `insert into consolidation.day_versions (account_key, day, version, opening, credits, debits, count, closing, hash,
                                                 cause, as_of, replaced_at)
         select account_key, $10::date, version, opening, credits, debits, count, closing, hash, cause, $11::timestamptz,
                $11::timestamptz
         from (select unnest($1::bigint[]) as account_key, unnest($2::integer[]) as version,
                      unnest($3::bigint[]) as opening, unnest($4::bigint[]) as credits, unnest($5::bigint[]) as debits,
                      unnest($6::bigint[]) as count, unnest($7::bigint[]) as closing, unnest($8::bytea[]) as hash,
                      unnest($9::text[]) as cause) as v`,
};

export const UPDATE_DAYS: Statement = {
  name: 'days',
  text: `update consolidation.days d
         set version = v.version, credits = v.credits, debits = v.debits, count = v.count, closing = v.closing,
             hash = v.hash, cause = v.cause, as_of = $9::timestamptz
         from (select unnest($1::bigint[]) as account_key, unnest($2::integer[]) as version,
                      unnest($3::bigint[]) as credits, unnest($4::bigint[]) as debits, unnest($5::bigint[]) as count,
                      unnest($6::bigint[]) as closing, unnest($7::bytea[]) as hash, unnest($8::text[]) as cause) as v
         cross join lateral (
           select t.ctid from consolidation.days t where t.account_key = v.account_key and t.day = $10::date offset 0
         ) as found(at)
         where d.ctid = found.at`,
};

export const UPDATE_STANDINGS: Statement = {
  name: 'standings',
  text: `update consolidation.standings s set sequence = v.sequence, change = s.change + 1
         from (select unnest($1::bigint[]) as account_key, unnest($2::bigint[]) as sequence) as v
         cross join lateral (
           select t.ctid from consolidation.standings t where t.account_key = v.account_key offset 0
         ) as found(at)
         where s.ctid = found.at`,
};

/** The product's own function: moves the heads, chains the batches, inserts the events. */
export function appendTo(topic: string): Statement {
  return {
    name: `append_${topic}`,
    text: `select "${topic}".append($1::smallint[], $2::integer[], $3::bytea[], $4::timestamptz, $5::smallint[],
             $6::integer[], $7::text[], $8::smallint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
             $14::text[], $15::text[])`,
  };
}
