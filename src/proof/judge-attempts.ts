/**
 * Attempts at providers against the logs: each word of theirs has its attempt, each attempt is in a state that the words
 * about it make possible, and what was asked of them and has no end has an attempt under way, on the terms that were asked
 * and with a time at which it goes on. Row and word are of one commit, so in one snapshot nothing is ahead.
 */
import { type AuditedAttempt, UNEXPECTED_REFUNDS_MAX } from '#services/providers/contract.ts';
import { type Ask, openAsksOf, unwantedCharges } from './asked-attempts.ts';
import { textOf, toldTermsOf } from './event-data.ts';
import type { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

/** The states that an attempt can be in after a word about it; of other words nothing follows. */
const STATES_AFTER: Readonly<Record<string, readonly string[]>> = {
  'provider.approved': ['approved', 'reversed'],
  'provider.declined': ['declined', 'unexpected'],
  'provider.closed': ['closed', 'unexpected'],
  'provider.charged_unexpectedly': ['unexpected'],
  'provider.refunded': ['refunded'],
  'provider.unexpected_charge_refunded': ['refunded'],
  'provider.refund_refused': ['refused'],
};

/** Words of which one stands behind each such state: about the attempt, or about the payment as a whole. */
const WORDS_BEFORE: Readonly<Record<string, readonly string[]>> = {
  approved: ['provider.approved', 'provider.resolved'],
  declined: ['provider.declined', 'provider.cancelled'],
  closed: ['provider.closed', 'provider.cancelled', 'provider.exhausted'],
  unexpected: ['provider.charged_unexpectedly'],
  reversed: ['provider.resolved'],
  resolved_charged: ['provider.resolved'],
  resolved_not_charged: ['provider.resolved'],
  resolved: ['provider.resolved'],
  refunded: ['provider.refunded', 'provider.unexpected_charge_refunded'],
};

/** The states of an attempt that is under way. */
const OPEN: ReadonlySet<string> = new Set(['waiting', 'sending', 'pending', 'unknown', 'voiding']);

export interface AttemptsOfSaga {
  readonly timeline: SagaTimeline;
  /** Those about it. */
  readonly attempts: readonly AuditedAttempt[];
  /** Whether the providers have taken up what was asked: neither behind, nor made by a person to pass over it. */
  readonly isTakenUp: (ask: Ask) => boolean;
}

/** Of one payment or refund. */
export function judgeAttempts(saga: AttemptsOfSaga, check: Check): void {
  const { timeline, attempts } = saga;
  check.looked(attempts.length);
  const { subject } = timeline;
  for (const detail of missingIn(saga)) check.found({ kind: 'missing_attempt', subject, detail });
  for (const attempt of attempts) {
    for (const detail of differencesOf(attempt, timeline))
      check.found({ kind: 'different_attempt', subject, detail });
    for (const detail of stallsOf(attempt)) check.found({ kind: 'stalled_attempt', subject, detail });
  }
  if (attempts.filter(({ state }) => state === 'approved').length > 1)
    check.found({
      kind: 'charged_twice',
      subject,
      detail: 'more than one attempt to charge it stands as approved',
    });
}

function wordsOf({ events }: SagaTimeline): TracedEvent[] {
  return events.filter(({ topic }) => topic === 'providers');
}

function missingIn(saga: AttemptsOfSaga): string[] {
  const told = wordsOf(saga.timeline).flatMap(({ type, identity, data }) => {
    const id = textOf(data?.['attempt_id']);
    if (id === null || saga.attempts.some((attempt) => attempt.id === id)) return [];
    return [`${type} at ${identity} tells of ${id}, the table does not have it`];
  });
  return [...told, ...gapsIn(saga.attempts), ...lostAsks(saga), ...keptCharges(saga)];
}

/** Of each kind they are counted from 1: of one that was closed no word tells, and it may have charged all the same. */
function gapsIn(attempts: readonly AuditedAttempt[]): string[] {
  return (['charge', 'refund'] as const).flatMap((kind) => {
    const numbers = attempts.filter((attempt) => attempt.kind === kind).map(({ number }) => number);
    const last = Math.max(0, ...numbers);
    return numbers.length >= last
      ? []
      : [`${numbers.length} attempts at a ${kind} are there, one is number ${last}`];
  });
}

/** An end that no word tells of is found as such: the attempt is there. */
function lostAsks({ timeline, attempts, isTakenUp }: AttemptsOfSaga): string[] {
  return openAsksOf(timeline).flatMap((ask) => {
    const { event, purpose } = ask;
    const stands = attempts.some(
      (attempt) => attempt.purpose === purpose && (isOpen(attempt) || !isTold(attempt, timeline)),
    );
    if (stands || !isTakenUp(ask)) return [];
    return [
      `providers passed ${event.type} at ${event.identity}; no word of theirs ends it, and no attempt is under way`,
    ];
  });
}

/** Each is given back, until its provider has refused that for good. */
function keptCharges({ timeline, attempts }: AttemptsOfSaga): string[] {
  const givingBack = attempts.filter(({ purpose }) => purpose === 'unexpected');
  if (givingBack.length >= UNEXPECTED_REFUNDS_MAX) return [];
  return [...unwantedCharges(timeline)].flatMap(([id, { type, identity }]) => {
    const stands = givingBack.some(
      (attempt) => attempt.chargeId === id && (isOpen(attempt) || !isTold(attempt, timeline)),
    );
    return stands
      ? []
      : [`${type} at ${identity} tells of ${id}, and no attempt is under way to give it back`];
  });
}

export function isOpen({ state }: AuditedAttempt): boolean {
  return OPEN.has(state);
}

/** Whether some word makes its state possible. Those of open attempts, and of refunds that were refused, need none. */
function isTold(attempt: AuditedAttempt, timeline: SagaTimeline): boolean {
  const before = WORDS_BEFORE[attempt.state];
  return (
    before === undefined ||
    wordsOf(timeline).some((word) => before.includes(word.type) && isAbout(word, attempt))
  );
}

/** Each once: words and what was asked may tell the same. */
function differencesOf(attempt: AuditedAttempt, timeline: SagaTimeline): readonly string[] {
  const own = wordsOf(timeline).filter(({ data }) => textOf(data?.['attempt_id']) === attempt.id);
  const found = [...own.flatMap((word) => contradictionsOf(attempt, word)), ...againstAsk(attempt, timeline)];
  if (!isTold(attempt, timeline))
    found.push(`${attempt.id} at ${attempt.provider} is ${attempt.state}, and no log says so`);
  return [...new Set(found)];
}

/** All attempts about a subject are about the money that was authorized, and are worked on where its events are. */
function againstAsk(attempt: AuditedAttempt, { events }: SagaTimeline): string[] {
  const asked = events.find(({ type }) => type === 'payment.authorized' || type === 'refund.authorized');
  const terms = asked?.data && toldTermsOf(asked.data);
  if (asked === undefined || terms === undefined || terms === 'none') return [];
  return wrongIn(attempt, [
    ['tenant', attempt.tenant, asked.tenant],
    ['partition', attempt.partition, asked.partition],
    ['amount', attempt.amount, terms.amountMinor],
    ['currency', attempt.currency, terms.currency],
  ]);
}

/** Nobody would ever look at it again, or not before it is far too late. */
function stallsOf(attempt: AuditedAttempt): string[] {
  if (!isOpen(attempt)) return [];
  const { id, state, due, isDeadlineTooLate } = attempt;
  return [
    ...(due === 'none' ? [`${id} is ${state}, and nothing is ever due`] : []),
    ...(due === 'too_late' ? [`${id} is ${state}, and due later than anything ever is`] : []),
    ...(isDeadlineTooLate ? [`${id} is ${state}, and has a deadline later than any`] : []),
  ];
}

function contradictionsOf(
  attempt: AuditedAttempt,
  { type, identity, tenant, data = {} }: TracedEvent,
): string[] {
  const terms = toldTermsOf(data);
  const { amountMinor = attempt.amount, currency = attempt.currency } =
    terms === undefined || terms === 'none' ? {} : terms;
  // Words that say that money moved say what the provider calls it.
  const { provider_reference: told = attempt.providerReference } = data;
  const wrong = wrongIn(attempt, [
    ['tenant', attempt.tenant, tenant],
    ['provider', attempt.provider, data['provider']],
    ['number', attempt.number, data['number']],
    ['amount', attempt.amount, amountMinor],
    ['currency', attempt.currency, currency],
    ['provider_reference', attempt.providerReference, told],
  ]);
  const states = STATES_AFTER[type];
  if (states === undefined || states.includes(attempt.state)) return wrong;
  return [...wrong, `${attempt.id} is ${attempt.state} after ${type} at ${identity}`];
}

function wrongIn(
  { id }: AuditedAttempt,
  pairs: readonly (readonly [name: string, actual: unknown, expected: unknown])[],
): string[] {
  return pairs
    .filter(([, is, should]) => is !== should)
    .map(([name, is, should]) => `${name} of ${id} is ${String(is)}, not ${String(should)}`);
}

/** Words without an attempt are about the payment as a whole. */
function isAbout({ data }: TracedEvent, { id }: AuditedAttempt): boolean {
  const told = textOf(data?.['attempt_id']);
  return told === null || told === id;
}

/** Attempts of subjects that no log of providers' words or payments knows. */
export function strayAttempts(
  {
    timelines,
    attempts,
  }: { readonly timelines: readonly SagaTimeline[]; readonly attempts: readonly AuditedAttempt[] },
  check: Check,
): void {
  const known = new Set<string>(timelines.map(({ subject }) => subject));
  for (const { id, subject } of attempts.filter((attempt) => !known.has(attempt.subject))) {
    check.found({ kind: 'extra_attempt', subject, detail: `${id} is about what no log tells of` });
  }
}
