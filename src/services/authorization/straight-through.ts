/**
 * A payment straight through: requested, validated, authorized, posted and completed in one commit, where one process
 * runs the three services (docs/adr/0011); one that a provider charges in two, before the charge and after it. Every stage
 * is decided by what its own consumer decides with, and emits its own event; what ends early ends where its consumer
 * would have ended it.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { AWAITED_PACE_MS } from '#platform/batch/pace.ts';
import type { Passage, Recorder } from '#platform/batch/passage.ts';
import { type EventDraft, eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { causationsIn, subjectsIn } from '#platform/log/own-effects.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import {
  type AccountGlance,
  type AccountRef,
  accountRef,
  type Books,
  entryIdOf,
  type Ledger,
} from '#services/ledger/contract.ts';
import type { PaymentRequested, RefundTerms } from '#services/payments/contract.ts';
import { HANDLES, isCoordinated } from './consumer.ts';
import { coordinate } from './coordinate.ts';
import { findTurnRows, type TurnRows, uuidIn } from './load-turn.ts';
import { Sagas } from './sagas.ts';
import { saveSagas } from './store.ts';
import { isRefund, type Turn } from './turn.ts';

const REQUEST = 'payment.requested';
/** The log of the events that validation answers. */
const REQUESTS = 'payments';

type Accounts = ReadonlyMap<string, AccountGlance>;
/** Of an event that asks for a payment. */
type PartiesOf = (event: LogEvent<PaymentRequested>) => readonly AccountRef[];

interface Loaded extends Omit<Turn, 'now'> {
  readonly accounts: Accounts;
  /** Whether the event was passed before, as far as its first stage: the others go on from there, not from here. */
  readonly isPassed: (event: LogEvent) => boolean;
}

/** What the other services' consumers act on and decide with; the composition root has them, since services meet in contracts alone. */
export interface OtherStages {
  readonly validation: {
    readonly handles: ReadonlyMap<string, number>;
    readonly partiesOf: PartiesOf;
    readonly answer: (accounts: Accounts, event: LogEvent) => EventDraft;
  };
  readonly ledger: {
    readonly handles: ReadonlyMap<string, number>;
    readonly post: (books: Books, event: LogEvent, now: EpochMs) => EventDraft | undefined;
  };
}

export function straightThrough(ledger: Ledger, others: OtherStages): Passage<Loaded, Turn> {
  return {
    name: 'straight-through',
    links: [
      { isEntry: true, group: 'authorization', topic: 'providers', handles: HANDLES },
      { isEntry: true, group: 'validation', topic: REQUESTS, handles: others.validation.handles },
      { isEntry: false, group: 'authorization', topic: 'validation', handles: HANDLES },
      { isEntry: false, group: 'ledger', topic: 'authorization', handles: others.ledger.handles },
      { isEntry: false, group: 'authorization', topic: 'ledger', handles: HANDLES },
    ],
    concerns: isCoordinated,
    paceMs: AWAITED_PACE_MS,
    load: (tx, events) => load(tx, ledger, { events, partiesOf: others.validation.partiesOf }),
    decide(loaded, events, now, record) {
      const turn = { ...loaded, now };
      const answers = answersOf(others, loaded.accounts);
      for (const event of events) if (!loaded.isPassed(event)) pass(event, { turn, answers, record });
      return turn;
    },
    save(tx, { books, sagas }, now) {
      saveSagas(tx, sagas.changes(), now);
      ledger.saveBooks(tx, books, now);
    },
  };
}

async function load(
  tx: Transaction,
  ledger: Ledger,
  { events, partiesOf }: { events: readonly LogEvent[]; partiesOf: PartiesOf },
): Promise<Loaded> {
  const requests = events.filter(({ type }) => type === REQUEST);
  const later = events.filter(({ type }) => type !== REQUEST);
  // Of a payment that begins nothing is there yet.
  const known: TurnRows =
    later.length === 0 ? { sagas: new Sagas(), answered: new Set() } : await findTurnRows(tx, later);
  const accounts = [
    ...requests.flatMap((request) => partiesOf(request as LogEvent<PaymentRequested>)),
    ...later.flatMap((event) => partiesOfLater(event, known.sagas)),
  ];
  const uuids = later.map(uuidIn);
  const [isPassed, books] = await Promise.all([
    findPassed(tx, requests, later),
    ledger.openBooks(tx, {
      accounts,
      holds: uuids,
      entries: uuids.flatMap((uuid) => [entryIdOf(uuid, 'payment'), entryIdOf(uuid, 'reversal')]),
    }),
  ]);
  return { ...known, isPassed, books, accounts: glancesOf(books, accounts) };
}

/** Of a payment or refund that is known, or that its request tells of. */
function partiesOfLater(event: LogEvent, sagas: Sagas): AccountRef[] {
  const { tenant } = event;
  const uuid = uuidIn(event);
  const told = event.data as Partial<RefundTerms>;
  const terms = isRefund(event) ? sagas.findRefund(uuid)?.terms : sagas.findPayment(uuid)?.terms;
  const { wallet_id: wallet, service_id: service } = terms ?? told;
  return [wallet, service].flatMap((id) => (id === undefined ? [] : { tenant, id }));
}

/** A payment that validation has answered has left the beginning; of what comes later each event is answered by itself. */
async function findPassed(
  tx: Transaction,
  requests: readonly LogEvent[],
  later: readonly LogEvent[],
): Promise<Loaded['isPassed']> {
  const asked = later.filter(({ topic }) => topic === REQUESTS);
  const [begun, answered] = await Promise.all([
    subjectsIn(
      tx,
      'validation',
      requests.map(({ subject }) => subject),
    ),
    causationsIn(tx, 'validation', asked),
  ]);
  return (event) => (event.type === REQUEST ? begun.has(event.subject) : answered.has(eventIdentity(event)));
}

function glancesOf(books: Books, parties: readonly AccountRef[]): Accounts {
  const accounts = new Map<string, AccountGlance>();
  for (const party of parties) {
    const balance = books.find(party.tenant, party.id);
    if (balance === undefined) continue;
    accounts.set(accountRef(party), { currency: balance.account.currency, status: balance.status });
  }
  return accounts;
}

interface Answer {
  /** The service's topic, which has its name. */
  readonly topic: string;
  readonly answer: (event: LogEvent, turn: Turn) => EventDraft | undefined;
}

/** By the log that an event stands in: who answers it, as in the links. */
function answersOf({ validation, ledger }: OtherStages, accounts: Accounts): ReadonlyMap<string, Answer> {
  const coordinator: Answer = { topic: 'authorization', answer: coordinate };
  return new Map<string, Answer>([
    [REQUESTS, { topic: 'validation', answer: (event) => validation.answer(accounts, event) }],
    ['validation', coordinator],
    ['providers', coordinator],
    ['authorization', { topic: 'ledger', answer: (event, { books, now }) => ledger.post(books, event, now) }],
    ['ledger', coordinator],
  ]);
}

/** As far as the services of the passage have an answer. */
function pass(
  entry: LogEvent,
  { turn, answers, record }: { turn: Turn; answers: ReadonlyMap<string, Answer>; record: Recorder },
): void {
  for (let event = entry; ; ) {
    const next = answers.get(event.topic);
    const draft = next?.answer(event, turn);
    if (next === undefined || draft === undefined) return;
    event = record(event, next.topic, draft);
  }
}
