/** D4: a deadline between our own services raises a finding, and nothing else. */
import { expect, test } from 'vitest';
import { balancePayment } from '#sagas/balance-payment.ts';
import { overdueStages } from './overdue-stages.ts';
import type { SeenEvent } from './seen-event.ts';

const PAYMENT = 'pay_01h455vb4pex5vsknk084sn02q';
const AT = 1_700_000_000_000;
const CHARGED = [
  'payment.requested',
  'payment.validated',
  'payment.authorized',
  'provider.approved',
  'payment.charged',
] as const;

/** Each caused by the one before it. */
function line(method: 'balance' | 'gateway', ...types: readonly string[]): SeenEvent[] {
  return types.map((type, index) => ({
    type,
    identity: `topic/0/${index + 1}`,
    at: AT,
    causation: index === 0 ? 'req_1' : `topic/0/${index}`,
    terms: null,
    ...(index === 0 && method === 'gateway' ? { mark: method } : {}),
  }));
}

function kinds(seen: readonly SeenEvent[], afterMs: number): string[] {
  return overdueStages(PAYMENT, seen, AT + afterMs).map(({ kind, event }) => `${kind} ${event}`);
}

test('a stage of ours is overdue when its time has passed, not before', () => {
  const [validation] = balancePayment.stages;
  const seen = line('balance', 'payment.requested');
  expect(kinds(seen, validation?.deadlineMs ?? 0)).toEqual([]);
  expect(kinds(seen, (validation?.deadlineMs ?? 0) + 1)).toEqual(['overdue_stage topic/0/1']);
});

test('what waits for a provider is never overdue: the providers’ service says so itself', () => {
  const seen = line('gateway', 'payment.requested', 'payment.validated', 'payment.authorized');
  expect(kinds(seen, 86_400_000)).toEqual([]);
});

test('a stage that answered is not overdue', () => {
  const seen = line('balance', 'payment.requested', 'payment.validated');
  expect(kinds(seen, 86_400_000)).toEqual(['overdue_stage topic/0/2']);
});

test('a refused counter-entry, which is asked for again after a pause, is not overdue; a refused posting is', () => {
  const refused = line('gateway', ...CHARGED, 'posting.refused');
  expect(kinds(refused, 86_400_000)).toEqual(['overdue_stage topic/0/6']);
  const asked = line('gateway', ...CHARGED, 'posting.refused', 'payment.compensating', 'posting.refused');
  const again = asked.map((event) =>
    event.type === 'payment.compensating' ? { ...event, mark: 'reverse_posting' } : event,
  );
  expect(kinds(again, 86_400_000)).toEqual([]);
});

test('the finding names the stage, who owes it, and since when', () => {
  const [finding] = overdueStages(PAYMENT, line('balance', 'payment.requested'), AT + 60_000);
  expect(finding?.detail).toBe(
    'validation is due at validation since 2023-11-14T22:13:20.000Z; it has 5000 ms.',
  );
});
