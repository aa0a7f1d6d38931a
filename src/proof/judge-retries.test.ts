import { expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { AuditedRetry } from '#services/authorization/contract.ts';
import { judgeRetry } from './judge-retries.ts';
import { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

const SUBJECT = newId('pay');
const DATA = {
  wallet_id: 'w',
  service_id: 's',
  amount: 7,
  currency: 'USD',
  method: 'gateway',
  code: 'payments.not_charged',
  detail: 'A person said so.',
  step: 'reverse_posting',
};

function event(topic: string, position: number, type: string, data: TracedEvent['data']): TracedEvent {
  const identity = `${topic}/0/${position}`;
  return { topic, partition: 0, position, identity, type, tenant: 'acme', at: 0, causation: 'req_1', data };
}

const ASKED = event('authorization', 5, 'payment.compensating', DATA);
const REFUSED = event('ledger', 9, 'posting.refused', { purpose: 'reversal' });
const ASK = {
  type: 'payment.compensating',
  version: 1,
  subject: SUBJECT,
  tenant: 'acme',
  key: 'w',
  data: DATA,
  correlationId: 'cor_1',
  causation: REFUSED.identity,
  traceparent: null,
};
const RETRY: AuditedRetry = { paymentUuid: '', failures: 1, retry: 'set', ask: JSON.stringify(ASK) };
const ASKED_AGAIN = { ...ASKED, position: 6, identity: 'authorization/0/6', causation: REFUSED.identity };

function faultsOf(retry: Partial<AuditedRetry>, events: readonly TracedEvent[] = [ASKED, REFUSED]): number {
  const check = new Check('sagas');
  const timeline: SagaTimeline = { subject: SUBJECT, uuid: '', events, correlationId: 'cor_1' };
  judgeRetry(timeline, { ...RETRY, ...retry }, check);
  return check.report().total;
}

test.each<[string, Partial<AuditedRetry>, (readonly TracedEvent[])?]>([
  ['is not refused yet', { failures: 0, retry: 'none', ask: null }],
  ['waits for its pause', {}],
  ['was asked for again', { retry: 'none' }, [ASKED, REFUSED, ASKED_AGAIN]],
])('what %s is as the logs say', (_title, retry, events) => {
  expect(faultsOf(retry, events)).toBe(0);
});

test.each<[string, Partial<AuditedRetry>]>([
  ['asks for another step', { ask: JSON.stringify({ ...ASK, data: { ...DATA, step: 'refund_charge' } }) }],
  ['asks about another payment', { ask: JSON.stringify({ ...ASK, subject: 'pay_7' }) }],
  ['answers what refused nothing', { ask: JSON.stringify({ ...ASK, causation: 'ledger/0/8' }) }],
  ['is no JSON', { ask: '{' }],
  ['is never asked for', { retry: 'none' }],
  ['is asked for in another century', { retry: 'too_late' }],
  ['was refused more often than the log tells', { failures: 2 }],
  ['has nothing to ask', { ask: null }],
])('a retry that %s is found', (_title, retry) => {
  expect(faultsOf(retry)).toBeGreaterThan(0);
});
