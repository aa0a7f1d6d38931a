/** A batch is decided subject by subject: a clock that had jumped when one was written dates no other. */
import { expect, test } from 'vitest';
import type { LogEvent } from '#platform/log/event.ts';
import { deciding, ATTEMPTED_AT as NOW, sendingAttempt } from '../../../tests/sending-attempt.ts';
import type { Attempt } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { providerConsumer } from './consumer.ts';
import { datedAt, decideReports } from './decide-attempt.ts';
import { CLOCK_SKEW_MS } from './schedule.ts';

const DAY_MS = 86_400_000;
const ONE = 'pay_01h455vb4pex5vsknk084sn02q';
const OTHER = 'pay_01h455vb4pex5vsknk084sn02r';

/** Written by a clock that is so far ahead. */
function written(aheadMs: number): Attempts {
  return new Attempts([
    sendingAttempt({ subject: ONE, updatedAt: NOW + aheadMs }),
    sendingAttempt({ subject: OTHER, updatedAt: NOW }),
  ]);
}

function lost(attempts: Attempts, subject: string) {
  const uuid = attempts.of(subject)[0]?.uuid ?? '';
  const result = { kind: 'unclear', detail: 'lost' } as const;
  return {
    subject,
    uuid,
    report: { from: 'call', operation: 'charge', begunAs: 1, call: 1, result } as const,
  };
}

test('reports: each at its subject’s own instant', () => {
  const attempts = written(DAY_MS);
  decideReports(attempts, [lost(attempts, ONE), lost(attempts, OTHER)], deciding(NOW));
  const [one] = attempts.of(ONE);
  const [other] = attempts.of(OTHER);
  expect(one?.dueAt).toBeGreaterThanOrEqual(NOW + DAY_MS);
  expect(other?.dueAt).toBeLessThan(NOW + 1000);
  expect(other?.toldUnresolved).toBe(false);
});

test.each([
  [0, 0],
  [CLOCK_SKEW_MS - 1, CLOCK_SKEW_MS - 1],
  [CLOCK_SKEW_MS, CLOCK_SKEW_MS],
  [CLOCK_SKEW_MS + 1, 0],
  [DAY_MS, 0],
])('what a batch tells of a subject from %i ms ahead is dated %i ms ahead', (aheadMs, datedMs) => {
  const attempts = written(aheadMs);
  const reports = [lost(attempts, ONE), lost(attempts, OTHER)];
  expect(datedAt(attempts, reports, NOW)).toBe(NOW + datedMs);
});

test('events: a payment begins at its own instant beside one from the future', () => {
  const { routing, ...decisions } = deciding(NOW);
  const consumer = providerConsumer({
    decisions: { ...decisions, routing: { ...routing, routeOf: () => ['alfa'] } },
    rooms: () => new Map([['alfa', 9]]),
    onCommitted: () => undefined,
  });
  const attempts = new Attempts([sendingAttempt({ subject: ONE, updatedAt: NOW + DAY_MS })]);
  const loaded = { attempts, answered: new Set<string>() };
  const { changes } = consumer.decide(loaded, [cancelling(ONE), authorized(OTHER)], NOW);
  const [begun] = changes.begun;
  expect(begun).toMatchObject<Partial<Attempt>>({ subject: OTHER, createdAt: NOW, updatedAt: NOW });
  expect(begun?.deadlineAt).toBe(NOW + 60_000);
});

function cancelling(subject: string): LogEvent {
  return { ...authorized(subject), type: 'payment.cancelling', version: 1 };
}

function authorized(subject: string): LogEvent {
  return {
    topic: 'authorization',
    partition: 0,
    position: 1,
    occurredAt: NOW,
    type: 'payment.authorized',
    version: 2,
    subject,
    tenant: 'acme',
    key: 'wallet',
    data: { wallet_id: 'w', service_id: 's', amount: 100, currency: 'USD', method: 'gateway', hold_id: 'h' },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
  };
}
