/**
 * The card authorizer over a database of its own, as separate processes run it: each with a log, a ledger store, sessions and
 * caches of its own.
 */
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { vi } from 'vitest';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { Problem } from '#kernel/problem.ts';
import type { Command } from '#platform/batch/command.ts';
import { type CommandOutcome, CommandWorker } from '#platform/batch/command-worker.ts';
import type { Reach } from '#platform/egress/reachable.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { prepareInstallation } from '#platform/log/installation.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { Session } from '#platform/postgres/session.ts';
import { verify } from '#proof/verify.ts';
import type { Authorized, CardAuthorization } from '#services/cards/authorizer.ts';
import { CardCommands } from '#services/cards/card-commands.ts';
import type { CardOrder } from '#services/cards/card-orders.ts';
import { Cards } from '#services/cards/cards.ts';
import { readCardTransaction } from '#services/cards/read-card-transaction.ts';
import { CardReads } from '#services/cards/reads.ts';
import { LedgerReads } from '#services/ledger/reads.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { PATIENCE } from './patience.ts';

export const TENANT = 'acme';
export const MEAL = '5811';

const PARTITIONS = 4;
const BATCH_MAX = 500;
/** A test is not about a slow machine, unless it says so. */
const PATIENT_MS = 30_000;

export interface Purchase {
  readonly [member: string]: unknown;
}

/** `reach`: of a route on which answers may be sent (K10). */
export type Asking = Partial<
  Pick<CardAuthorization, 'deadlineMs' | 'isGone' | 'arrivedAt' | 'tenant'> & { readonly reach: Reach }
>;

type Balances = NonNullable<Extract<CardOrder, { readonly operation: 'cards.create' }>['balances']>;

export interface CardProcess {
  readonly cards: Cards;
  /** Cents are hundredths: `purchase({totalAmount: 1.5})`. */
  purchase(body: Purchase, asking?: Asking): Promise<Authorized>;
  order(body: CardOrder, idempotencyKey?: string, tenant?: string): Promise<CommandOutcome>;
  /** Makes a card in BRL that no other test has, with these balances in minor units: its account. */
  newCard(balances: Balances): Promise<string>;
  /** What its batches met and tried again after. */
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

export class CardFixture {
  readonly url: string;
  readonly owner: Client;
  readonly reads: CardReads;
  readonly ledgerReads: LedgerReads;
  readonly #database: TestDatabase;
  readonly #pool: ReadPool;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(database: TestDatabase, owner: Client) {
    this.#database = database;
    this.url = database.url;
    this.owner = owner;
    this.#pool = new ReadPool({ url: this.url, onError: rethrow });
    this.ledgerReads = new LedgerReads(this.#pool);
    this.reads = new CardReads(this.#pool, this.ledgerReads);
  }

  /** @internal Use `openCards`. */
  static async open(): Promise<CardFixture> {
    const database = await createProductDatabase();
    await prepareInstallation(database.url, TOPOLOGY, PARTITIONS);
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    return new CardFixture(database, owner);
  }

  /** `url`: of a way to the database that a test can cut. */
  async process({
    clock = systemClock,
    url = this.url,
  }: {
    clock?: Clock;
    url?: string;
  } = {}): Promise<CardProcess> {
    const sessions: Session[] = [];
    const failures: unknown[] = [];
    const openSession = (name: string): Session => {
      const session = new Session({ url, name });
      sessions.push(session);
      return session;
    };
    const noteFailure = (error: unknown): void => void failures.push(error);
    const observer = {
      committed: () => undefined,
      failed: (_worker: string, error: unknown) => noteFailure(error),
    };
    const log = await EventLog.open({
      session: openSession('heads'),
      topics: TOPOLOGY.topics,
      partitions: PARTITIONS,
      onError: () => undefined,
    });
    const ledger = new LedgerStore();
    const machine = { log, clock, random: Math.random, batchMax: BATCH_MAX, observer };
    const commands = new CommandWorker({
      ...machine,
      name: 'cards.intake',
      topic: 'cards',
      handler: new CardCommands({ ledger, renderProblem: refusal, reach: 'public' }),
      idempotency: new IdempotencyStore('cards'),
      keyReused: (pointers) => ({ status: 422, body: JSON.stringify(pointers) }),
      session: openSession('card commands'),
      delayMs: () => 0,
    });
    const cards = new Cards({
      ...machine,
      ledger,
      openSession,
      newUuid: randomUUID,
      onError: noteFailure,
      onWaited: () => undefined,
    });
    commands.start();
    await cards.start();
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> => {
      stopped ??= stopAll([
        () => commands.stop(),
        () => cards.stop(),
        () => log.close(),
        ...sessions.map((session) => () => session.close()),
      ]);
      return stopped;
    };
    this.#closing.push(stop);
    return { cards, failures, stop, ...askingOf(cards, commands) };
  }

  /** Rows of the owner, who may read everything. */
  async rows<Row extends Record<string, unknown>>(sql: string, values: unknown[] = []): Promise<Row[]> {
    return (await this.owner.query<Row>(sql, values)).rows;
  }

  /** Another session holds the lock until the function that it gives is called. */
  async locking(sql: string, values: unknown[] = [], { timeoutMs = 0 } = {}): Promise<() => Promise<void>> {
    const other = new Client({ connectionString: this.url });
    await other.connect();
    await other.query(`set lock_timeout = ${timeoutMs}`);
    await other.query('begin');
    try {
      await other.query(sql, values);
    } catch (error) {
      await other.end();
      throw error;
    }
    return () => other.end();
  }

  /** As `locking`: the balance of one account. */
  lockingBalance(accountId: string): Promise<() => Promise<void>> {
    return this.locking(
      `select from ledger.balances b join ledger.accounts a on a.key = b.account_key
       where a.tenant = $1 and a.id = $2 for no key update of b`,
      [TENANT, accountId],
    );
  }

  /** Keeps every reversal from its end: it writes to this table, a decision does not. What is to be confirmed is, before. */
  async lockingReversals(): Promise<() => Promise<void>> {
    const unconfirmed = `select from cards.card_transactions where repeated_at is not null and confirmed_at is null`;
    await vi.waitUntil(async () => (await this.rows(unconfirmed)).length === 0, PATIENCE);
    return this.locking('lock table cards.unconfirmed in access exclusive mode');
  }

  /** When so many sessions wait for a lock, each in a statement with this text: those sessions. */
  waitingIn(text: string, sessions = 1): Promise<number[]> {
    return vi.waitUntil(async () => {
      const waiting = await this.rows<{ pid: number }>(
        `select pid from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and strpos(query, $1) > 0`,
        [text],
      );
      return waiting.length >= sessions && waiting.map(({ pid }) => pid);
    }, PATIENCE);
  }

  /** What each balance of the card has available, in minor units. */
  async balances(account: string, tenant = TENANT): Promise<Record<string, number>> {
    const card = await this.reads.findCard(tenant, account);
    if (card === undefined) throw new Error(`no card ${account}`);
    const available = (category: 'FOOD' | 'MEAL' | 'CASH') => Number(card.balanceOf(category).availableMinor);
    return { FOOD: available('FOOD'), MEAL: available('MEAL'), CASH: available('CASH') };
  }

  /** What is recorded of the card's transactions. */
  recorded(account: string): Promise<{ code: string; reason: string | null; external_id: string | null }[]> {
    return this.rows('select code, reason, external_id from cards.card_transactions where account = $1', [
      account,
    ]);
  }

  /** What `verify` finds wrong, and how much of the cards it has looked at. */
  async verified(): Promise<{ readonly findings: readonly unknown[]; readonly cards: number }> {
    const { checks } = await verify({ url: this.url });
    return {
      findings: checks.flatMap(({ findings }) => findings),
      cards: checks.find(({ name }) => name === 'cards')?.checked ?? 0,
    };
  }

  /** Nobody is connected to the database when it resolves; it is the caller's to drop. */
  async leave(): Promise<TestDatabase> {
    await Promise.all(this.#closing.map((stop) => stop()));
    await this.#pool.close();
    await this.owner.end();
    return this.#database;
  }

  async close(): Promise<void> {
    await (await this.leave()).drop();
  }
}

function askingOf(
  cards: Cards,
  commands: { submit(command: Command<CardOrder>): Promise<CommandOutcome> },
): Pick<CardProcess, 'purchase' | 'order' | 'newCard'> {
  const order: CardProcess['order'] = (body, idempotencyKey, tenant = TENANT) =>
    commands.submit({
      operation: body.operation,
      tenant,
      idempotencyKey,
      id: newId(body.operation.startsWith('card_transactions') ? 'crv' : 'ctu'),
      requestId: newId('req'),
      correlationId: newId('cor'),
      traceparent: null,
      actor: 'key_of_a_person',
      body,
    });
  return {
    order,
    purchase: (body, asking = {}) => cards.authorizer.authorize(asked(body, asking)),
    newCard: async (balances) => {
      const account = `card-${(cardsMade += 1)}`;
      const { answer } = await order({ operation: 'cards.create', account, currency: 'BRL', balances });
      if (answer.status !== 201) throw new Error(answer.body);
      return account;
    },
  };
}

let cardsMade = 0;

/** How many of the answers have each code. */
export async function codesOf(answers: readonly Promise<Authorized>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { cardTransaction } of await Promise.all(answers))
    counts[cardTransaction.code] = (counts[cardTransaction.code] ?? 0) + 1;
  return counts;
}

export function openCards(): Promise<CardFixture> {
  return CardFixture.open();
}

function asked(body: Purchase, { reach, ...asking }: Asking): CardAuthorization {
  const full = { mcc: MEAL, merchant: 'PADARIA DO ZE               SAO PAULO BR', ...body };
  return {
    tenant: TENANT,
    uuid: uuidOf(newId('ctx')),
    reading: readCardTransaction(Buffer.from(JSON.stringify(full)), { reach }),
    arrivedAt: performance.now(),
    deadlineMs: PATIENT_MS,
    isGone: () => false,
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
    ...asking,
  };
}

async function stopAll(steps: readonly (() => Promise<void>)[]): Promise<void> {
  for (const step of steps) await step();
}

function refusal(problem: Problem): Answer {
  return { status: 422, body: JSON.stringify(problem) };
}

function rethrow(error: unknown): void {
  throw error;
}
