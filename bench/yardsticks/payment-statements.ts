/** The statements that write a batch of completed payments, in the product's forms: one array per column. */

export interface Statement {
  readonly name: string;
  readonly text: string;
}

export const INSERT_KEYS: Statement = {
  name: 'keys',
  text: `insert into payments.idempotency_keys (digest, request, status, answer, created_at)
         select digest, request, status, answer, $5::timestamptz
         from unnest($1::uuid[], $2::text[], $3::smallint[], $4::text[]) as k(digest, request, status, answer)`,
};

export const INSERT_PAYMENTS: Statement = {
  name: 'payments',
  text: `insert into payments.payments (tenant, id, wallet_id, service_id, amount, currency, method, status,
                                        correlation_id, created_at, updated_at)
         select tenant, id, wallet_id, service_id, amount, 'USD', 'balance', 'pending', correlation_id,
                $7::timestamptz, $7::timestamptz
         from unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[])
           as v(tenant, id, wallet_id, service_id, amount, correlation_id)`,
};

/** The row found is the row updated; touches no indexed column (HOT). By primary key. */
export const UPDATE_STATUSES: Statement = {
  name: 'statuses',
  text: `update payments.payments p set status = 'completed', updated_at = $3::timestamptz
         from unnest($1::text[], $2::uuid[]) as v(tenant, id)
         cross join lateral (select t.ctid from payments.payments t where t.tenant = v.tenant and t.id = v.id offset 0)
           as found(at)
         where p.ctid = found.at`,
};

export const INSERT_SAGAS: Statement = {
  name: 'sagas',
  text: `insert into "authorization".sagas (payment_id, definition, state, wallet_id, service_id, amount, currency,
                                            method, updated_at)
         select payment_id, 'payment.balance/1', 'authorized', wallet_id, service_id, amount, 'USD', 'balance',
                $5::timestamptz
         from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[]) as v(payment_id, wallet_id, service_id, amount)`,
};

export const UPDATE_SAGAS: Statement = {
  name: 'saga_states',
  text: `update "authorization".sagas s set state = 'completed', updated_at = $2::timestamptz
         from unnest($1::uuid[]) as v(payment_id)
         cross join lateral (select t.ctid from "authorization".sagas t where t.payment_id = v.payment_id offset 0)
           as found(at)
         where s.ctid = found.at`,
};

export const INSERT_HOLDS: Statement = {
  name: 'holds',
  text: `insert into ledger.holds (id, account_key, amount, state, opened_at)
         select id, account_key, amount, 'open', $4::timestamptz
         from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as v(id, account_key, amount)`,
};

export const CLOSE_HOLDS: Statement = {
  name: 'hold_ends',
  text: `update ledger.holds h set state = 'captured', closed_at = $2::timestamptz
         from unnest($1::uuid[]) as v(id)
         cross join lateral (select t.ctid from ledger.holds t where t.id = v.id and t.state = 'open' offset 0)
           as found(at)
         where h.ctid = found.at`,
};

export const UPDATE_BALANCES: Statement = {
  name: 'balances',
  text: `update ledger.balances b
         set posted = v.posted, held = v.held, sequence = v.sequence, last_posted_at = $5::timestamptz
         from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as v(account_key, posted, held, sequence)
         cross join lateral (select t.ctid from ledger.balances t where t.account_key = v.account_key offset 0)
           as found(at)
         where b.ctid = found.at`,
};

export const INSERT_ENTRIES: Statement = {
  name: 'entries',
  text: `insert into ledger.entries (id, tenant, cause, purpose, posted_at)
         select id, $2, id, 'payment', $3::timestamptz from unnest($1::uuid[]) as v(id)`,
};

export const INSERT_POSTINGS: Statement = {
  name: 'postings',
  text: `insert into ledger.postings (account_key, posted_at, sequence, entry_id, amount, posted_after)
         select account_key, $6::timestamptz, sequence, entry_id, amount, posted_after
         from unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[])
           as v(account_key, sequence, entry_id, amount, posted_after)`,
};

export const INSERT_NOTIFICATIONS: Statement = {
  name: 'notifications',
  text: `insert into notification.notifications (subject, type, id, tenant, payload, created_at)
         select subject, 'payment.completed', id, $2, payload, $5::timestamptz
         from unnest($1::text[], $3::uuid[], $4::text[]) as v(subject, id, payload)`,
};

export const INSERT_VERDICTS: Statement = {
  name: 'verdicts',
  text: `insert into integrity.verdicts (subject, tenant, verdict, stages, findings, verified_at)
         select subject, $2, 'complete', stages, '[]', $4::timestamptz
         from unnest($1::text[], $3::text[]) as v(subject, stages)`,
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
