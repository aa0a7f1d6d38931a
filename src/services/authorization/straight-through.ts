/**
 * A payment straight through: requested, validated, authorized, posted and completed in one commit, where one process
 * runs the three services (docs/adr/0011). Every stage is decided by what its own consumer decides with, in the order
 * of the saga's definition, and emits its own event; what ends early ends where its consumer would have ended it.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { invariant } from '#kernel/fault.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { Passage, Recorder } from '#platform/batch/passage.ts';
import type { EventDraft, LogEvent } from '#platform/log/event.ts';
import { subjectsIn } from '#platform/log/own-effects.ts';
import { balancePayment } from '#sagas/balance-payment.ts';
import { stageDueAfter } from '#sagas/saga.ts';
import {
  type AccountGlance,
  type AccountRef,
  accountRef,
  type Books,
  type Ledger,
} from '#services/ledger/contract.ts';
import type { PaymentRequested } from '#services/payments/contract.ts';
import { HANDLES, isOfPayment } from './consumer.ts';
import { coordinate, Sagas } from './coordinate.ts';
import type { PaymentAuthorized } from './events.ts';
import { insertSagas } from './store.ts';

interface Loaded {
  readonly books: Books;
  readonly accounts: ReadonlyMap<string, AccountGlance>;
  /** Payments answered before, if their request is delivered again: their stages go on from there, not from here. */
  readonly answered: ReadonlySet<string>;
}

interface Plan {
  readonly books: Books;
  readonly sagas: Sagas;
}

/** What the other services' consumers act on and decide with; the composition root has them, since services meet in contracts alone. */
export interface OtherStages {
  readonly validation: {
    readonly handles: ReadonlyMap<string, number>;
    readonly partiesOf: (event: LogEvent<PaymentRequested>) => readonly AccountRef[];
    readonly answerRequest: (
      accounts: ReadonlyMap<string, AccountGlance>,
      event: LogEvent<PaymentRequested>,
    ) => EventDraft;
  };
  readonly ledger: {
    readonly handles: ReadonlyMap<string, number>;
    readonly postPayment: (
      books: Books,
      event: LogEvent<PaymentAuthorized>,
      now: EpochMs,
    ) => EventDraft | undefined;
  };
}

export function straightThrough(ledger: Ledger, others: OtherStages): Passage<Loaded, Plan> {
  const pass = passWith(answersOf(others));
  const handles = HANDLES;
  return {
    name: 'straight-through',
    links: [
      { group: 'validation', topic: 'payments', handles: others.validation.handles },
      { group: 'authorization', topic: 'validation', handles },
      { group: 'ledger', topic: 'authorization', handles: others.ledger.handles },
      { group: 'authorization', topic: 'ledger', handles },
    ],
    concerns: isOfPayment,
    paceMs: AWAITED_PACE_MS,
    async load(tx, events) {
      const requests = events as readonly LogEvent<PaymentRequested>[];
      const parties = requests.flatMap(others.validation.partiesOf);
      const subjects = requests.map(({ subject }) => subject);
      const [answered, books] = await Promise.all([
        subjectsIn(tx, 'validation', subjects),
        // A payment that validation has not answered has neither saga, hold nor entry.
        ledger.openBooks(tx, { accounts: parties }),
      ]);
      const accounts = new Map<string, AccountGlance>();
      for (const party of parties) {
        const balance = books.find(party.tenant, party.id);
        if (balance === undefined) continue;
        accounts.set(accountRef(party), { currency: balance.account.currency, status: balance.status });
      }
      return { answered, books, accounts };
    },
    decide({ answered, books, accounts }, events, now, record) {
      const sagas = new Sagas(new Map());
      for (const request of events)
        if (!answered.has(request.subject)) pass(request, { accounts, books, sagas, now, record });
      return { books, sagas };
    },
    save(tx, { books, sagas }, now) {
      insertSagas(tx, sagas.changes().begun, now);
      ledger.saveBooks(tx, books, now);
    },
  };
}

interface Stages {
  readonly accounts: ReadonlyMap<string, AccountGlance>;
  readonly books: Books;
  readonly sagas: Sagas;
  readonly now: EpochMs;
  readonly record: Recorder;
}

type StageAnswer = (event: LogEvent, stages: Stages) => EventDraft | undefined;

/** By service; its topic has the same name. A saga's stage at another service is where the passage ends. */
function answersOf({ validation, ledger }: OtherStages): ReadonlyMap<string, StageAnswer> {
  return new Map<string, StageAnswer>([
    [
      'validation',
      (event, { accounts }) => validation.answerRequest(accounts, event as LogEvent<PaymentRequested>),
    ],
    ['authorization', (event, { sagas, books }) => coordinate(event, sagas, books)],
    [
      'ledger',
      (event, { books, now }) => ledger.postPayment(books, event as LogEvent<PaymentAuthorized>, now),
    ],
  ]);
}

function passWith(answers: ReadonlyMap<string, StageAnswer>) {
  return (request: LogEvent, stages: Stages): void => {
    let event = request;
    for (;;) {
      const service = stageDueAfter(balancePayment, event.type)?.service ?? '';
      const answer = answers.get(service);
      if (answer === undefined) return;
      const draft = answer(event, stages);
      invariant(draft !== undefined, `${service} has no answer to the ${event.type} of ${event.subject}`);
      event = stages.record(event, service, draft);
    }
  };
}
