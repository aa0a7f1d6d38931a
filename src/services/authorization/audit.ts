/** What the coordinator's table holds, for who proves it against the logs; see the ledger's audit. */
import {
  type Comparison,
  compareRange,
  type Differences,
  type ExpectedRow,
} from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const SAGAS: Comparison = {
  key: { payment_id: 'uuid' },
  columns: {
    state: 'text',
    wallet_id: 'text',
    service_id: 'text',
    amount: 'bigint',
    currency: 'text',
    method: 'text',
  },
  actual: `select s.payment_id, s.state, s.wallet_id, s.service_id, s.amount, s.currency, s.method
           from "authorization".sagas s
           where ($1::uuid is null or s.payment_id > $1) and ($2::uuid is null or s.payment_id <= $2)`,
};

/** Sagas of the range of payments (after the first, up to the second) that are missing, extra or different. */
export function differingSagas(
  reader: Reader,
  range: { readonly after: string | null; readonly upTo: string | null },
  expected: readonly ExpectedRow[],
): Promise<Differences> {
  return compareRange(reader, SAGAS, { parameters: [range.after, range.upTo], expected });
}
