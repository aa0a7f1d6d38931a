/**
 * A small installation for tests of the machine itself: topics `source` and `second` are read by the group `probe`,
 * which emits to `target` and notes every effect in a table that has no uniqueness, so that nothing done twice can
 * hide behind a constraint. What stands for a process is an EventLog and sessions of its own.
 */
import { Client } from 'pg';
import { systemClock } from '#kernel/clock.ts';
import { newId } from '#kernel/ids.ts';
import type { BatchReading, Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { PartitionTurns } from '#platform/batch/partition-turns.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { prepareAppend, sendAppend } from '#platform/log/append.ts';
import { type EventDraft, eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { follow } from '#platform/log/follow.ts';
import { prepareInstallation, type Topology } from '#platform/log/installation.ts';
import { int2Array, int8Array, textArray } from '#platform/postgres/arrays.ts';
import { Session, statement, type Transaction } from '#platform/postgres/session.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';

export const PROBE_GROUP = 'probe';
const TOPICS = ['source', 'second', 'target'] as const;
export type ProbeTopic = (typeof TOPICS)[number];

const TOPOLOGY: Topology = {
  schemas: [...TOPICS, 'probe'],
  topics: TOPICS,
  groups: [{ group: PROBE_GROUP, topics: ['source', 'second'] }],
  appendOnly: [],
  monthly: [],
};
const PARTITIONS = 4;
const DEAD_LETTER_TABLES = [
  'dead_letters',
  'parked_keys',
  'parked_events',
  'abandoned_events',
  'redeliveries',
  'pending_redeliveries',
  'dead_letter_actions',
].map((table) => `log.${table}`);

const NOTE_EFFECTS = statement(
  'probe.note_effects',
  `insert into probe.effects (topic, partition, position, key, step)
   select * from unnest($1::text[], $2::smallint[], $3::bigint[], $4::text[], $5::bigint[])`,
);

/** What the consumer did, in the order in which it was committed within a partition. */
export interface Effect {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly key: string;
  readonly step: number;
}

export interface DeadLetterRow {
  /** Its uuid. */
  readonly id: string;
  readonly key: string;
  readonly topic: string;
  readonly position: number;
  readonly state: string;
  readonly attempts: number;
  readonly code: string;
  readonly error: string;
}

/** Where a test takes part in a batch. All are optional. */
export interface ProbeHooks {
  readonly topics?: readonly ProbeTopic[];
  /** Behind the fence, before anything is decided. */
  readonly onLoad?: (events: readonly LogEvent[]) => Promise<void>;
  /** May throw. */
  readonly onDecide?: (events: readonly LogEvent[]) => void;
  readonly onSave?: (tx: Transaction, events: readonly LogEvent[]) => void;
  readonly concerns?: (event: LogEvent) => boolean;
  readonly retains?: (event: LogEvent, events: readonly LogEvent[]) => boolean;
  /** What is retained waits for nothing but its turn. */
  readonly goesOnAtOnce?: boolean;
  readonly onPrepare?: (events: readonly LogEvent[], reading: BatchReading) => void;
  /** Around the transaction, on the side of the process. */
  readonly session?: SessionHooks;
  readonly batchMax?: number;
  readonly paceMs?: number;
  readonly turns?: PartitionTurns;
  readonly onUnknownVersion?: (partition: number, event: LogEvent) => void;
  /** Default the subject, which is the key. */
  readonly parkingKeyOf?: (event: LogEvent) => string;
  /** Around the transactions of the redeliverer. */
  readonly redelivering?: SessionHooks;
}

export interface SessionHooks {
  beforeTransaction?(): Promise<void>;
  /** Everything of the transaction has been sent but its commit. */
  beforeCommit?(): Promise<void>;
  /** After a commit, before the worker hears of it; may throw, as a connection does that is lost just then. */
  afterCommit?(): Promise<void>;
}

/** The real session, with the test before and after its transactions. */
export class HookedSession extends Session {
  readonly #hooks: SessionHooks;

  constructor(options: { url: string; name: string }, hooks: SessionHooks) {
    super(options);
    this.#hooks = hooks;
  }

  override async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    await this.#hooks.beforeTransaction?.();
    const result = await super.transaction(async (tx) => {
      const worked = await work(tx);
      await this.#hooks.beforeCommit?.();
      return worked;
    });
    await this.#hooks.afterCommit?.();
    return result;
  }
}

interface Plan extends ConsumerPlan {
  readonly events: readonly LogEvent[];
}

function probeConsumer(hooks: ProbeHooks): Consumer<undefined, Plan> {
  return {
    group: PROBE_GROUP,
    topics: hooks.topics ?? ['source'],
    emits: 'target',
    handles: new Map([['tick', 1]]),
    paceMs: hooks.paceMs ?? 0,
    ...(hooks.concerns === undefined ? {} : { concerns: hooks.concerns }),
    ...(hooks.parkingKeyOf === undefined ? {} : { parkingKeyOf: hooks.parkingKeyOf }),
    async prepare(events, reading) {
      hooks.onPrepare?.(events, reading);
    },
    async load(_tx, events) {
      await hooks.onLoad?.(events);
      return undefined;
    },
    decide(_loaded, events) {
      hooks.onDecide?.(events);
      const retained = events.filter((event) => hooks.retains?.(event, events) ?? false);
      const done = events.filter((event) => !retained.includes(event));
      return {
        events: done,
        retained,
        goesOnAtOnce: hooks.goesOnAtOnce ?? false,
        drafts: done.map((event) => follow(event, { type: 'tock', data: event.data })),
      };
    },
    save(tx, { events }) {
      if (events.length > 0) noteEffects(tx, events);
      hooks.onSave?.(tx, events);
    },
  };
}

function noteEffects(tx: Transaction, events: readonly LogEvent[]): void {
  tx.run(NOTE_EFFECTS, [
    textArray(events.map((event) => event.topic)),
    int2Array(events.map((event) => event.partition)),
    int8Array(events.map((event) => event.position)),
    textArray(events.map((event) => event.key)),
    int8Array(events.map(stepOf)),
  ]);
}

export function stepOf(event: LogEvent): number {
  return event.data['step'] as number;
}

export interface Step {
  readonly key: string;
  readonly step: number;
  /** The probe reads version 1. */
  readonly version?: number;
}

/** What one process of the installation has; ended with the probe. */
export interface ProbeProcess {
  readonly log: EventLog;
  readonly worker: ConsumerWorker<undefined, Plan>;
  readonly redeliverer: Redeliverer;
  /** What its batches failed with, in order. */
  readonly failures: readonly unknown[];
  /** Identities of the events that should have become dead letters, and hold their partitions up instead. */
  readonly withheld: readonly string[];
  /** Places where the group has had no position, and what became of them. */
  readonly lost: readonly string[];
  stop(): Promise<void>;
}

export class Probe {
  readonly partitions = PARTITIONS;
  readonly url: string;
  readonly #database: TestDatabase;
  readonly #owner: Client;
  readonly session: Session;
  readonly #processes = new Set<ProbeProcess>();

  private constructor(database: TestDatabase, owner: Client) {
    this.url = database.url;
    this.#database = database;
    this.#owner = owner;
    this.session = new Session({ url: database.url, name: 'tests' });
  }

  static async open(): Promise<Probe> {
    const database = await createProductDatabase();
    const owner = new Client({ connectionString: database.url });
    await owner.connect();
    for (const topic of TOPICS)
      await owner.query(`create schema ${topic}; select log.create_topic('${topic}')`);
    await owner.query(
      `create schema probe;
       create table probe.effects (id bigserial, topic text, partition smallint, position bigint, key text, step bigint)`,
    );
    await prepareInstallation(database.url, TOPOLOGY, PARTITIONS);
    return new Probe(database, owner);
  }

  get allPartitions(): readonly number[] {
    return Array.from({ length: PARTITIONS }, (_, partition) => partition);
  }

  /** A process with one worker, which owns every partition unless told otherwise. */
  async start(hooks: ProbeHooks = {}, owned: readonly number[] = this.allPartitions): Promise<ProbeProcess> {
    const { url } = this;
    const failures: unknown[] = [];
    const onError = (error: unknown): void => void failures.push(error);
    const heads = new Session({ url, name: 'probe heads' });
    const log = await EventLog.open({ session: heads, topics: TOPICS, partitions: PARTITIONS, onError });
    const session = new HookedSession({ url, name: 'probe' }, hooks.session ?? {});
    const orders = new HookedSession({ url, name: 'probe orders' }, hooks.redelivering ?? {});
    const withheld: string[] = [];
    const lost: string[] = [];
    const observer: BatchObserver = {
      committed: () => undefined,
      failed: (_worker, error) => onError(error),
      deadLetterWithheld: (_group, event) => void withheld.push(eventIdentity(event)),
      positionLost: (_group, { topic, partition, isRemade }) =>
        void lost.push(`${topic}/${partition} ${isRemade ? 'made again' : 'stands'}`),
    };
    const redeliverer = new Redeliverer({ log, session: orders, clock: systemClock, observer });
    redeliverer.serve(probeConsumer(hooks));
    redeliverer.own(PROBE_GROUP, owned);
    redeliverer.start();
    const worker = new ConsumerWorker({
      consumer: probeConsumer(hooks),
      log,
      session,
      clock: systemClock,
      random: () => 0,
      batchMax: hooks.batchMax ?? 100,
      observer,
      onUnknownVersion: (_group, partition, event) => hooks.onUnknownVersion?.(partition, event),
      ...(hooks.turns === undefined ? {} : { turns: hooks.turns }),
    });
    worker.own(owned);
    worker.start();
    const stop = async (): Promise<void> => {
      this.#processes.delete(process);
      await Promise.all([worker.stop(), redeliverer.stop()]);
      await log.close();
      await Promise.all([session.close(), orders.close(), heads.close()]);
    };
    const process: ProbeProcess = { log, worker, redeliverer, failures, withheld, lost, stop };
    this.#processes.add(process);
    return process;
  }

  /** Appends a `tick` per step, in one commit; every process is told at once. */
  async append(
    steps: readonly Step[],
    topic: ProbeTopic = 'source',
    occurredAt: number = Date.now(),
  ): Promise<void> {
    const drafts = steps.map(tick);
    const append = prepareAppend({ topic, partitions: PARTITIONS, occurredAt, drafts });
    await this.session.transaction((tx) => sendAppend(tx, append));
    for (const { log } of this.#processes) log.wake();
  }

  /** Every effect, in the order of the table. */
  effects(): Promise<Effect[]> {
    return this.query<Effect>(
      'select topic, partition, position::int, key, step::int from probe.effects order by id',
    );
  }

  async countEffects(): Promise<number> {
    const [row] = await this.query('select count(*)::int as count from probe.effects');
    return row?.['count'] as number;
  }

  /** As the owner of the database. */
  async query<Row extends object = Record<string, unknown>>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    return (await this.#owner.query<Row>(text, [...values])).rows;
  }

  /** Oldest first. */
  deadLetters(): Promise<DeadLetterRow[]> {
    return this.query<DeadLetterRow>(
      `select id, subject as key, topic, position::int, state, attempts, error_code as code, error
       from log.dead_letters order by id`,
    );
  }

  /** Positions that wait for the key, in order. */
  async parkedBehind(key: string): Promise<number[]> {
    const rows = await this.query<{ position: number }>(
      `select position::int from log.parked_events where parking_key = $1 order by seq`,
      [`acme/${key}`],
    );
    return rows.map(({ position }) => position);
  }

  /** As the API does it; every process looks at once. */
  async order(
    action: 'replay' | 'skip' | 'discard',
    { id }: DeadLetterRow,
    editedData: string | null = null,
  ): Promise<void> {
    await this.query(
      `with asked as (
         insert into log.redeliveries (id, consumer_group, topic, partition, position, action, dead_letter, edited_data, reason,
                                       requested_by, requested_at)
         select gen_random_uuid(), consumer_group, topic, partition, position, $2, id, $3, 'tests', 'key_of_a_person', now()
         from log.dead_letters where id = $1
         returning id, consumer_group, partition, dead_letter
       )
       insert into log.pending_redeliveries (id, consumer_group, partition, dead_letter) select * from asked`,
      [id, action, editedData],
    );
    this.lookForOrders();
  }

  lookForOrders(): void {
    for (const { redeliverer } of this.#processes) redeliverer.wake();
  }

  /** How many of the workers' sessions are as the condition says, of `pg_stat_activity`. */
  async workersThat(condition: string): Promise<number> {
    const [row] = await this.query(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and application_name = 'lastro probe' and ${condition}`,
    );
    return row?.['count'] as number;
  }

  /** Ends the connections of the workers' sessions as an administrator or a failover does. */
  async cutWorkers(): Promise<void> {
    await this.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'lastro probe'`,
    );
  }

  /** Forgets every event, effect and position. Only between processes. */
  async reset(): Promise<void> {
    openGates();
    await Promise.all([...this.#processes].map((process) => process.stop()));
    const tables = TOPICS.flatMap((topic) => [`${topic}.events`, `${topic}.batches`]);
    await this.query(`truncate probe.effects, ${[...tables, ...DEAD_LETTER_TABLES].join(', ')}`);
    await this.query('update log.heads set position = 0, chain = log.genesis(topic, partition)');
    await this.query('update log.positions set position = 0');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => process.stop()));
    await this.session.close();
    await this.#owner.end();
    await this.#database.drop();
  }
}

function tick({ key, step, version = 1 }: Step): EventDraft {
  return {
    type: 'tick',
    version,
    subject: key,
    tenant: 'acme',
    key,
    data: { step },
    correlationId: 'cor_probe',
    causation: newId('req'),
    traceparent: null,
  };
}

/** `count` keys with steps 1 to `steps`, interleaved: every key's first step, every key's second … */
export function interleaved(keys: readonly string[], steps: number): { key: string; step: number }[] {
  return Array.from({ length: steps }, (_, step) => keys.map((key) => ({ key, step: step + 1 }))).flat();
}

export function keysNamed(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `key-${index}`);
}

const gates = new Set<Gate>();

/** Behind each test: one that failed before it opened its gate would leave a process that never stops. */
export function openGates(): void {
  for (const gate of gates) gate.open();
  gates.clear();
}

/** A gate that a test opens: whoever passes before waits. */
export class Gate {
  #open!: () => void;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  #arrived!: () => void;
  /** Resolves when somebody waits at the gate. */
  readonly reached = new Promise<void>((resolve) => {
    this.#arrived = resolve;
  });

  constructor() {
    gates.add(this);
  }

  async pass(): Promise<void> {
    this.#arrived();
    await this.#opened;
  }

  open(): void {
    this.#open();
  }
}
