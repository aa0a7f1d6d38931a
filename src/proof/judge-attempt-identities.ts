/**
 * What an attempt is, and what it gives back: its id is made of its subject, kind and number, and what a refund gives back is
 * an attempt to charge the very payment. A provider does what it is asked: to give back the charge of another, or to charge
 * where it should give back.
 */
import { derivedUuid } from '#kernel/derived-uuid.ts';
import { idOf } from '#kernel/ids.ts';
import type { AuditedAttempt } from '#services/providers/contract.ts';
import { textOf } from './event-data.ts';
import type { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';

/** A payment has no attempt of a higher number. */
const NUMBER_MAX = 1000;

/** Of one payment or refund. */
export function judgeIdentities(
  { subject, events }: Pick<SagaTimeline, 'subject' | 'events'>,
  attempts: readonly AuditedAttempt[],
  check: Check,
): void {
  if (attempts.length === 0) return;
  const payment = subject.startsWith('pay_')
    ? subject
    : events.map(({ data }) => textOf(data?.['payment_id'])).find((id) => id !== null);
  for (const attempt of attempts)
    for (const detail of [...ownFaults(attempt), ...chargeFaults(attempt, payment)])
      check.found({ kind: 'different_attempt', subject, detail });
}

function ownFaults({ id, subject, kind, number, purpose }: AuditedAttempt): string[] {
  return [
    ...(id === attemptIdOf(subject, kind, number)
      ? []
      : [`${id} is not the ${kind} ${number} of ${subject}`]),
    ...((kind === 'charge') === (purpose === 'payment') ? [] : [`${id} is a ${kind} for a ${purpose}`]),
  ];
}

/** A refund without a charge ends as it begins. Of a refund whose events are gone the payment is not known. */
function chargeFaults({ id, kind, chargeId }: AuditedAttempt, payment: string | undefined): string[] {
  if (chargeId === null || payment === undefined) return [];
  if (kind === 'charge') return [`${id} charges, and has a charge to give back`];
  for (let number = 1; number <= NUMBER_MAX; number++)
    if (attemptIdOf(payment, 'charge', number) === chargeId) return [];
  return [`${id} gives back ${chargeId}, which is no charge of ${payment}`];
}

function attemptIdOf(subject: string, kind: string, number: number): string {
  return idOf('att', derivedUuid('attempt', subject, kind, String(number)));
}
