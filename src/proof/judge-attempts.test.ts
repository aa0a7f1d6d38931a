import { describe, expect, test } from 'vitest';
import { uuidOf } from '#kernel/ids.ts';
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { eventsOn, identityOf } from '../../tests/saga-events.ts';
import { SAGA_PATHS } from '../../tests/saga-paths.ts';
import { judgeAttempts, strayAttempts } from './judge-attempts.ts';
import { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';

/** What the provider calls a charge; other words than its approval are silent about it. */
const REFERENCES: Readonly<Record<string, object>> = { 'provider.approved': { provider_reference: 'ch_1' } };

/** `a way …, up to an event`: the way's beginning. */
function timelineOn(way: string): SagaTimeline {
  const [title, upTo = ''] = way.split(', up to ');
  const path = SAGA_PATHS.find((each) => each.title === title);
  if (path === undefined) throw new Error(`no path ${title}`);
  const end = upTo === '' ? path.events.length : path.events.findIndex((event) => event.startsWith(upTo)) + 1;
  const events = eventsOn({ ...path, events: path.events.slice(0, end) }).map((event) => ({
    ...event,
    identity: identityOf(event),
    at: event.occurredAt,
    data: event.type.startsWith('provider.')
      ? { number: 1, ...event.data, ...REFERENCES[event.type] }
      : event.data,
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
    providerReference: 'ch_1',
    partition: 0,
    due: 'set',
    isDeadlineTooLate: false,
    key: 'w',
    cause: 'authorization/0/1',
    toldUnknown: false,
    toldUnresolved: false,
    contradictions: [],
    ...change,
  };
}

function kindsOf(title: string, ...attempts: readonly AuditedAttempt[]): string[] {
  const check = new Check('attempts');
  judgeAttempts({ timeline: timelineOn(title), attempts, isTakenUp: () => true }, check);
  return check.report().findings.map(({ kind }) => kind);
}

function refund(change: Partial<AuditedAttempt> = {}): AuditedAttempt {
  const { subject } = timelineOn('a refund (gateway) completed');
  return attempt({ subject, kind: 'refund', purpose: 'refund', state: 'pending', ...change });
}

describe('an attempt is as the providers’ log tells', () => {
  test.each<[string, Partial<AuditedAttempt>]>([
    ['approved', { state: 'approved' }],
    ['declined by the provider', { state: 'declined' }],
    ['unresolved, and charged as a person says', { state: 'resolved_charged' }],
    ['unresolved, and not charged as a person says', { state: 'resolved_not_charged' }],
    ['cancelled before the charge', { state: 'closed' }],
    ['completed, then reversed', { state: 'reversed' }],
    ['waiting for its provider', { state: 'sending', providerReference: null }],
    ['unknown, then approved', { state: 'approved' }],
    ['approved, and denied by a callback', { state: 'approved' }],
  ])('%s: %j', (title, change) => {
    expect(kindsOf(`a payment (gateway) ${title}`, attempt(change))).toEqual([]);
  });

  test.each<[string, Partial<AuditedAttempt>]>([
    ['approved', { state: 'declined' }],
    ['approved', { provider: 'beta' }],
    ['approved', { number: 0 }],
    ['approved', { amount: 8 }],
    ['approved', { currency: 'EUR' }],
    ['approved', { tenant: 'other' }],
    ['approved', { providerReference: 'ch_2' }],
    ['approved', { providerReference: null }],
    ['waiting for its provider', { state: 'approved' }],
    ['waiting for its provider', { state: 'closed' }],
    ['declined by the provider', { state: 'reversed' }],
    ['waiting for its provider', { state: 'pending', amount: 1 }],
    ['waiting for its provider', { state: 'pending', currency: 'EUR' }],
    ['waiting for its provider', { state: 'pending', tenant: 'other' }],
    ['waiting for its provider', { state: 'pending', partition: 1 }],
  ])('otherwise it is found: %s, and %j', (title, change) => {
    const kinds = kindsOf(`a payment (gateway) ${title}`, attempt(change));
    expect(new Set(kinds)).toEqual(new Set(['different_attempt']));
  });
});

test('an attempt that is gone is missed', () => {
  expect(kindsOf('a payment (gateway) approved')).toEqual(['missing_attempt']);
});

test('so is one before another, of which no word tells', () => {
  expect(kindsOf('a payment (gateway) approved', attempt())).toEqual([]);
  expect(kindsOf('a payment (gateway) unknown, closed, and approved by the next provider')).toContain(
    'missing_attempt',
  );
  const next = attempt({ id: 'att_2', number: 2, state: 'closed' });
  expect(kindsOf('a payment (gateway) cancelled before the charge', next)).toEqual(
    expect.arrayContaining(['missing_attempt']),
  );
});

const TWICE = 'a payment (gateway) approved, and charged by another provider too';
const ENDED = [attempt({ id: 'att_1', state: 'closed' })];

describe('what is asked of a provider and has no end has an attempt under way (AA1)', () => {
  test.each<[string, readonly AuditedAttempt[]]>([
    ['a payment (gateway) waiting for its provider', []],
    ['a payment (gateway) waiting for its provider', [attempt({ purpose: 'unexpected', state: 'pending' })]],
    ['a payment (gateway) cancelled before the charge, up to payment.cancelling', []],
    ['a payment (gateway) unknown, closed, and approved by the next provider, up to provider.closed', ENDED],
    ['a payment (gateway) waiting for the provider to give back', [attempt()]],
    [
      'a payment (gateway) waiting for the provider to give back',
      [attempt(), refund({ purpose: 'compensation', state: 'refused' })],
    ],
    [`${TWICE}, up to provider.charged_unexpectedly`, [attempt({ state: 'unexpected' })]],
    ['a refund (gateway) completed, up to refund.authorized', []],
    ['a refund (gateway) completed, up to refund.authorized', [refund({ state: 'refused' })]],
  ])('%s', (title, attempts) => {
    expect(kindsOf(title, ...attempts)).toContain('missing_attempt');
  });

  test.each<[string, readonly AuditedAttempt[]]>([
    [
      'a payment (gateway) cancelled before the charge, up to payment.cancelling',
      [attempt({ state: 'voiding' })],
    ],
    [
      'a payment (gateway) unknown, closed, and approved by the next provider, up to provider.closed',
      [...ENDED, attempt({ id: 'att_2', number: 2, state: 'waiting' })],
    ],
    [
      'a payment (gateway) waiting for the provider to give back',
      [attempt(), refund({ id: 'att_2', purpose: 'compensation', state: 'sending' })],
    ],
    ['a refund (gateway) completed, up to refund.authorized', [refund({ state: 'pending' })]],
    [
      `${TWICE}, up to provider.charged_unexpectedly`,
      [
        attempt({ state: 'unexpected' }),
        refund({ id: 'att_2', purpose: 'unexpected', state: 'sending', chargeId: 'att_' }),
      ],
    ],
  ])('%s, and it is there', (title, attempts) => {
    expect(kindsOf(title, ...attempts)).not.toContain('missing_attempt');
  });

  test('what its group has not taken up is not missing', () => {
    const check = new Check('attempts');
    const timeline = timelineOn('a payment (gateway) waiting for its provider');
    judgeAttempts({ timeline, attempts: [], isTakenUp: () => false }, check);
    expect(check.report().findings).toEqual([]);
  });

  test('an attempt that stands falsely as ended is found as that, once', () => {
    const kinds = kindsOf('a payment (gateway) waiting for its provider', attempt({ state: 'closed' }));
    expect(kinds).toEqual(['different_attempt']);
  });
});

test.each<[string, Partial<AuditedAttempt>]>([
  ['nothing due', { due: 'none' }],
  ['due far too late', { due: 'too_late' }],
  ['a deadline far too late', { isDeadlineTooLate: true }],
])('an attempt under way with %s is found', (_what, change) => {
  const title = 'a payment (gateway) waiting for its provider';
  expect(kindsOf(title, attempt({ state: 'pending', ...change }))).toEqual(['stalled_attempt']);
  expect(kindsOf('a payment (gateway) approved', attempt(change))).toEqual([]);
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
