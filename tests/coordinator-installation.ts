/**
 * The coordinator and the ledger over a database of their own, by stages or straight through. What other services say is
 * appended as they would append it; validation hands on what it is asked.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '#kernel/clock.ts';
import { newId, type PaymentId, uuidOf } from '#kernel/ids.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { PassageShares } from '#platform/batch/passage-shares.ts';
import { PassageWorker } from '#platform/batch/passage-worker.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import type { EventDraft, JsonObject } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { isTransient } from '#platform/postgres/faults.ts';
import { Session } from '#platform/postgres/session.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { straightThrough } from '#services/authorization/straight-through.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { postFor } from '#services/ledger/post-order.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { termsVersion } from '#services/payments/contract.ts';
import { answer, partiesOf } from '#services/validation/answer-request.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import type { PaymentTerms } from '#services/validation/contract.ts';
import { CRITICAL_GROUPS, TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type NewAccount, startEngine, TENANT } from './engine.ts';
import { ask } from './redelivery.ts';
import { TOLD, type Told } from './told-events.ts';

const PARTITIONS = 4;
const BATCH_MAX = 500;
const SETTLE_TIMEOUT_MS = 30_000;
const POLL_MS = 5;
/** Instead of the turns of leases. */
const LEASE_TURN_MS = 50;

type Method = PaymentTerms['method'];

export interface PaymentOf {
  readonly method?: Method;
  readonly wallet?: string;
  readonly amount?: number;
}

export interface Appended {
  readonly topic: string;
  readonly type: string;
  readonly data: JsonObject;
  readonly subject: string;
  readonly key?: string;
  readonly version?: number;
}

export class CoordinatorInstallation {
  readonly database: TestDatabase;
  readonly log: EventLog;
  /** Partitions that the short cut has left to the stages, each time that it did. */
  readonly yields: (readonly number[])[] = [];
  /** Batches that each worker has committed. */
  readonly batches = new Map<string, number>();
  readonly #ledger = new LedgerStore();
  readonly #sessions: Session[] = [];
  readonly #workers: { stop(): Promise<void> }[] = [];
  readonly #appends: Session;
  #leaseTurns: NodeJS.Timeout | undefined;
  #failure: unknown;

  private constructor(database: TestDatabase, log: EventLog, heads: Session) {
    this.database = database;
    this.log = log;
    this.#sessions.push(heads);
    this.#appends = this.session('appends');
  }

  static async create(accounts: readonly NewAccount[]): Promise<CoordinatorInstallation> {
    const database = await createProductDatabase();
    const engine = await startEngine(database.url, { partitions: PARTITIONS });
    await engine.openAccounts(accounts);
    await engine.settled();
    await engine.close();
    return CoordinatorInstallation.open(database);
  }

  /** Another process on the same installation. */
  static async open(database: TestDatabase): Promise<CoordinatorInstallation> {
    const heads = new Session({ url: database.url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: TOPOLOGY.topics,
      partitions: PARTITIONS,
      onError: rethrow,
    });
    return new CoordinatorInstallation(database, log, heads);
  }

  session(name: string): Session {
    const session = new Session({ url: this.database.url, name });
    this.#sessions.push(session);
    return session;
  }

  rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return ask(this.database.url, sql, values);
  }

  /** In one commit, in this order within a topic. */
  async append(...events: readonly Appended[]): Promise<void> {
    for (const topic of new Set(events.map((each) => each.topic))) {
      const drafts = events.filter((each) => each.topic === topic).map(draftOf);
      let segments: ReturnType<typeof sendAppend> | undefined;
      await this.#appends.transaction(async (tx) => {
        const { partitions } = this.log;
        segments = sendAppend(
          tx,
          prepareAppend({ topic, partitions, occurredAt: systemClock.now(), drafts }),
        );
        await segments;
      });
      if (segments !== undefined) this.log.publish(await segments);
    }
  }

  /** What was validated, for the stages, or is requested, for the short cut. */
  payment(
    how: 'requested' | 'validated',
    { method = 'gateway', wallet = 'wallet', amount = 100 }: PaymentOf = {},
  ): Appended & { readonly subject: PaymentId } {
    const terms: PaymentTerms = { wallet_id: wallet, service_id: 'service', amount, currency: 'USD', method };
    const texts = { reference: null, description: null, metadata: null };
    return {
      topic: how === 'requested' ? 'payments' : 'validation',
      type: `payment.${how}`,
      data: how === 'requested' ? { ...terms, ...texts } : terms,
      subject: newId('pay'),
      key: wallet,
      version: termsVersion(terms),
    };
  }

  refund(how: 'requested' | 'validated', { subject, data, key }: Appended, amount = 100): Appended {
    const { wallet_id, service_id, currency, method } = data as PaymentTerms;
    const terms = { payment_id: subject, wallet_id, service_id, amount, currency, method };
    const topic = how === 'requested' ? 'payments' : 'validation';
    return { topic, type: `refund.${how}`, data: terms, subject: newId('ref'), ...(key && { key }) };
  }

  /** By stages; validation's is not there unless payments are requested. */
  startStages(): void {
    this.#consume(authorizationConsumer(this.#ledger));
    this.#consume(ledgerConsumer(this.#ledger));
  }

  /** Straight through where it can be, by stages where not. */
  startPassage(): void {
    const stages = new Map<string, { own(partitions: readonly number[]): void }>([
      ['validation', this.#consume(validationConsumer(this.#ledger), [])],
      ['authorization', this.#consume(authorizationConsumer(this.#ledger), [])],
      ['ledger', this.#consume(ledgerConsumer(this.#ledger), [])],
    ]);
    const passage = straightThrough(this.#ledger, {
      validation: { handles: validationConsumer(this.#ledger).handles, partiesOf, answer },
      ledger: { handles: ledgerConsumer(this.#ledger).handles, post: postFor },
    });
    const worker = new PassageWorker({
      passage: { ...passage, paceMs: 0 },
      ...this.#machine(passage.name),
      onYield: (partitions, forMs) => {
        this.yields.push(partitions);
        shares.yield(partitions, forMs);
      },
    });
    const shares: PassageShares = new PassageShares({ groups: CRITICAL_GROUPS, stages, passage: worker });
    const turn = (): void => {
      for (const group of CRITICAL_GROUPS) shares.own(group, this.#partitions());
    };
    turn();
    this.#leaseTurns = setInterval(turn, LEASE_TURN_MS);
    this.#workers.push(worker);
    worker.start();
  }

  /** Resolves when the groups have read their logs to the end; rejects if a worker met what trying again does not mend. */
  async settled(groups: readonly string[] = ['authorization', 'ledger']): Promise<void> {
    const deadline = performance.now() + SETTLE_TIMEOUT_MS;
    for (;;) {
      if (this.#failure !== undefined) throw new Error('a worker failed', { cause: this.#failure });
      const behind = await this.rows(
        `select p.consumer_group || ' in ' || topic || '/' || partition as place
         from log.heads h join log.positions p using (topic, partition)
         where p.position < h.position and p.consumer_group = any ($1)`,
        [groups],
      );
      if (behind.length === 0) return;
      if (performance.now() > deadline) throw new Error(`not settled: ${JSON.stringify(behind)}`);
      await delay(POLL_MS);
    }
  }

  /** Every event about the subject by commit, and in a commit by cause: type, and in which transaction it was appended. */
  async timeline(subject: string): Promise<{ type: string; tx: string }[]> {
    const from = TOPOLOGY.topics.map(
      (topic) =>
        `select '${topic}/' || partition || '/' || position as id, type, causation, xmin::text as tx
         from "${topic}".events where subject = $1`,
    );
    const rows = await this.rows(
      `with recursive e as (${from.join(' union all ')}), line as (
         select e.*, 0 as depth from e where causation not in (select id from e)
         union all select e.*, depth + 1 from e join line on e.causation = line.id
       ) select type, tx from line order by tx::bigint, depth, id`,
      [subject],
    );
    return rows as { type: string; tx: string }[];
  }

  async stateOf(subject: string): Promise<unknown> {
    const [table, key] = subject.startsWith('ref_') ? ['refund_sagas', 'refund_id'] : ['sagas', 'payment_id'];
    const rows = await this.rows(`select state from "authorization".${table} where ${key} = $1`, [
      uuidOf(subject as PaymentId),
    ]);
    return rows[0]?.['state'];
  }

  async stop(): Promise<void> {
    clearInterval(this.#leaseTurns);
    await Promise.all(this.#workers.splice(0).map((worker) => worker.stop()));
    await this.log.close();
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  async drop(): Promise<void> {
    await this.stop();
    await this.database.drop();
  }

  #consume<Loaded, Plan extends ConsumerPlan>(
    consumer: Consumer<Loaded, Plan>,
    owned: readonly number[] = this.#partitions(),
  ): ConsumerWorker<Loaded, Plan> {
    const worker = new ConsumerWorker({
      consumer: { ...consumer, paceMs: 0 },
      ...this.#machine(consumer.group),
    });
    worker.own(owned);
    worker.start();
    this.#workers.push(worker);
    return worker;
  }

  #machine(name: string) {
    return {
      log: this.log,
      session: this.session(name),
      clock: systemClock,
      random: Math.random,
      batchMax: BATCH_MAX,
      observer: {
        committed: (worker: string) => void this.batches.set(worker, (this.batches.get(worker) ?? 0) + 1),
        failed: (_worker: string, error: unknown) => {
          if (!isTransient(error)) this.#failure ??= error;
        },
      },
    };
  }

  #partitions(): number[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => partition);
  }
}

/** What is told of the same payment or refund, by its word. */
export function told(about: Appended, word: Told): Appended {
  const [topic, type, data] = TOLD[word];
  return { topic, type, data, subject: about.subject, ...(about.key && { key: about.key }) };
}

/** What a person asks payments for, before validation has handed it on. */
export function requested(
  about: Appended,
  word: 'cancel' | 'say charged' | 'say not charged' | 'revoke',
): Appended {
  const admitted = told(about, word);
  return { ...admitted, topic: 'payments', type: admitted.type.replace('_admitted', '_requested') };
}

function draftOf({ type, data, subject, key = 'wallet', version = 1 }: Appended): EventDraft {
  return {
    type,
    version,
    subject,
    tenant: TENANT,
    key,
    data,
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
  };
}

function rethrow(error: unknown): void {
  throw error;
}
