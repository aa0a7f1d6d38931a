/**
 * What an attempt says of the log: which event it answers, by which key its words are told, and what it has told already. What
 * it believes to have told is never told again; under another key its words come into another partition, beside the payment's
 * own events; and what is under way where nothing is asked, or beside another, would charge or give back a second time.
 */
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { openAsksOf } from './asked-attempts.ts';
import { termsOf, textOf } from './event-data.ts';
import { isOpen } from './judge-attempts.ts';
import type { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

type Timeline = Pick<SagaTimeline, 'subject' | 'events'>;

/** Of one payment or refund. */
export function judgeWords(timeline: Timeline, attempts: readonly AuditedAttempt[], check: Check): void {
  if (attempts.length === 0) return;
  const { subject } = timeline;
  for (const attempt of attempts)
    for (const detail of [...originFaults(timeline, attempt), ...tellingFaults(timeline, attempt)])
      check.found({ kind: 'different_attempt', subject, detail });
  for (const detail of [...unaskedFaults(timeline, attempts), ...besideFaults(attempts)])
    check.found({ kind: 'different_attempt', subject, detail });
}

function originFaults({ events }: Timeline, { id, key, cause }: AuditedAttempt): string[] {
  const asked = events.find(({ type }) => type === 'payment.authorized' || type === 'refund.authorized');
  const terms = asked?.data && termsOf(asked.data);
  return [
    ...(terms === undefined || terms.walletId === key
      ? []
      : [`key of ${id} is ${key}, not ${terms.walletId}`]),
    ...(events.some(({ identity }) => identity === cause)
      ? []
      : [`${id} answers ${cause}, which is not about it`]),
  ];
}

const UNRESOLVED = ['provider.unresolved', 'provider.refund_unresolved'];

/** A refund that is made again under another key, or a charge that was lost, is not told of as in doubt a second time. */
function tellingFaults({ events }: Timeline, attempt: AuditedAttempt): string[] {
  const { id, toldUnknown, toldUnresolved, contradictions } = attempt;
  const own = events.filter(({ data }) => textOf(data?.['attempt_id']) === id);
  const isUntold = (told: string): boolean => !own.some((word) => contradicts(word, told));
  return [
    ...(toldUnknown && !own.some(({ type }) => type === 'provider.unknown')
      ? [`${id} is said to be told of as unknown, and no log tells it`]
      : []),
    ...(toldUnresolved && !events.some(({ type }) => UNRESOLVED.includes(type))
      ? [`${id} is said to be told of as unresolved, and no log tells it`]
      : []),
    ...contradictions
      .filter(isUntold)
      .map((told) => `${id} was contradicted by ${told}, and no log tells it`),
  ];
}

function contradicts({ type, data }: TracedEvent, told: string): boolean {
  return type === 'provider.contradicted' && data?.['told'] === told;
}

function unaskedFaults(timeline: Timeline, attempts: readonly AuditedAttempt[]): string[] {
  const purposes: ReadonlySet<string> = new Set(openAsksOf(timeline).map(({ purpose }) => purpose));
  return attempts
    .filter(isUnderWay)
    .filter((attempt) =>
      attempt.purpose === 'unexpected'
        ? !isToBeGivenBack(timeline, attempts, attempt)
        : !purposes.has(attempt.purpose),
    )
    .map(({ id, state }) => `${id} is ${state}, and nothing that was asked is without an end`);
}

/** It is sent, or asked about until it is sent again. So is a refund that has ended, if it is due. */
function isUnderWay(attempt: AuditedAttempt): boolean {
  return isOpen(attempt) || (attempt.kind === 'refund' && attempt.due !== 'none');
}

/** Whether it gives back a charge that its payment did not want, and that nothing has given back. */
function isToBeGivenBack(
  { events }: Timeline,
  attempts: readonly AuditedAttempt[],
  { purpose, chargeId }: AuditedAttempt,
): boolean {
  const isUnwanted = events.some(
    ({ type, data }) => type === 'provider.charged_unexpectedly' && textOf(data?.['attempt_id']) === chargeId,
  );
  const isBack = attempts.some(
    (other) => other.purpose === purpose && other.chargeId === chargeId && other.state === 'refunded',
  );
  return isUnwanted && !isBack;
}

/** For one purpose, and of one charge, the next is begun when the one before it has ended. */
function besideFaults(attempts: readonly AuditedAttempt[]): string[] {
  const underWay = Map.groupBy(
    attempts.filter(isUnderWay),
    ({ purpose, chargeId }) => `${purpose} ${chargeId}`,
  );
  return [...underWay.values()].flatMap(([first, ...others]) =>
    others.map(({ id, state }) => `${id} is ${state} beside ${first?.id}, which is ${first?.state}`),
  );
}
