/** The first attempt to charge a payment, as it is being sent, and what decisions about it see. */
import { type Attempt, attemptUuid } from '#services/providers/attempt.ts';
import type { DecisionContext } from '#services/providers/decision-context.ts';
import { routingOf } from '#services/providers/routing.ts';

export const ATTEMPTED_AT = 1_000_000;

export function sendingAttempt({
  subject = 'pay_01h455vb4pex5vsknk084sn02q',
  ...more
}: Partial<Attempt> = {}): Attempt {
  return {
    uuid: attemptUuid(subject, 'charge', 1),
    tenant: 'acme',
    subject,
    key: 'wallet',
    partition: 0,
    kind: 'charge',
    purpose: 'payment',
    chargeUuid: null,
    provider: 'alfa',
    others: ['beta'],
    number: 1,
    amount: 100,
    currency: 'USD',
    state: 'sending',
    exposed: false,
    cancelling: false,
    toldUnknown: false,
    toldUnresolved: false,
    contradictions: [],
    sendBefore: ATTEMPTED_AT,
    dueAt: ATTEMPTED_AT,
    calls: 1,
    heard: 0,
    tries: 0,
    deadlineAt: ATTEMPTED_AT + 50_000,
    correlationId: 'cor',
    traceparent: null,
    cause: 'authorization/0/1',
    providerReference: null,
    createdAt: ATTEMPTED_AT,
    updatedAt: ATTEMPTED_AT,
    ...more,
  };
}

export function deciding(now: number): DecisionContext {
  return {
    now,
    random: () => 0,
    routing: routingOf(
      { providers: [], routes: [] },
      { isAvailable: () => true, hasRoom: () => true, isAwaited: () => true },
    ),
    deadlines: { chargeMs: 60_000, refundMs: 600_000 },
  };
}
