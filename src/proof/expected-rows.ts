/** What the tables must say of a payment or refund, from its events. */
import { uuidOf } from '#kernel/ids.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { PAYMENT_SAGAS, REFUND_SAGAS } from '#sagas/definitions.ts';
import type { SagaDefinition } from '#sagas/saga.ts';
import { entryOf, refundedPaymentOf, type Terms, termsOf, textOf } from './event-data.ts';
import type { SagaJudgement } from './judge-saga.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

/** Undefined if the log has no request, or none that can be read. */
export function expectedPayment(timeline: SagaTimeline): ExpectedRow | undefined {
  const requested = find(timeline, REQUESTED);
  const terms = termsIn(requested);
  if (requested === undefined || terms === undefined) return undefined;
  const { reference, description, metadata } = requested.data ?? {};
  const last = lastOf(timeline, TOLD);
  return {
    tenant: requested.tenant,
    id: timeline.uuid,
    ...termColumns(terms),
    reference: textOf(reference),
    description: textOf(description),
    metadata: metadata === undefined || metadata === null ? null : JSON.stringify(metadata),
    status: STATUSES.get(lastOf(timeline, STATUSES)?.type ?? '') ?? 'pending',
    failure_code: textOf(last?.data?.['code']),
    failure_detail: textOf(last?.data?.['detail']),
    correlation_id: timeline.correlationId ?? null,
    created_at: requested.at,
    updated_at: last?.at ?? requested.at,
    status_position: coordinatorsPosition(last),
  };
}

/** A refund's row; undefined if the log has no request of it, or none that can be read. */
export function expectedRefund(timeline: SagaTimeline): ExpectedRow | undefined {
  const requested = find(timeline, REFUND_SAGAS.balance.begins);
  const terms = termsIn(requested);
  const payment = requested?.data && refundedPaymentOf(requested.data);
  if (requested === undefined || terms === undefined || payment === undefined) return undefined;
  const last = lastOf(timeline, REFUND_STATUSES);
  return {
    tenant: requested.tenant,
    id: timeline.uuid,
    payment_id: uuidOf(payment),
    amount: terms.amountMinor,
    currency: terms.currency,
    reason: textOf(requested.data?.['reason']),
    status: REFUND_STATUSES.get(last?.type ?? '') ?? 'pending',
    failure_code: textOf(last?.data?.['code']),
    failure_detail: textOf(last?.data?.['detail']),
    correlation_id: timeline.correlationId ?? null,
    created_at: requested.at,
    updated_at: last?.at ?? requested.at,
    status_position: coordinatorsPosition(last),
  };
}

/** Where in the coordinator's log the row's status was said; 0 if nothing of that log says it. */
function coordinatorsPosition(event: TracedEvent | undefined): number {
  return event?.topic === 'authorization' ? event.position : 0;
}

const REQUESTED = PAYMENT_SAGAS.balance.begins;

/** The statuses that events give. */
const STATUSES = statusesOf(Object.values(PAYMENT_SAGAS));
const REFUND_STATUSES = statusesOf(Object.values(REFUND_SAGAS));

function statusesOf(sagas: readonly SagaDefinition[]): ReadonlyMap<string, string> {
  return new Map(
    sagas.flatMap(({ endings, standings }) => [...Object.entries(standings), ...Object.entries(endings)]),
  );
}

/** Events that say something of the payment's row: those and the one that says why it is being undone. */
const TOLD: ReadonlySet<string> = new Set([...STATUSES.keys(), 'payment.compensating']);

/**
 * The last of such events. What the coordinator says stands in one partition of its log; what is not of that log
 * (a rejection) is the only one there is.
 */
function lastOf({ events }: SagaTimeline, types: { has(type: string): boolean }): TracedEvent | undefined {
  let last: TracedEvent | undefined;
  for (const event of events) {
    if (!types.has(event.type)) continue;
    const isLater = last === undefined || last.topic !== 'authorization' || last.position < event.position;
    if (isLater) last = event;
  }
  return last;
}

/** Whose endings free the reference. Any other payment holds it, whatever becomes of it yet (U2). */
const UNPAID = new Set(['rejected', 'declined', 'cancelled', 'failed', 'compensated']);

/** The ending without money moved, or with the money moved back, if the events have one. */
export function unpaidEnding({ events }: SagaTimeline): TracedEvent | undefined {
  const { endings } = PAYMENT_SAGAS.gateway;
  return events.find(({ type }) => UNPAID.has(endings[type] ?? ''));
}

/** The reference that the request names; undefined if it names none. */
export function namedReference(timeline: SagaTimeline): ExpectedRow | undefined {
  const requested = find(timeline, REQUESTED);
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
export function expectedReference(timeline: SagaTimeline): ExpectedRow | undefined {
  return unpaidEnding(timeline) === undefined ? namedReference(timeline) : undefined;
}

/**
 * What places a hold on whose account, and what ends it: an entry by capture, the others by release. A balance payment
 * that is called off lets go at once, one through a provider when the charge is known not to be made.
 */
const HOLDS = {
  pay: {
    placedBy: 'payment.authorized',
    accountOf: ({ walletId }: Terms) => walletId,
    purpose: 'payment',
    releasedBy: ({ method }: Terms) => [
      'payment.declined',
      'payment.failed',
      method === 'balance' ? 'payment.cancelling' : 'payment.cancelled',
      'payment.compensated',
    ],
  },
  ref: {
    placedBy: 'refund.authorized',
    accountOf: ({ serviceId }: Terms) => serviceId,
    purpose: 'refund',
    releasedBy: () => ['refund.failed'],
  },
} as const;

export function expectedHold(timeline: SagaTimeline): ExpectedRow | undefined {
  const { placedBy, accountOf, purpose, releasedBy } = HOLDS[kindOf(timeline)];
  const authorized = find(timeline, placedBy);
  const terms = termsIn(authorized);
  if (authorized === undefined || terms === undefined) return undefined;
  const captured = timeline.events.find((event) => postedFor(event) === purpose);
  const released = timeline.events.find(({ type }) => releasedBy(terms).includes(type));
  return {
    id: timeline.uuid,
    tenant: authorized.tenant,
    account_id: accountOf(terms),
    amount: terms.amountMinor,
    state: captured !== undefined ? 'captured' : released !== undefined ? 'released' : 'open',
    opened_at: authorized.at,
    closed_at: (captured ?? released)?.at ?? null,
  };
}

/** Whom the hold of a refund that is under way is to be paid to: the wallet must still be open then. */
export function expectedAwaited(timeline: SagaTimeline): ExpectedRow | undefined {
  if (kindOf(timeline) !== 'ref' || expectedHold(timeline)?.['state'] !== 'open') return undefined;
  const authorized = find(timeline, HOLDS.ref.placedBy);
  const terms = termsIn(authorized);
  if (authorized === undefined || terms === undefined) return undefined;
  return { id: timeline.uuid, tenant: authorized.tenant, payee: terms.walletId };
}

/** The purpose of an entry that was posted; undefined for another event. */
function postedFor({ type, data }: TracedEvent): string | undefined {
  return type === 'entry.posted' ? (textOf(data?.['purpose']) ?? undefined) : undefined;
}

export function kindOf({ subject }: SagaTimeline): 'pay' | 'ref' {
  return subject.startsWith('ref_') ? 'ref' : 'pay';
}

/** Undefined as long as the saga runs. */
export function expectedVerdict(timeline: SagaTimeline, judgement: SagaJudgement): ExpectedRow | undefined {
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
    incidents: complete ? judgement.incidents : null,
  };
}

/** Entries that bear the uuid of their cause: those of payments and of refunds. A reversal's stands anywhere. */
export function expectedEntries(timeline: SagaTimeline): ExpectedRow[] {
  return timeline.events.flatMap(({ type, tenant, data }) => {
    const entry = type === 'entry.posted' && data !== undefined ? entryOf(tenant, data) : undefined;
    const isOwn = entry?.purpose === 'payment' || entry?.purpose === 'refund';
    return isOwn ? { id: entry.uuid, purpose: entry.purpose } : [];
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
  /** The ending that was told before, if this one corrects it. */
  readonly corrects: string | null;
}

/** One for each notification.queued: row and event are of one commit. */
export function expectedNotifications(timeline: SagaTimeline): ExpectedNotification[] {
  const queued = timeline.events.filter(({ type }) => type === 'notification.queued');
  const told = new Set(queued.map(aboutOf));
  return queued.map((event) => {
    const corrected = PAYMENT_SAGAS.gateway.corrections[aboutOf(event)];
    return {
      tenant: event.tenant,
      subject: timeline.subject,
      type: aboutOf(event),
      id: textOf(event.data?.['notification_id']),
      createdAt: event.at,
      ending: timeline.events.find(({ identity }) => identity === event.causation),
      corrects: corrected !== undefined && told.has(corrected) ? corrected : null,
    };
  });
}

function aboutOf({ data }: TracedEvent): string {
  return textOf(data?.['about']) ?? '';
}

function find(timeline: SagaTimeline, type: string): TracedEvent | undefined {
  return timeline.events.find((event) => event.type === type);
}

export function termsIn(event: TracedEvent | undefined): Terms | undefined {
  return event?.data === undefined ? undefined : termsOf(event.data);
}

export function termColumns({ walletId, serviceId, amountMinor, currency, method }: Terms): ExpectedRow {
  return { wallet_id: walletId, service_id: serviceId, amount: amountMinor, currency, method };
}
