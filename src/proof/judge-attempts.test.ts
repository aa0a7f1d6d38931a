import { describe, expect, test } from 'vitest';
import { uuidOf } from '#kernel/ids.ts';
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { eventsOn, identityOf } from '../../tests/saga-events.ts';
import { SAGA_PATHS } from '../../tests/saga-paths.ts';
import { judgeAttempts, strayAttempts } from './judge-attempts.ts';
import type { SagaTimeline } from './payment-pages.ts';
import { Check } from './report.ts';

function timelineOn(title: string): SagaTimeline {
  const path = SAGA_PATHS.find((each) => each.title === title);
  if (path === undefined) throw new Error(`no path ${title}`);
  const events = eventsOn(path).map((event) => ({
    ...event,
    identity: identityOf(event),
    at: event.occurredAt,
    data: event.type.startsWith('provider.') ? { number: 1, ...event.data } : event.data,
  }));
  const subject = events[0]?.subject as SagaTimeline['subject'];
  return { subject, uuid: uuidOf(subject), events, correlationId: 'cor_1' };
}

function attempt(change: Partial<AuditedAttempt> = {}): AuditedAttempt {
  return {
    id: 'att_',
    subject: timelineOn('a payment (gateway) approved').subject,
    tenant: 'acme',
    kind: 'charge',
    purpose: 'payment',
    number: 1,
    provider: 'alfa',
    state: 'approved',
    amount: 7,
    currency: 'USD',
    chargeId: null,
    ...change,
  };
}

function kindsOf(title: string, ...attempts: readonly AuditedAttempt[]): string[] {
  const check = new Check('attempts');
  judgeAttempts({ timeline: timelineOn(title), attempts }, check);
  return check.report().findings.map(({ kind }) => kind);
}

describe('an attempt is as the providers’ log tells', () => {
  test.each<[string, Partial<AuditedAttempt>]>([
    ['approved', { state: 'approved' }],
    ['declined by the provider', { state: 'declined' }],
    ['unresolved, and charged as a person says', { state: 'resolved_charged' }],
    ['unresolved, and not charged as a person says', { state: 'resolved_not_charged' }],
    ['cancelled before the charge', { state: 'closed' }],
    ['completed, then reversed', { state: 'reversed' }],
    ['waiting for its provider', { state: 'sending' }],
    ['unknown, then approved', { state: 'approved' }],
    ['approved, and denied by a callback', { state: 'approved' }],
  ])('%s: %j', (title, change) => {
    expect(kindsOf(`a payment (gateway) ${title}`, attempt(change))).toEqual([]);
  });

  test.each<[string, Partial<AuditedAttempt>]>([
    ['approved', { state: 'declined' }],
    ['approved', { provider: 'beta' }],
    ['approved', { number: 2 }],
    ['approved', { amount: 8 }],
    ['approved', { currency: 'EUR' }],
    ['approved', { tenant: 'other' }],
    ['waiting for its provider', { state: 'approved' }],
    ['waiting for its provider', { state: 'closed' }],
    ['declined by the provider', { state: 'reversed' }],
  ])('otherwise it is found: %s, and %j', (title, change) => {
    const kinds = kindsOf(`a payment (gateway) ${title}`, attempt(change));
    expect(new Set(kinds)).toEqual(new Set(['different_attempt']));
  });
});

test('an attempt that is gone is missed', () => {
  expect(kindsOf('a payment (gateway) approved')).toEqual(['missing_attempt']);
});

test('two charges that both stand are found', () => {
  expect(kindsOf('a payment (gateway) approved', attempt(), attempt({ id: 'att_2', number: 2 }))).toContain(
    'charged_twice',
  );
});

test('an attempt about nothing is found', () => {
  const check = new Check('attempts');
  strayAttempts({ timelines: [], attempts: [attempt()] }, check);
  expect(check.report().findings.map(({ kind }) => kind)).toEqual(['extra_attempt']);
});
