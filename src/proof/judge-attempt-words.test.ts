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
const CONTRADICTED = event('providers', 4, 'provider.contradicted', { ...OF_IT, told: 'declined' });

function faultsOf(change: Partial<AuditedAttempt>, ...words: readonly TracedEvent[]): number {
  const attempt: AuditedAttempt = {
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
  const check = new Check('attempts');
  judgeWords({ subject: SUBJECT, events: [AUTHORIZED, ...words] }, [attempt], check);
  return check.report().total;
}

test.each<[string, Partial<AuditedAttempt>, TracedEvent[]]>([
  ['is under way', {}, []],
  ['is to be sent', { state: 'waiting' }, []],
  ['was told of as unknown', { toldUnknown: true }, [UNKNOWN]],
  ['was told of as unresolved', { toldUnresolved: true }, [UNRESOLVED]],
  ['was contradicted', { state: 'approved', contradictions: ['declined'] }, [APPROVED, CONTRADICTED]],
  ['answers a word', { cause: UNKNOWN.identity }, [UNKNOWN]],
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
])('an attempt that %s is found', (_title, change, words) => {
  expect(faultsOf(change, ...words)).toBeGreaterThan(0);
});
