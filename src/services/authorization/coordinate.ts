/**
 * The coordinator: what happens next to a payment, and what is undone when a stage fails, read from the saga's
 * definition (DESIGN §4). Pure: sagas and books in, events out.
 */
import { invariant } from '#kernel/fault.ts';
import { idOf, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { follow } from '#platform/log/follow.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { compensationsBefore, type Stage, stageEndedBy } from '#sagas/saga.ts';
import { type Books, entryIdOf, type PostingRefused } from '#services/ledger/contract.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';

export type SagaState = 'authorized' | 'declined' | 'completed' | 'failed';

export interface Saga {
  readonly paymentUuid: string;
  /** `payment.balance/1`. */
  readonly definition: string;
  readonly state: SagaState;
  readonly terms: PaymentTerms;
}

const DEFINITION = `${balancePayment.name}/${balancePayment.version}`;

/** The sagas of a batch, and what became of them. */
export class Sagas {
  readonly #known: Map<string, Saga>;
  readonly #begun = new Map<string, Saga>();
  readonly #moved = new Map<string, Saga>();

  constructor(known: Map<string, Saga>) {
    this.#known = known;
  }

  find(paymentUuid: string): Saga | undefined {
    return this.#known.get(paymentUuid);
  }

  begin(saga: Saga): void {
    this.#known.set(saga.paymentUuid, saga);
    this.#begun.set(saga.paymentUuid, saga);
  }

  move(saga: Saga, state: SagaState): void {
    const moved = { ...saga, state };
    this.#known.set(saga.paymentUuid, moved);
    // A saga begun in this batch is written once, in the state it ends the batch with.
    (this.#begun.has(saga.paymentUuid) ? this.#begun : this.#moved).set(saga.paymentUuid, moved);
  }

  changes(): { begun: readonly Saga[]; moved: readonly Saga[] } {
    return { begun: [...this.#begun.values()], moved: [...this.#moved.values()] };
  }
}

/** The event that answers `event`, or nothing when it was answered before (U3). Changes sagas and books. */
export function coordinate(event: LogEvent, sagas: Sagas, books: Books): EventDraft | undefined {
  switch (event.type) {
    case 'payment.validated':
      return authorize(event as LogEvent<PaymentTerms>, sagas, books);
    case 'entry.posted':
      return complete(event, sagas);
    case 'posting.refused':
      return compensate(event as LogEvent<PostingRefused>, sagas, books);
    default:
      return undefined;
  }
}

function authorize(event: LogEvent<PaymentTerms>, sagas: Sagas, books: Books): EventDraft | undefined {
  const paymentUuid = uuidOf(event.subject as PaymentId);
  if (sagas.find(paymentUuid) !== undefined) return undefined;
  const { wallet_id, service_id, amount, currency, method } = event.data;
  const terms: PaymentTerms = { wallet_id, service_id, amount, currency, method };
  const saga = { paymentUuid, definition: DEFINITION, terms };
  const held = books.reserve({
    id: paymentUuid,
    tenant: event.tenant,
    accountId: wallet_id,
    amountMinor: BigInt(amount),
  });
  if (held.ok) {
    sagas.begin({ ...saga, state: 'authorized' });
    return follow(event, {
      type: 'payment.authorized',
      data: { ...terms, hold_id: idOf('hld', paymentUuid) },
    });
  }
  sagas.begin({ ...saga, state: 'declined' });
  const { code, detail } = held.problem;
  return follow(event, { type: 'payment.declined', data: { ...terms, code, detail } });
}

function complete(event: LogEvent, sagas: Sagas): EventDraft | undefined {
  const saga = sagas.find(uuidOf(event.subject as PaymentId));
  if (saga?.state !== 'authorized') return undefined;
  sagas.move(saga, 'completed');
  const entryId = idOf('jen', entryIdOf(saga.paymentUuid, 'payment'));
  return follow(event, { type: 'payment.completed', data: { ...saga.terms, entry_id: entryId } });
}

/** What undoes a stage, by the name the definition gives it; a new one does not compile until it stands here. */
const COMPENSATIONS: Readonly<
  Record<NonNullable<Stage['compensation']>, (saga: Saga, books: Books) => void>
> = {
  release_hold: (saga, books) => {
    const released = books.release(saga.paymentUuid);
    invariant(released.ok, `the hold of payment ${saga.paymentUuid} ended otherwise than its saga`);
  },
};

function compensate(event: LogEvent<PostingRefused>, sagas: Sagas, books: Books): EventDraft | undefined {
  const saga = sagas.find(uuidOf(event.subject as PaymentId));
  if (saga?.state !== 'authorized') return undefined;
  const failed = stageEndedBy(balancePayment, event.type);
  invariant(failed !== undefined, `no stage ends by ${event.type}`);
  for (const compensation of compensationsBefore(balancePayment, failed)) {
    COMPENSATIONS[compensation](saga, books);
  }
  sagas.move(saga, 'failed');
  const { code, detail } = event.data;
  return follow(event, { type: 'payment.failed', data: { ...saga.terms, code, detail } });
}
