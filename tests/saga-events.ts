/** The ways of saga-paths.ts as the logs would have them. */
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { SagaPath } from './saga-paths.ts';

const PAYMENT = 'pay_01m7xbck58f2kamhpf5zbx50v7';
const REFUND = 'ref_01m7xbck58f2kamhpf5zbx50v8';
export const TERMS = { wallet_id: 'w', service_id: 's', amount: 7, currency: 'USD' } as const;

const TOPICS: readonly (readonly [prefix: RegExp, topic: string])[] = [
  [/^(payment|refund)\.requested$|_requested$/, 'payments'],
  [/\.(validated|rejected)$|_admitted$/, 'validation'],
  [/^provider\./, 'providers'],
  [/^(entry|posting)\./, 'ledger'],
  [/^notification\./, 'notification'],
  [/./, 'authorization'],
];

/** The path's events as they stand in the logs, each a millisecond after the one before it. */
export function eventsOn({ kind, method, events }: Pick<SagaPath, 'kind' | 'method' | 'events'>): LogEvent[] {
  const subject = kind === 'pay' ? PAYMENT : REFUND;
  const placed: LogEvent[] = [];
  for (const [index, step] of events.entries()) {
    const [what = '', causedBy] = step.split(' ← ');
    const [type = ''] = what.split(/[:#]/);
    const cause =
      causedBy === undefined ? placed.at(-1) : placed.findLast((event) => event.type === causedBy);
    const asked = /_requested$|\.requested$/.test(type);
    placed.push({
      topic: TOPICS.find(([prefix]) => prefix.test(type))?.[1] ?? '',
      partition: 0,
      position: index + 1,
      type,
      version: 1,
      subject,
      tenant: 'acme',
      key: 'w',
      data: dataOf({ type, what, subject, method }),
      occurredAt: index,
      correlationId: 'cor_1',
      causation: asked || cause === undefined ? `req_${index}` : identityOf(cause),
      traceparent: null,
    });
  }
  return placed;
}

export function identityOf({ topic, partition, position }: LogEvent): string {
  return `${topic}/${partition}/${position}`;
}

function dataOf(event: {
  readonly type: string;
  readonly what: string;
  readonly subject: string;
  readonly method: string;
}): JsonObject {
  const { type, what, subject, method } = event;
  const [, mark = ''] = what.split(/[:#]/);
  if (type === 'entry.posted') return entryFor(subject, mark);
  if (type.startsWith('provider.')) return attemptOf(type, mark);
  if (/^notification\.|^posting\.|cancel_re|cancel_adm|resolution_/.test(type)) return {};
  const terms = { ...TERMS, method };
  const about = subject === REFUND ? { ...terms, payment_id: PAYMENT } : terms;
  return type === 'payment.compensating' ? { ...about, step: mark } : about;
}

function attemptOf(type: string, number: string): JsonObject {
  const attempt = { attempt_id: `att_${number}`, provider: 'alfa' };
  const moved = /approved|refunded|unexpectedly/.test(type);
  return moved ? { ...attempt, amount: TERMS.amount, currency: TERMS.currency } : attempt;
}

/** Refunds and reversals move it back. */
function entryFor(subject: string, mark: string): JsonObject {
  const purpose = mark === 'reversal' ? 'reversal' : subject === REFUND ? 'refund' : 'payment';
  const [from, to] = purpose === 'payment' ? (['w', 's'] as const) : (['s', 'w'] as const);
  const place = {
    amount: 7,
    currency: 'USD',
    sequence: 1,
    posted_after: 0,
    posted_at: '2026-11-20T10:00:00.000Z',
  };
  return {
    entry_id: 'jen_01m7xbck58f2kamhpf5zbx50v7',
    cause: subject,
    purpose,
    postings: [
      { account_id: from, direction: 'debit', ...place },
      { account_id: to, direction: 'credit', ...place },
    ],
  };
}
