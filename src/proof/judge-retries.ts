/**
 * What is asked for again while a payment is being undone: the row keeps the event that will be appended, so it must be the one
 * that was asked for before, caused by a refusal that stands in the ledger's log, at a time that comes.
 */
import type { AuditedRetry } from '#services/authorization/contract.ts';
import { parseData, termsOf, textOf } from './event-data.ts';
import { lastCompensating } from './expected-sagas.ts';
import type { Check } from './report.ts';
import type { SagaTimeline } from './saga-timelines.ts';

/** Of one payment. */
export function judgeRetry(timeline: SagaTimeline, retry: AuditedRetry, check: Check): void {
  for (const detail of faultsOf(timeline, retry))
    check.found({ kind: 'different_compensation', subject: timeline.subject, detail });
}

function faultsOf(timeline: SagaTimeline, { failures, retry, ask }: AuditedRetry): string[] {
  const refused = refusals(timeline);
  if (ask === null)
    return failures === 0 && retry === 'none'
      ? []
      : ['it is to be asked for again, and nothing is to be asked'];
  const cause = textOf(parseData(ask)?.['causation']);
  return [
    ...(ask.startsWith(`${askedBefore(timeline)},"correlationId":"`)
      ? []
      : ['ask is not what was asked for before']),
    ...(cause !== null && refused.includes(cause)
      ? []
      : [`ask answers ${cause}, by which nothing was refused`]),
    ...(failures >= 1 && failures <= refused.length
      ? []
      : [`failures is ${failures}, it was refused ${refused.length} times`]),
    ...(retry === 'too_late' ? ['retry_at is later than any pause'] : []),
    ...(retry === 'none' && !isAsked(timeline, cause)
      ? ['retry_at is not there, and it was not asked for']
      : []),
  ];
}

function refusals({ events }: SagaTimeline): string[] {
  return events
    .filter(({ type, data }) => type === 'posting.refused' && data?.['purpose'] === 'reversal')
    .map(({ identity }) => identity);
}

/** The event as it was appended, up to its data: what comes behind tells of the refusal. */
function askedBefore(timeline: SagaTimeline): string {
  const asked = lastCompensating(timeline);
  if (asked?.data === undefined) return '';
  const { type, tenant, data } = asked;
  const key = termsOf(data)?.walletId;
  return JSON.stringify({ type, version: 1, subject: timeline.subject, tenant, key, data }).slice(0, -1);
}

/** It was, or a person was told that it is refused too often. */
function isAsked({ events }: SagaTimeline, cause: string | null): boolean {
  return events.some(({ topic, causation }) => topic === 'authorization' && causation === cause);
}
