/** The accounts between which money moves, opened and funded over HTTP like anybody's. */
import { numbered } from './numbered.ts';
import type { Order } from './order.ts';

export const CURRENCY = 'USD';
const BANK = 'bank';

/** They never run out of money. */
export const RICH = numbered('rich', 40);
/** They soon have too little: payments are declined, and what comes back is spent again. */
export const POOR = numbered('poor', 8);
export const SHOPS = numbered('shop', 6);
/** What only probes use, spread over the partitions by their ids. */
export const PROBED = numbered('probed', 32);
export const PROBE_SHOP = 'probe-shop';

const FUNDS: Readonly<Record<string, number>> = { rich: 100_000_000, poor: 3000, probed: 1_000_000 };
export const ACCOUNTS: readonly string[] = [BANK, ...RICH, ...POOR, ...PROBED, ...SHOPS, PROBE_SHOP];

export function openings(): Order[] {
  return ACCOUNTS.map((id) => {
    const kind = id === BANK ? 'external' : id.includes('shop') ? 'service' : 'wallet';
    return {
      operation: 'account',
      key: `open-${id}`,
      path: '/v1/accounts',
      body: JSON.stringify({ id, kind, currency: CURRENCY }),
    };
  });
}

export function fundings(): Order[] {
  return [...RICH, ...POOR, ...PROBED].map((id) =>
    transfer({ key: `fund-${id}`, from: BANK, to: id, amount: FUNDS[id.split('-')[0] ?? ''] ?? 0 }),
  );
}

export function transfer({
  key,
  from,
  to,
  amount,
}: {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}): Order {
  const postings = [
    { account_id: from, direction: 'debit', amount },
    { account_id: to, direction: 'credit', amount },
  ];
  return { operation: 'entry', key, path: '/v1/journal-entries', body: JSON.stringify({ postings }) };
}

export function paymentOrder(key: string, terms: Readonly<Record<string, unknown>>): Order {
  return {
    operation: 'payment',
    key,
    path: '/v1/payments',
    body: JSON.stringify({ currency: CURRENCY, ...terms }),
  };
}

export function changeOrder(
  operation: 'refund' | 'cancel' | 'resolution',
  key: string,
  { payment, body = {} }: { readonly payment: string; readonly body?: Readonly<Record<string, unknown>> },
): Order {
  const part = operation === 'refund' ? 'refunds' : operation;
  return { operation, key, path: `/v1/payments/${payment}/${part}`, body: JSON.stringify(body) };
}
