/**
 * Attempts at providers against the providers' own log: each word has its attempt, and each attempt is in a state that the
 * words about it make possible. Row and word are of one commit, so in one snapshot nothing is ahead.
 */
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { textOf, toldTermsOf } from './event-data.ts';
import type { SagaTimeline } from './payment-pages.ts';
import type { Check } from './report.ts';
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

/** Of one payment or refund; `attempts`: those about it. */
export function judgeAttempts(
  { timeline, attempts }: { readonly timeline: SagaTimeline; readonly attempts: readonly AuditedAttempt[] },
  check: Check,
): void {
  check.looked(attempts.length);
  const words = timeline.events.filter(({ topic }) => topic === 'providers');
  const byId = new Map(attempts.map((attempt) => [attempt.id, attempt]));
  const { subject } = timeline;
  for (const word of words) {
    const id = textOf(word.data?.['attempt_id']);
    if (id === null) continue;
    const attempt = byId.get(id);
    if (attempt === undefined) {
      const detail = `${word.type} at ${word.identity} tells of ${id}, the table does not have it`;
      check.found({ kind: 'missing_attempt', subject, detail });
    } else {
      for (const detail of contradictionsOf(attempt, word))
        check.found({ kind: 'different_attempt', subject, detail });
    }
  }
  for (const attempt of attempts) {
    const before = WORDS_BEFORE[attempt.state];
    if (before === undefined || words.some((word) => before.includes(word.type) && isAbout(word, attempt)))
      continue;
    const detail = `${attempt.id} at ${attempt.provider} is ${attempt.state}, and no log says so`;
    check.found({ kind: 'different_attempt', subject, detail });
  }
  if (attempts.filter(({ state }) => state === 'approved').length > 1)
    check.found({
      kind: 'charged_twice',
      subject,
      detail: 'more than one attempt to charge it stands as approved',
    });
}

function contradictionsOf(
  attempt: AuditedAttempt,
  { type, identity, tenant, data = {} }: TracedEvent,
): string[] {
  const terms = toldTermsOf(data);
  const { amountMinor = attempt.amount, currency = attempt.currency } =
    terms === undefined || terms === 'none' ? {} : terms;
  const pairs: readonly (readonly [name: string, actual: unknown, expected: unknown])[] = [
    ['tenant', attempt.tenant, tenant],
    ['provider', attempt.provider, data['provider']],
    ['number', attempt.number, data['number']],
    ['amount', attempt.amount, amountMinor],
    ['currency', attempt.currency, currency],
  ];
  const wrong = pairs
    .filter(([, is, should]) => is !== should)
    .map(([name, is, should]) => `${name} of ${attempt.id} is ${String(is)}, not ${String(should)}`);
  const states = STATES_AFTER[type];
  if (states === undefined || states.includes(attempt.state)) return wrong;
  return [...wrong, `${attempt.id} is ${attempt.state} after ${type} at ${identity}`];
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
