/**
 * Undoing what a payment's stages did, in reverse, as its saga's definition says (P4, U5). A step that another service does
 * is an event, and its answer brings the next; what is left stands in a row, so that nothing is forgotten.
 *
 * K1: steps are done in the order of the definition reversed, each once.
 * K2: a step that fails is asked for again with growing pauses, and then waits for a person; at once if it can never be
 *     done. Only a person drops it. Each failure is counted once, also if its event comes again.
 */
import { invariant } from '#kernel/fault.ts';
import { type EventDraft, eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { PAYMENT_SAGAS } from '#sagas/definitions.ts';
import { type Compensation, compensationsBefore } from '#sagas/saga.ts';
import type { CompensationStep, Failure } from './events.ts';
import { giveBack } from './give-back.ts';
import type { OpenCompensation, PaymentSaga } from './sagas.ts';
import type { Turn } from './turn.ts';

/** A closed account is not opened again: what is to be posted to it will always be refused. */
const NEVER_POSTED = 'ledger.account_closed';

/** Pauses before a posting that was refused is asked for again, in ms; after the last a person has to look (K2). */
export const RETRY_PAUSES_MS: readonly number[] = [1000, 5000, 30_000, 120_000, 600_000];

interface Reason extends Failure {
  /** The stage that failed: those before it are undone. */
  readonly failed: 'ledger' | 'completion';
  /** What is undone already. */
  readonly except?: Compensation;
}

/** Begins to undo what was done before the stage that failed. */
export function compensate(
  event: LogEvent,
  turn: Turn,
  saga: PaymentSaga,
  { failed, except, code, detail }: Reason,
): EventDraft {
  const definition = PAYMENT_SAGAS[saga.terms.method];
  const stage = definition.stages.find(({ name }) => name === failed);
  invariant(stage !== undefined, `${definition.name} has no stage ${failed}`);
  const steps = compensationsBefore(definition, stage).filter((step) => step !== except);
  return goOn(event, turn, saga, {
    paymentUuid: saga.uuid,
    steps,
    code,
    detail,
  });
}

/** A step is done; what comes after it is due. */
export function dropStep(
  event: LogEvent,
  turn: Turn,
  saga: PaymentSaga,
  step: CompensationStep,
): EventDraft | undefined {
  const open = turn.sagas.findCompensation(saga.uuid);
  if (open?.steps[0] !== step) return undefined;
  return goOn(event, turn, saga, {
    ...open,
    steps: open.steps.slice(1),
  });
}

/** What is left to undo, and why; a step that is newly asked for has not failed yet. */
type Owed = Pick<OpenCompensation, 'paymentUuid' | 'steps' | 'code' | 'detail'>;

/** Does the steps that are done here, and asks another service for the first that is not. */
function goOn(event: LogEvent, turn: Turn, saga: PaymentSaga, open: Owed): EventDraft {
  const { sagas } = turn;
  const next = open.steps.findIndex((step) => step !== 'release_hold');
  const done = next === -1 ? open.steps : open.steps.slice(0, next);
  if (done.length > 0) releaseHold(turn, saga);
  const { code, detail } = open;
  if (next === -1) {
    const isWaiting = sagas.findCompensation(saga.uuid) !== undefined;
    if (isWaiting) sagas.endCompensation(saga.uuid);
    return ended(event, turn, saga, { code, detail });
  }
  const step = open.steps[next] as CompensationStep;
  sagas.movePayment(saga, 'compensating');
  sagas.keepCompensation({ ...open, steps: open.steps.slice(next), failures: 0, retryAt: null, ask: null });
  return follow(event, { type: 'payment.compensating', data: { ...saga.terms, code, detail, step } });
}

/** A balance payment whose posting was refused has moved nothing: it failed. Where something was undone, it is compensated. */
function ended(event: LogEvent, { sagas }: Turn, saga: PaymentSaga, { code, detail }: Failure): EventDraft {
  const { terms } = saga;
  const state = terms.method === 'balance' ? 'failed' : 'compensated';
  sagas.movePayment(saga, state);
  return follow(event, { type: `payment.${state}`, data: { ...terms, code, detail } });
}

/** Nothing is left of a hold that was captured: its posting was reversed. */
function releaseHold({ books }: Turn, saga: PaymentSaga): void {
  if (books.findHold(saga.uuid)?.state !== 'captured') giveBack(saga, books);
}

/** K2: asked for again after a pause, or left to a person. */
export function failStep(
  event: LogEvent,
  turn: Turn,
  saga: PaymentSaga,
  failure: Failure,
): EventDraft | undefined {
  const open = turn.sagas.findCompensation(saga.uuid);
  if (open?.steps[0] !== 'reverse_posting' || isOf(open, event)) return undefined;
  const pauseMs = failure.code === NEVER_POSTED ? undefined : RETRY_PAUSES_MS[open.failures];
  const [step] = open.steps;
  if (pauseMs === undefined) return parkStep(event, turn, saga, { ...failure, step });
  const { code, detail } = open;
  const ask = follow(event, { type: 'payment.compensating', data: { ...saga.terms, code, detail, step } });
  turn.sagas.keepCompensation({
    ...open,
    failures: open.failures + 1,
    retryAt: turn.now + pauseMs,
    ask: JSON.stringify(ask),
  });
  return undefined;
}

/** Whether the failure was counted last; one that was counted before that has been answered in the log. */
function isOf({ ask }: OpenCompensation, event: LogEvent): boolean {
  return ask !== null && (JSON.parse(ask) as EventDraft).causation === eventIdentity(event);
}

/** What a person had to see to is seen to: the step is asked for again, or was done by hand. */
export function resume(event: LogEvent, turn: Turn, saga: PaymentSaga, open: OpenCompensation): EventDraft {
  const steps = open.steps[0] === 'refund_charge' ? open.steps.slice(1) : open.steps;
  return goOn(event, turn, saga, { ...open, steps });
}

/** A person leaves the posting as it is: the payment is completed, as it was before. */
export function uphold(event: LogEvent, { sagas }: Turn, saga: PaymentSaga): EventDraft {
  sagas.endCompensation(saga.uuid);
  sagas.movePayment(saga, 'completed');
  return follow(event, { type: 'payment.upheld', data: { ...saga.terms } });
}

/** K2. A step that is not under way cannot fail. */
export function parkStep(
  event: LogEvent,
  { sagas }: Turn,
  saga: PaymentSaga,
  { step, detail }: { readonly step: CompensationStep; readonly detail: string },
): EventDraft | undefined {
  if (sagas.findCompensation(saga.uuid)?.steps[0] !== step) return undefined;
  sagas.movePayment(saga, 'parked');
  const data = { ...saga.terms, code: 'payments.compensation_failed', detail };
  return follow(event, { type: 'payment.reconciliation_required', data });
}
