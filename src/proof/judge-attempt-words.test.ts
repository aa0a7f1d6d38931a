import { expect, test } from 'vitest';
import { idOf, newId, uuidOf } from '#kernel/ids.ts';
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { judgeWords } from './judge-attempt-words.ts';
import { Check } from './report.ts';
import type { TracedEvent } from './traced-event.ts';

const SUBJECT = newId('pay');
const ATTEMPT = idOf('att', uuidOf(newId('att')));
const TERMS = { wallet_id: 'w', service_id: 's', amount: 7, currency: 'USD', method: 'gateway' };

function event(topic: string, position: number, type: string, data: TracedEvent['data']): TracedEvent {
  const identity = `${topic}/0/${position}`;
  return { topic, partition: 0, position, identity, type, tenant: 'acme', at: 0, causation: 'req_1', data };
}

const AUTHORIZED = event('authorization', 1, 'payment.authorized', TERMS);
const OF_IT = { attempt_id: ATTEMPT };
const UNKNOWN = event('providers', 1, 'provider.unknown', OF_IT);
const UNRESOLVED = event('providers', 2, 'provider.unresolved', OF_IT);
const APPROVED = event('providers', 3, 'provider.approved', OF_IT);
const COMPENSATING = event('authorization', 2, 'payment.compensating', { ...TERMS, step: 'refund_charge' });
const REFUNDED = event('providers', 5, 'provider.refunded', OF_IT);
const UNWANTED = event('providers', 6, 'provider.charged_unexpectedly', OF_IT);
const REFUND = { kind: 'refund', chargeId: ATTEMPT } as const;
const CONTRADICTED = event('providers', 4, 'provider.contradicted', { ...OF_IT, told: 'declined' });

function attemptOf(change: Partial<AuditedAttempt>): AuditedAttempt {
  return {
    id: ATTEMPT,
    subject: SUBJECT,
    tenant: 'acme',
    key: 'w',
    partition: 0,
    kind: 'charge',
    purpose: 'payment',
    number: 1,
    provider: 'alfa',
    state: 'pending',
    amount: 7,
    currency: 'USD',
    chargeId: null,
    providerReference: null,
    due: 'set',
    isDeadlineTooLate: false,
    cause: AUTHORIZED.identity,
    toldUnknown: false,
    toldUnresolved: false,
    contradictions: [],
    ...change,
  };
}

function faultsIn(attempts: readonly AuditedAttempt[], words: readonly TracedEvent[]): number {
  const check = new Check('attempts');
  judgeWords({ subject: SUBJECT, events: [AUTHORIZED, ...words] }, attempts, check);
  return check.report().total;
}

function faultsOf(change: Partial<AuditedAttempt>, ...words: readonly TracedEvent[]): number {
  return faultsIn([attemptOf(change)], words);
}

test.each<[string, Partial<AuditedAttempt>, TracedEvent[]]>([
  ['is under way', {}, []],
  ['is to be sent', { state: 'waiting' }, []],
  ['was told of as unknown', { toldUnknown: true }, [UNKNOWN]],
  ['was told of as unresolved', { toldUnresolved: true }, [UNRESOLVED]],
  ['was contradicted', { state: 'approved', contradictions: ['declined'] }, [APPROVED, CONTRADICTED]],
  ['answers a word', { cause: UNKNOWN.identity }, [UNKNOWN]],
  ['gives back what is to be', { ...REFUND, purpose: 'compensation' }, [APPROVED, COMPENSATING]],
  ['gives back what was not wanted', { ...REFUND, purpose: 'unexpected' }, [APPROVED, UNWANTED]],
])('an attempt that %s is as the logs say', (_title, change, words) => {
  expect(faultsOf(change, ...words)).toBe(0);
});

test.each<[string, Partial<AuditedAttempt>, TracedEvent[]]>([
  ['speaks under another key', { key: 'x' }, []],
  ['answers what is not about it', { cause: 'authorization/0/2' }, []],
  ['believes to have told that it is unknown', { toldUnknown: true }, [UNRESOLVED]],
  ['believes to have told that it is unresolved', { toldUnresolved: true }, [UNKNOWN]],
  ['believes to have told of a contradiction', { contradictions: ['approved'] }, [CONTRADICTED]],
  ['is to be sent where the payment is charged', { state: 'waiting' }, [APPROVED]],
  ['is being sent where the payment is charged', { state: 'sending' }, [APPROVED]],
  ['is asked about where the payment is charged', { state: 'unknown' }, [APPROVED]],
  ['gives back what nobody wants back', { ...REFUND, purpose: 'compensation' }, [APPROVED]],
  ['gives back what is back', { ...REFUND, purpose: 'compensation' }, [APPROVED, COMPENSATING, REFUNDED]],
  ['gives back what was wanted', { ...REFUND, purpose: 'unexpected' }, [APPROVED]],
])('an attempt that %s is found', (_title, change, words) => {
  expect(faultsOf(change, ...words)).toBeGreaterThan(0);
});

test.each([
  ['under way', { state: 'pending' }, 1],
  ['back', { state: 'refunded', due: 'none' }, 1],
  ['refused', { state: 'refused', due: 'none' }, 0],
  ['refused, and due again', { state: 'refused', due: 'set' }, 1],
] as const)(
  'a charge is given back by one refund at a time: beside one that is %s',
  (_title, other, faults) => {
    const refund = { ...REFUND, purpose: 'unexpected' } as const;
    const attempts = [attemptOf({ ...refund, ...other }), attemptOf({ ...refund, number: 2 })];
    expect(faultsIn(attempts, [APPROVED, UNWANTED])).toBe(faults);
  },
);

test('two charges are not under way at a time', () => {
  expect(faultsIn([attemptOf({}), attemptOf({ number: 2, state: 'waiting' })], [])).toBe(1);
});
