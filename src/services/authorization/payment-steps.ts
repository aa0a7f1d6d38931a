/**
 * The steps of a payment's saga, by the event that each answers.
 *
 * G1: a hold is released only when it is certain that nothing was charged: never while the outcome is unknown (D4).
 * G2: of a call-off, a charge and a posting that race, the hold's end decides (R5), and each is answered.
 * G3: an event that comes again, or too late to matter, is answered with nothing, or with what says so once. Where the
 *     saga's state does not tell whether an event was answered, the log does.
 */
import { idOf, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { PAYMENT_SAGAS } from '#sagas/definitions.ts';
import { definitionName } from '#sagas/saga.ts';
import { type EntryPosted, entryIdOf, type PostingRefused } from '#services/ledger/contract.ts';
import { termsVersion } from '#services/payments/contract.ts';
import type { ProviderApproved, ProviderResolved, ProviderUnresolved } from '#services/providers/contract.ts';
import type { PaymentTerms, ResolutionAdmitted } from '#services/validation/contract.ts';
import { compensate, dropStep, failStep, parkStep, resume, uphold } from './compensation.ts';
import type { Failure } from './events.ts';
import { giveBack } from './give-back.ts';
import type { PaymentSaga, PaymentState } from './sagas.ts';
import { once, type Step, type Turn } from './turn.ts';

export const PAYMENT_STEPS: ReadonlyMap<string, Step> = new Map<string, Step>([
  ['payment.validated', (event, turn) => authorize(event as LogEvent<PaymentTerms>, turn)],
  ['provider.approved', (event, turn) => charge(event as LogEvent<ProviderApproved>, turn)],
  ['provider.declined', (event, turn) => giveUp(event as LogEvent<Failure>, turn, 'declined')],
  ['provider.exhausted', (event, turn) => giveUp(event as LogEvent<Failure>, turn, 'failed')],
  ['provider.cancelled', callOff],
  ['provider.unresolved', (event, turn) => reconcile(event as LogEvent<ProviderUnresolved>, turn)],
  ['provider.resolved', once((event, turn) => resolved(event as LogEvent<ProviderResolved>, turn))],
  ['provider.refunded', (event, turn) => undone(event, turn, 'refund_charge')],
  ['provider.refund_refused', (event, turn) => parked(event as LogEvent<Failure>, turn)],
  ['provider.refund_unresolved', (event, turn) => parked(event as LogEvent<ProviderUnresolved>, turn)],
  ['entry.posted', (event, turn) => posted(event as LogEvent<EntryPosted>, turn)],
  ['posting.refused', once((event, turn) => refused(event as LogEvent<PostingRefused>, turn))],
  ['payment.cancel_admitted', once(cancel)],
  [
    'payment.resolution_admitted',
    once((event, turn) => resolve(event as LogEvent<ResolutionAdmitted>, turn)),
  ],
]);

/** Of a charge: a provider is asked, or should have answered by now. */
const UNDECIDED: Expected = { gateway: ['authorized', 'cancelling', 'reconciling', 'resolving'] };

/** By method, where a saga may stand when the event comes. */
type Expected = { readonly [Method in PaymentTerms['method']]?: readonly PaymentState[] };

function sagaOf({ subject }: LogEvent, { sagas }: Turn, expected: Expected): PaymentSaga | undefined {
  const saga = sagas.findPayment(uuidOf(subject as PaymentId));
  return saga !== undefined && expected[saga.terms.method]?.includes(saga.state) === true ? saga : undefined;
}

/** An event that tells the payment's terms, in the version that its readers need. */
function telling(
  event: LogEvent,
  type: string,
  { terms }: PaymentSaga,
  more: Readonly<Record<string, string | null>> = {},
): EventDraft {
  return follow(event, { type, version: termsVersion(terms), data: { ...terms, ...more } });
}

/** The same for types that came with payments by gateway: they have one version, whatever the method. */
function tellingFirstVersion(
  event: LogEvent,
  type: string,
  { terms }: PaymentSaga,
  more: Readonly<Record<string, string | null>> = {},
): EventDraft {
  return follow(event, { type, data: { ...terms, ...more } });
}

function authorize(event: LogEvent<PaymentTerms>, { sagas, books }: Turn): EventDraft | undefined {
  const uuid = uuidOf(event.subject as PaymentId);
  if (sagas.findPayment(uuid) !== undefined) return undefined;
  const { wallet_id, service_id, amount, currency, method } = event.data;
  const terms: PaymentTerms = { wallet_id, service_id, amount, currency, method };
  const held = books.reserve({
    id: uuid,
    tenant: event.tenant,
    accountId: wallet_id,
    amountMinor: BigInt(amount),
  });
  const state = held.ok ? 'authorized' : 'declined';
  const saga: PaymentSaga = { uuid, definition: definitionName(PAYMENT_SAGAS[method]), terms, state };
  sagas.beginPayment(saga);
  if (held.ok) return telling(event, 'payment.authorized', saga, { hold_id: idOf('hld', uuid) });
  const { code, detail } = held.problem;
  return telling(event, 'payment.declined', saga, { code, detail });
}

function charge(event: LogEvent<ProviderApproved>, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, UNDECIDED);
  return saga === undefined ? undefined : charged(event, turn, { saga, provider: event.data.provider });
}

function charged(
  event: LogEvent,
  { sagas }: Turn,
  { saga, provider }: { readonly saga: PaymentSaga; readonly provider: string | null },
): EventDraft {
  sagas.movePayment(saga, 'charged');
  return tellingFirstVersion(event, 'payment.charged', saga, { hold_id: idOf('hld', saga.uuid), provider });
}

function giveUp(event: LogEvent<Failure>, turn: Turn, state: 'declined' | 'failed'): EventDraft | undefined {
  const saga = sagaOf(event, turn, UNDECIDED);
  if (saga === undefined) return undefined;
  giveBack(saga, turn.books);
  turn.sagas.movePayment(saga, state);
  const { code, detail } = event.data;
  return telling(event, `payment.${state}`, saga, { code, detail });
}

function callOff(event: LogEvent, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, UNDECIDED);
  return saga === undefined ? undefined : calledOff(event, turn, saga);
}

function calledOff(event: LogEvent, { sagas, books }: Turn, saga: PaymentSaga): EventDraft {
  giveBack(saga, books);
  sagas.movePayment(saga, 'cancelled');
  return tellingFirstVersion(event, 'payment.cancelled', saga);
}

/** G1: what is held stays held. */
function reconcile(event: LogEvent<ProviderUnresolved>, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, { gateway: ['authorized', 'cancelling'] });
  if (saga === undefined) return undefined;
  turn.sagas.movePayment(saga, 'reconciling');
  const { detail } = event.data;
  return tellingFirstVersion(event, 'payment.reconciliation_required', saga, {
    code: 'payments.outcome_unknown',
    detail,
  });
}

function posted(event: LogEvent<EntryPosted>, turn: Turn): EventDraft | undefined {
  if (event.data.purpose === 'reversal') return undone(event, turn, 'reverse_posting');
  const saga = sagaOf(event, turn, { balance: ['authorized'], gateway: ['charged'] });
  if (saga === undefined) return undefined;
  turn.sagas.movePayment(saga, 'completed');
  const entryId = idOf('jen', entryIdOf(saga.uuid, 'payment'));
  return telling(event, 'payment.completed', saga, { entry_id: entryId });
}

function refused(event: LogEvent<PostingRefused>, turn: Turn): EventDraft | undefined {
  const { purpose, code, detail } = event.data;
  if (purpose === 'reversal') {
    const compensating = sagaOf(event, turn, { gateway: ['compensating'] });
    return compensating === undefined ? undefined : failStep(event, turn, compensating, { code, detail });
  }
  const saga = sagaOf(event, turn, { balance: ['authorized', 'cancelling'], gateway: ['charged'] });
  if (saga === undefined) return undefined;
  if (saga.state === 'cancelling') return calledOff(event, turn, saga);
  return compensate(event, turn, saga, { failed: 'ledger', code, detail });
}

/** A step of the compensation is done: on to the next. */
function undone(
  event: LogEvent,
  turn: Turn,
  step: 'refund_charge' | 'reverse_posting',
): EventDraft | undefined {
  const saga = sagaOf(event, turn, { gateway: ['compensating', 'parked', 'revoking'] });
  return saga === undefined ? undefined : dropStep(event, turn, saga, step);
}

function parked(event: LogEvent<{ readonly code?: string; readonly detail: string }>, turn: Turn) {
  const saga = sagaOf(event, turn, { gateway: ['compensating'] });
  return saga === undefined
    ? undefined
    : parkStep(event, turn, saga, { ...event.data, step: 'refund_charge' });
}

/**
 * G2: a balance payment's hold is released at once, and what the ledger then finds ends the payment; with a gateway the
 * charge has to be called off first.
 */
function cancel(event: LogEvent, turn: Turn): EventDraft | undefined {
  const { sagas, books } = turn;
  const saga = sagaOf(event, turn, { balance: ['authorized'], gateway: ['authorized'] });
  const isOpen = saga !== undefined && books.findHold(saga.uuid)?.state === 'open';
  if (saga === undefined || !isOpen) return cancelRefused(event, turn);
  if (saga.terms.method === 'balance') giveBack(saga, books);
  sagas.movePayment(saga, 'cancelling');
  return tellingFirstVersion(event, 'payment.cancelling', saga);
}

function cancelRefused(event: LogEvent, { sagas }: Turn): EventDraft {
  const state = sagas.findPayment(uuidOf(event.subject as PaymentId))?.state ?? 'rejected';
  return follow(event, {
    type: 'payment.cancel_refused',
    data: { code: 'payments.not_cancellable', detail: `The payment cannot be cancelled: it is ${state}.` },
  });
}

/**
 * Of a charge in doubt either may be said, of one that was taken for made, or is being given back, only that it is not. That it
 * is there after all lets a payment stand whose posting could not be reversed.
 */
function resolve(event: LogEvent<ResolutionAdmitted>, turn: Turn): EventDraft | undefined {
  const { outcome, reason, actor, regarding } = event.data;
  const saga = sagaOf(event, turn, { gateway: resolvable(event.data) });
  if (saga === undefined) return resolutionRefused(event, turn);
  if (saga.state === 'parked' && outcome === 'charged' && !isReversing(saga, turn))
    return resolutionRefused(event, turn);
  const closed = saga.state === 'completed' ? closedParty(event, turn, saga) : undefined;
  if (closed !== undefined) return cannotBeUndone(event, closed);
  turn.sagas.movePayment(saga, saga.state === 'reconciling' ? 'resolving' : 'revoking');
  return tellingFirstVersion(event, 'payment.charge_resolved', saga, { outcome, reason, actor, regarding });
}

/** What was said of an unknown charge does not undo a payment that a late answer has completed since. */
function resolvable({ outcome, regarding }: ResolutionAdmitted): readonly PaymentState[] {
  if (outcome === 'charged') return ['reconciling', 'parked'];
  return regarding === 'completion' ? ['completed'] : ['reconciling', 'parked'];
}

function isReversing({ uuid }: PaymentSaga, { sagas }: Turn): boolean {
  return sagas.findCompensation(uuid)?.steps[0] === 'reverse_posting';
}

/** Nothing can be posted to a closed account any more, so that nothing is begun that could not be ended. */
function closedParty({ tenant }: LogEvent, { books }: Turn, { terms }: PaymentSaga): string | undefined {
  return [terms.wallet_id, terms.service_id].find((id) => books.find(tenant, id)?.status === 'closed');
}

function cannotBeUndone(event: LogEvent, accountId: string): EventDraft {
  const detail = `The payment cannot be undone: account ${accountId} is closed. It stays completed.`;
  return follow(event, {
    type: 'payment.resolution_refused',
    // Version 1 speaks of known outcomes alone.
    version: 2,
    data: { code: 'ledger.account_closed', detail },
  });
}

function resolutionRefused(event: LogEvent, { sagas }: Turn): EventDraft {
  const state = sagas.findPayment(uuidOf(event.subject as PaymentId))?.state ?? 'rejected';
  const detail = `There is nothing to resolve: the payment is ${state}.`;
  return follow(event, {
    type: 'payment.resolution_refused',
    data: { code: 'payments.not_in_reconciliation', detail },
  });
}

/** What a person said holds now at the providers too, unless they knew better. */
function resolved(event: LogEvent<ProviderResolved>, turn: Turn): EventDraft | undefined {
  const saga = sagaOf(event, turn, { gateway: ['resolving', 'revoking'] });
  if (saga === undefined) return resolutionRefused(event, turn);
  if (saga.state === 'revoking') return revoked(event, turn, saga);
  const { outcome, provider, detail } = event.data;
  if (outcome === 'charged') return charged(event, turn, { saga, provider });
  giveBack(saga, turn.books);
  turn.sagas.movePayment(saga, 'failed');
  return telling(event, 'payment.failed', saga, { code: 'payments.not_charged', detail });
}

/** Nothing is moved back while a charge stands. */
function revoked(event: LogEvent<ProviderResolved>, turn: Turn, saga: PaymentSaga): EventDraft {
  const { outcome, detail } = event.data;
  const open = turn.sagas.findCompensation(saga.uuid);
  if (outcome === 'charged' && isReversing(saga, turn)) return uphold(event, turn, saga);
  if (outcome === 'charged') {
    turn.sagas.movePayment(saga, open === undefined ? 'completed' : 'parked');
    return resolutionRefused(event, turn);
  }
  if (open !== undefined) return resume(event, turn, saga, open);
  return compensate(event, turn, saga, {
    failed: 'completion',
    code: 'payments.not_charged',
    detail,
    except: 'refund_charge',
  });
}
