/** What the tables must say of a payment, from its events. */
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { entryOf, type Terms, termsOf, textOf } from './event-data.ts';
import type { SagaJudgement, TracedEvent } from './judge-saga.ts';
import type { PaymentTimeline } from './payment-pages.ts';

/** Undefined if the log has no request, or none that can be read. */
export function expectedPayment(timeline: PaymentTimeline): ExpectedRow | undefined {
  const requested = find(timeline, balancePayment.begins);
  const terms = termsIn(requested);
  if (requested === undefined || terms === undefined) return undefined;
  const { reference, description, metadata } = requested.data ?? {};
  const told = lastStatus(timeline);
  return {
    tenant: requested.tenant,
    id: timeline.uuid,
    ...termColumns(terms),
    reference: textOf(reference),
    description: textOf(description),
    metadata: metadata === undefined || metadata === null ? null : JSON.stringify(metadata),
    status: told?.status ?? 'pending',
    failure_code: textOf(told?.event.data?.['code']),
    failure_detail: textOf(told?.event.data?.['detail']),
    correlation_id: timeline.correlationId ?? null,
    created_at: requested.at,
    updated_at: told?.event.at ?? requested.at,
  };
}

/** The status that the events give: an ending if there is one. */
function lastStatus(
  timeline: PaymentTimeline,
): { readonly status: string; readonly event: TracedEvent } | undefined {
  for (const event of timeline.events) {
    const status = balancePayment.endings[event.type];
    if (status !== undefined) return { status, event };
  }
  const authorized = find(timeline, 'payment.authorized');
  return authorized === undefined ? undefined : { status: 'authorized', event: authorized };
}

/** Whose endings free the reference. Any other payment holds it, whatever becomes of it yet (U2). */
const UNPAID = new Set(['rejected', 'declined', 'cancelled', 'failed', 'compensated']);

/** The ending without money moved, if the events have one. */
export function unpaidEnding({ events }: PaymentTimeline): TracedEvent | undefined {
  return events.find(({ type }) => UNPAID.has(balancePayment.endings[type] ?? ''));
}

/** The reference that the request names; undefined if it names none. */
export function namedReference(timeline: PaymentTimeline): ExpectedRow | undefined {
  const requested = find(timeline, balancePayment.begins);
  const terms = termsIn(requested);
  const reference = textOf(requested?.data?.['reference']);
  if (requested === undefined || terms === undefined || reference === null) return undefined;
  return {
    tenant: requested.tenant,
    wallet_id: terms.walletId,
    service_id: terms.serviceId,
    reference,
    payment_id: timeline.uuid,
  };
}

/** Key and reference are of one commit with the request, and stay until an unpaid ending. */
export function expectedReference(timeline: PaymentTimeline): ExpectedRow | undefined {
  return unpaidEnding(timeline) === undefined ? namedReference(timeline) : undefined;
}

/** A hold is placed with payment.authorized, captured with the entry, released with payment.failed. */
export function expectedHold(timeline: PaymentTimeline): ExpectedRow | undefined {
  const authorized = find(timeline, 'payment.authorized');
  const terms = termsIn(authorized);
  if (authorized === undefined || terms === undefined) return undefined;
  const captured = find(timeline, 'entry.posted');
  const released = find(timeline, 'payment.failed');
  return {
    id: timeline.uuid,
    tenant: authorized.tenant,
    account_id: terms.walletId,
    amount: terms.amountMinor,
    state: captured !== undefined ? 'captured' : released !== undefined ? 'released' : 'open',
    opened_at: authorized.at,
    closed_at: (captured ?? released)?.at ?? null,
  };
}

const SAGA_STATES = [
  ['payment.completed', 'completed'],
  ['payment.failed', 'failed'],
  ['payment.declined', 'declined'],
  ['payment.authorized', 'authorized'],
] as const;

/** The coordinator's row: how far its own events say it has come. */
export function expectedSaga(timeline: PaymentTimeline): ExpectedRow | undefined {
  for (const [type, state] of SAGA_STATES) {
    const event = find(timeline, type);
    const terms = termsIn(event);
    if (terms !== undefined) return { payment_id: timeline.uuid, state, ...termColumns(terms) };
  }
  return undefined;
}

/** Undefined as long as the saga runs. */
export function expectedVerdict(
  timeline: PaymentTimeline,
  judgement: SagaJudgement,
): ExpectedRow | undefined {
  if (!judgement.ended && !judgement.repeats) return undefined;
  const complete = judgement.faults.length === 0;
  return {
    subject: timeline.subject,
    tenant: timeline.events[0]?.tenant ?? null,
    verdict: complete ? 'complete' : 'broken',
    stages: complete
      ? JSON.stringify(judgement.line.map(({ type, identity, at }) => [type, identity, at]))
      : null,
    sound: 'yes',
  };
}

/** Entries whose ids are in the range of their causes: all of payments that there are. */
export function expectedEntries(timeline: PaymentTimeline): ExpectedRow[] {
  return timeline.events.flatMap(({ type, tenant, data }) => {
    const entry = type === 'entry.posted' && data !== undefined ? entryOf(tenant, data) : undefined;
    return entry?.purpose === 'payment' ? { id: entry.uuid, purpose: 'payment' } : [];
  });
}

export interface ExpectedNotification {
  readonly tenant: string;
  readonly subject: string;
  readonly type: string;
  readonly id: string | null;
  readonly createdAt: number;
  /** The event it tells of; undefined if it is not there. */
  readonly ending: TracedEvent | undefined;
}

/** One for each notification.queued: row and event are of one commit. */
export function expectedNotifications(timeline: PaymentTimeline): ExpectedNotification[] {
  return timeline.events
    .filter(({ type }) => type === 'notification.queued')
    .map(({ tenant, data, at, causation }) => ({
      tenant,
      subject: timeline.subject,
      type: textOf(data?.['about']) ?? '',
      id: textOf(data?.['notification_id']),
      createdAt: at,
      ending: timeline.events.find(({ identity }) => identity === causation),
    }));
}

function find(timeline: PaymentTimeline, type: string): TracedEvent | undefined {
  return timeline.events.find((event) => event.type === type);
}

function termsIn(event: TracedEvent | undefined): Terms | undefined {
  return event?.data === undefined ? undefined : termsOf(event.data);
}

function termColumns({ walletId, serviceId, amountMinor, currency, method }: Terms): ExpectedRow {
  return { wallet_id: walletId, service_id: serviceId, amount: amountMinor, currency, method };
}
