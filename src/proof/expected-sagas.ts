/** What the coordinator's tables must say of a payment or refund: how far its own events say it has come. */
import { uuidOf } from '#kernel/ids.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { PAYMENT_SAGAS, REFUND_SAGAS } from '#sagas/definitions.ts';
import { definitionName } from '#sagas/saga.ts';
import { refundedPaymentOf, type Terms, textOf } from './event-data.ts';
import { kindOf, termColumns, termsIn } from './expected-rows.ts';
import type { SagaTimeline } from './saga-timelines.ts';
import type { TracedEvent } from './traced-event.ts';

const SETTLED: ReadonlyMap<string, string> = new Map([
  ['payment.authorized', 'authorized'],
  ['payment.charged', 'charged'],
  ['payment.cancelling', 'cancelling'],
  ['payment.compensating', 'compensating'],
  ['payment.completed', 'completed'],
  ['payment.declined', 'declined'],
  ['payment.failed', 'failed'],
  ['payment.cancelled', 'cancelled'],
  ['payment.compensated', 'compensated'],
  ['payment.upheld', 'completed'],
  ['refund.authorized', 'authorized'],
  ['refund.confirmed', 'confirmed'],
  ['refund.completed', 'completed'],
  ['refund.declined', 'declined'],
  ['refund.failed', 'failed'],
]);

interface Standing {
  readonly state: string;
  /** What it goes back to if a person is told that there is nothing to say. */
  readonly before: string;
  /** Has the terms. */
  readonly told: TracedEvent;
}

/** The state after an event of the coordinator, which may depend on the one before it. */
function stateAfter(
  { type, causation }: TracedEvent,
  before: Standing | undefined,
  { isUndone }: { readonly isUndone: boolean },
): string | undefined {
  switch (type) {
    // What a person must look at after a compensation is no charge in doubt: it is the compensation that failed.
    case 'payment.reconciliation_required':
      return isUndone ? 'parked' : 'reconciling';
    case 'refund.reconciliation_required':
      return before?.state === 'confirmed' ? 'parked' : 'reconciling';
    case 'payment.charge_resolved':
      return before?.state === 'completed' || before?.state === 'parked' ? 'revoking' : 'resolving';
    case 'payment.resolution_refused':
      return before?.state === 'revoking' && causation.startsWith('providers/') ? before.before : undefined;
    default:
      return SETTLED.get(type);
  }
}

function standingOf(timeline: SagaTimeline): Standing | undefined {
  let standing: Standing | undefined;
  let isUndone = false;
  for (const event of ownEvents(timeline)) {
    isUndone ||= event.type === 'payment.compensating';
    const state = stateAfter(event, standing, { isUndone });
    if (state === undefined) continue;
    const told = termsIn(event) === undefined ? (standing?.told ?? event) : event;
    standing = { state, before: standing?.state ?? state, told };
  }
  return standing;
}

/** All of one partition of the coordinator's log. */
function ownEvents({ events }: SagaTimeline): TracedEvent[] {
  return events.filter(({ topic }) => topic === 'authorization').toSorted((a, b) => a.position - b.position);
}

export function expectedSaga(timeline: SagaTimeline): ExpectedRow | undefined {
  const standing = kindOf(timeline) === 'pay' ? standingOf(timeline) : undefined;
  const terms = termsIn(standing?.told);
  if (standing === undefined || terms === undefined) return undefined;
  return {
    payment_id: timeline.uuid,
    definition: definitionOf(PAYMENT_SAGAS, terms),
    state: standing.state,
    ...termColumns(terms),
  };
}

export function expectedRefundSaga(timeline: SagaTimeline): ExpectedRow | undefined {
  const standing = kindOf(timeline) === 'ref' ? standingOf(timeline) : undefined;
  const terms = termsIn(standing?.told);
  const payment = standing?.told.data && refundedPaymentOf(standing.told.data);
  if (standing === undefined || terms === undefined || payment === undefined) return undefined;
  return {
    refund_id: timeline.uuid,
    payment_id: uuidOf(payment),
    definition: definitionOf(REFUND_SAGAS, terms),
    state: standing.state,
    ...termColumns(terms),
  };
}

/** Of each there has been one version; the logs do not say which one a saga began with. */
function definitionOf(sagas: typeof PAYMENT_SAGAS, { method }: Terms): string | null {
  const saga = Object.values(sagas).find(({ name }) => name.endsWith(`.${method}`));
  return saga === undefined ? null : definitionName(saga);
}

const UNDO_ENDS: ReadonlySet<string> = new Set(['payment.compensated', 'payment.upheld']);

/** What is still to be undone has a row, from the first step to the end. */
export function expectedCompensation(timeline: SagaTimeline): ExpectedRow | undefined {
  const asked = lastCompensating(timeline);
  const isOver = ownEvents(timeline).some(
    ({ type, position }) => UNDO_ENDS.has(type) && position > (asked?.position ?? 0),
  );
  if (asked === undefined || isOver) return undefined;
  return {
    payment_id: timeline.uuid,
    code: textOf(asked.data?.['code']),
    detail: textOf(asked.data?.['detail']),
    steps: JSON.stringify(stepsFrom(textOf(asked.data?.['step']))),
  };
}

/** What was asked for last to undo the payment. */
export function lastCompensating(timeline: SagaTimeline): TracedEvent | undefined {
  return ownEvents(timeline).findLast(({ type }) => type === 'payment.compensating');
}

/** All that can be undone of a payment, the last first. */
const UNDONE = PAYMENT_SAGAS.gateway.stages.flatMap(({ compensation }) => compensation ?? []).toReversed();

/** The one that was asked for, and those behind it. A posting is reversed where the charge stands no more. */
function stepsFrom(step: string | null): readonly string[] {
  const steps = UNDONE.slice(UNDONE.findIndex((each) => each === step));
  return step === 'reverse_posting' ? steps.filter((each) => each !== 'refund_charge') : steps;
}
