/** What is kept of an event to judge its saga by, and which saga that is. */
import type { EpochMs } from '#kernel/clock.ts';
import { eventIdentity, type JsonObject, type LogEvent } from '#platform/log/event.ts';
import { PAYMENT_SAGAS, REFUND_SAGAS, SAGAS } from '#sagas/definitions.ts';
import { eventTypesOf, type SagaDefinition } from '#sagas/saga.ts';
import type { EntryPosted } from '#services/ledger/contract.ts';
import type { RefundTerms } from '#services/payments/contract.ts';

export interface SeenEvent {
  readonly type: string;
  readonly identity: string;
  readonly at: EpochMs;
  readonly causation: string;
  /** What the stages must agree on, in one text (`agree`); null for events that carry none of it. */
  readonly terms: string | null;
  /** Of a beginning the method unless it is `balance`, of a compensation its step, of what a provider did the attempt. */
  readonly mark?: string;
}

/** Of which later versions are read; of all others there is one. */
const LATER_VERSIONS: ReadonlyMap<string, number> = new Map([
  ['payment.requested', 2],
  ['payment.validated', 2],
  ['payment.rejected', 2],
  ['payment.authorized', 2],
  ['payment.declined', 2],
  ['payment.completed', 2],
  ['payment.failed', 2],
  ['payment.resolution_refused', 2],
  ['entry.posted', 3],
  ['posting.refused', 2],
  ['provider.refunded', 3],
]);

/** The types that sagas are judged by, each with the newest version that is read. */
export const SAGA_EVENTS: ReadonlyMap<string, number> = new Map(
  SAGAS.flatMap(eventTypesOf).map((type) => [type, LATER_VERSIONS.get(type) ?? 1]),
);

/** The logs that they are in. */
export const SAGA_TOPICS = [
  'payments',
  'validation',
  'authorization',
  'ledger',
  'providers',
  'notification',
] as const;

const BEGINNINGS: ReadonlySet<string> = new Set(SAGAS.map(({ begins }) => begins));

export function isBeginning({ type }: { readonly type: string }): boolean {
  return BEGINNINGS.has(type);
}

export function seenEvent(event: LogEvent): SeenEvent {
  const seen = {
    type: event.type,
    identity: eventIdentity(event),
    at: event.occurredAt,
    causation: event.causation,
    terms: termsOf(event),
  };
  const mark = markOf(event);
  return mark === undefined ? seen : { ...seen, mark };
}

/** Whether events about such a subject can be a saga's. */
export function isSagaSubject(subject: string): boolean {
  return subject.startsWith('pay_') || subject.startsWith('ref_');
}

/** The saga that the subject's events follow; undefined as long as what began it is not there. */
export function sagaOf(subject: string, seen: readonly SeenEvent[]): SagaDefinition | undefined {
  const sagas = subject.startsWith('ref_') ? REFUND_SAGAS : PAYMENT_SAGAS;
  const beginning = seen.find(({ type }) => type === sagas.balance.begins);
  // Nobody accepts another method: if an event has one, its saga will not be sound.
  return beginning && (beginning.mark === 'gateway' ? sagas.gateway : sagas.balance);
}

function markOf({ type, data }: LogEvent): string | undefined {
  if (BEGINNINGS.has(type)) return data['method'] === 'balance' ? undefined : textIn(data, 'method');
  if (type === 'payment.compensating') return textIn(data, 'step');
  return type.startsWith('provider.') ? textIn(data, 'attempt_id') : undefined;
}

function textIn(data: JsonObject, member: string): string | undefined {
  const value = data[member];
  return typeof value === 'string' ? value : undefined;
}

/** Stands for what an event does not carry; no account, currency, method or payment is called so. */
const UNSAID = '-';

/** Wallet, service, amount, currency, method and, of a refund, payment; what comes last may be missing. */
function termsOf({ type, data }: LogEvent): string | null {
  if (type === 'entry.posted') return termsOfEntry(data);
  const { wallet_id, service_id, amount, currency, method, payment_id } = data as Partial<RefundTerms>;
  if (wallet_id !== undefined) {
    const terms = `${wallet_id} ${service_id} ${amount} ${currency} ${method}`;
    return payment_id === undefined ? terms : `${terms} ${payment_id}`;
  }
  return amount === undefined ? null : `${UNSAID} ${UNSAID} ${amount} ${currency}`;
}

/** A refund and a reversal go the other way. */
function termsOfEntry({ postings = [], purpose }: Partial<EntryPosted>): string {
  const debit = postings.find((posting) => posting.direction === 'debit');
  const credit = postings.find((posting) => posting.direction === 'credit');
  if (debit?.amount !== credit?.amount || debit?.currency !== credit?.currency || postings.length !== 2)
    return `${postings.length} postings that do not match`;
  const [wallet, service] = purpose === 'payment' ? [debit, credit] : [credit, debit];
  return `${wallet?.account_id} ${service?.account_id} ${debit?.amount} ${debit?.currency}`;
}

/** Whether two events say the same of all that both of them carry. */
export function agree(some: string, others: string): boolean {
  if (some === others || some.startsWith(`${others} `) || others.startsWith(`${some} `)) return true;
  const theirs = others.split(' ');
  return some.split(' ').every((part, index) => {
    const their = theirs[index];
    return part === their || part === UNSAID || their === undefined || their === UNSAID;
  });
}
