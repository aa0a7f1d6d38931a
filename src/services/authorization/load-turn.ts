/** What the coordinator's events are decided with: the sagas, what of them is being undone, and the accounts that hold money for them. */
import { type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { causationsIn } from '#platform/log/own-effects.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import type { AccountRef, EntryPosted, Ledger } from '#services/ledger/contract.ts';
import type { RefundTerms } from '#services/payments/contract.ts';
import { Sagas } from './sagas.ts';
import { findCompensations, findRefundSagas, findSagas } from './store.ts';
import { isRefund, type Turn } from './turn.ts';

/** Events whose answer moves money, or depends on where it can go, and so needs the accounts locked. */
const MOVES_MONEY = new Set([
  'payment.validated',
  'payment.cancel_admitted',
  'payment.resolution_admitted',
  'refund.validated',
  'posting.refused',
  'provider.declined',
  'provider.exhausted',
  'provider.cancelled',
  'provider.resolved',
  'provider.refunded',
  'provider.refund_refused',
]);
/** Events of payments that a saga's state does not tell to have been answered; refused reversals are too. */
const ANSWERED_IN_THE_LOG = new Set([
  'payment.cancel_admitted',
  'payment.resolution_admitted',
  'provider.resolved',
]);
/** Events that may be about a step of a compensation, beside those of the ledger that say so. */
const COMPENSATES = new Set([
  // Admitted in the same commit, where one process does both.
  'payment.resolution_requested',
  'payment.resolution_admitted',
  'provider.resolved',
  'provider.refunded',
  'provider.refund_refused',
  'provider.refund_unresolved',
]);

/** All but the books. */
export type TurnRows = Pick<Turn, 'sagas' | 'answered'>;

export async function loadTurn(
  tx: Transaction,
  ledger: Ledger,
  events: readonly LogEvent[],
): Promise<Omit<Turn, 'now'>> {
  const holders = events.filter(movesMoney);
  const holds = holders.map(uuidIn);
  // Which accounts they are about is known from their sagas: of the rare ones one more round trip.
  if (events.some((event) => isRefund(event) || isResolution(event))) {
    const rows = await findTurnRows(tx, events);
    const accounts = holders.flatMap((event) => lockedBy(event, rows.sagas));
    return { ...rows, books: await ledger.openBooks(tx, { accounts, holds }) };
  }
  const accounts = holders.map(({ tenant, key }) => ({ tenant, id: key }));
  const [rows, books] = await Promise.all([
    findTurnRows(tx, events),
    ledger.openBooks(tx, { accounts, holds }),
  ]);
  return { ...rows, books };
}

export async function findTurnRows(tx: Transaction, events: readonly LogEvent[]): Promise<TurnRows> {
  const refundUuids = events.filter(isRefund).map(uuidIn);
  const ofPayments = events.filter((event) => !isRefund(event));
  const [payments, refunds, compensations, answered] = await Promise.all([
    findSagas(tx, ofPayments.map(uuidIn)),
    findRefundSagas(tx, refundUuids),
    findCompensations(tx, ofPayments.filter(mayCompensate).map(uuidIn)),
    causationsIn(tx, 'authorization', events.filter(isAnsweredInTheLog)),
  ]);
  return { sagas: new Sagas({ payments, refunds, compensations }), answered };
}

export function uuidIn({ subject }: LogEvent): string {
  return uuidOf(subject as PaymentId | RefundId);
}

function movesMoney(event: LogEvent): boolean {
  return MOVES_MONEY.has(event.type) || isReversal(event);
}

function mayCompensate(event: LogEvent): boolean {
  return COMPENSATES.has(event.type) || isReversal(event);
}

function isReversal({ data }: LogEvent): boolean {
  return (data as Partial<EntryPosted>).purpose === 'reversal';
}

/** Of a refund, what may come again after it was parked. */
function isAnsweredInTheLog(event: LogEvent): boolean {
  const { type } = event;
  if (isRefund(event)) return type === 'provider.refunded' || type === 'posting.refused';
  return ANSWERED_IN_THE_LOG.has(type) || isRefusedReversal(event);
}

function isRefusedReversal(event: LogEvent): boolean {
  return event.type === 'posting.refused' && isReversal(event);
}

function isResolution({ type }: LogEvent): boolean {
  return type === 'payment.resolution_admitted';
}

/**
 * A payment's amount is held on its wallet, which is the event's key; a refund's on the service. A refund begins with its
 * wallet locked too: it must be open then. So must both be if a payment is to be undone.
 */
function lockedBy(event: LogEvent, sagas: Sagas): AccountRef[] {
  const { tenant, key } = event;
  if (!isRefund(event)) {
    const payee = isResolution(event) ? sagas.findPayment(uuidIn(event))?.terms.service_id : undefined;
    return [key, payee].flatMap((id) => (id === undefined ? [] : { tenant, id }));
  }
  const told = event.data as Partial<RefundTerms>;
  const service = told.service_id ?? sagas.findRefund(uuidIn(event))?.terms.service_id;
  const wallet = event.type === 'refund.validated' ? told.wallet_id : undefined;
  return [service, wallet].flatMap((id) => (id === undefined ? [] : { tenant, id }));
}
