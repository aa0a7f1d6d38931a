/**
 * One worker per consumer group and process: one batch over all the partitions the process owns.
 *
 * W1: the positions are locked from the first statement on and move with the effects, in one commit (R1, U4). Of a
 *     partition all topics’ are locked, whichever the batch reads: what two topics tell may be about one thing.
 * W2: a worker has one batch in flight; the next starts after the commit or its failure is known.
 * W3: in memory a position is what the last commit wrote, or unknown; after any failure it is unknown and read again.
 * W4: events of a partition are handled in order, and none is passed over because it failed.
 * W5: a position stays before the first event that its consumer retains.
 * W6: an event that fails alone holds up its own partition of its topic, and nothing else.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { type AppendedSegment, prepareAppend, sendAppend } from '../log/append.ts';
import { type EventDraft, type LogEvent, notBefore } from '../log/event.ts';
import { type EventLog, LogGap } from '../log/event-log.ts';
import type { TailReader } from '../log/tail.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import type { Consumer, ConsumerPlan } from './consumer.ts';
import type { BatchObserver } from './observer.ts';
import { IDLE_LOOK_MS, restAfter } from './pace.ts';
import type { PartitionTurns } from './partition-turns.ts';
import { lockPositions, movePositions, type Place, readPositions } from './positions.ts';
import { readNew, rotated } from './read-new.ts';
import { Signal } from './signal.ts';

export interface ConsumerWorkerOptions<Loaded, Plan extends ConsumerPlan> {
  readonly consumer: Consumer<Loaded, Plan>;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  /** Most events in one batch. */
  readonly batchMax: number;
  readonly observer: BatchObserver;
  /**
   * Told of an event of a newer version than the consumer reads: not a fault of the event, so the partition goes to a
   * process that reads it (DESIGN §3).
   */
  readonly onUnknownVersion?: (group: string, partition: number, event: LogEvent) => void;
  /** Shared by the groups of this process that lock the same accounts. */
  readonly turns?: PartitionTurns;
}

/** How far one topic's partition has been read. */
interface Reading {
  readonly topic: string;
  readonly partition: number;
  /** As committed; behind `read` by what is retained. */
  position: number;
  /** Counts the group's commits here: also one that retains everything, and leaves the position, fences others (R1). */
  turn: number;
  /** Last position read. */
  read: number;
}

interface SetAside {
  readonly failures: number;
  /** After which the event stands that failed. */
  readonly position: number;
  /** By `performance.now()`. */
  readonly until: number;
}

interface Batch {
  /** Where something new was read or something is retained, with the last position read. */
  readonly readings: readonly { readonly reading: Reading; readonly upTo: number }[];
  /** Those the consumer acts on: the retained ones, then the new ones. */
  readonly events: readonly LogEvent[];
  /** How many new ones were read, acted on or not. */
  readonly passed: number;
}

export class ConsumerWorker<Loaded, Plan extends ConsumerPlan> {
  readonly #options: ConsumerWorkerOptions<Loaded, Plan>;
  readonly #signal = new Signal();
  readonly #readings = new Map<string, Reading>();
  #positionsKnown = false;
  #retained: readonly LogEvent[] = [];
  /** Where an event stands that failed alone, by topic and partition: read again, alone, when its time has come (W6). */
  readonly #setAside = new Map<string, SetAside>();
  /**
   * What the last batch that failed had read, by topic and partition up to a position: there is the event that makes
   * batches fail. Until it is found nothing else is read there, or whatever comes in would begin the search anew (W6).
   */
  readonly #suspected = new Map<string, number>();
  readonly #unsubscribe: (() => void)[];
  readonly #tailReaders = new Map<string, TailReader>();
  #owned: readonly number[] = [];
  #rotation = 0;
  #limit: number;
  #failures = 0;
  #stopping = false;
  #paused = false;
  #running: Promise<void> | undefined;

  constructor(options: ConsumerWorkerOptions<Loaded, Plan>) {
    this.#options = options;
    this.#limit = this.#batchMax;
    options.turns?.join(this.group, () => this.#signal.raise());
    for (const topic of options.consumer.topics)
      this.#tailReaders.set(topic, options.log.tail(topic).addReader());
    this.#unsubscribe = options.consumer.topics.map((topic) =>
      options.log.tail(topic).onGrowth(() => this.#signal.raise()),
    );
  }

  get #batchMax(): number {
    return this.#options.consumer.batchMax ?? this.#options.batchMax;
  }

  get group(): string {
    return this.#options.consumer.group;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Which partitions the process holds leases for; positions of those that are new are read before the next batch. */
  own(partitions: readonly number[]): void {
    if (partitions.length === this.#owned.length && partitions.every((p, index) => p === this.#owned[index]))
      return;
    this.#owned = partitions;
    for (const reader of this.#tailReaders.values()) reader.readOnly(partitions);
    this.#positionsKnown = false;
    this.#signal.raise();
  }

  /** Stops taking events until `resume`, as an operator does to a consumer that misbehaves. The batch in flight is finished. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#signal.raise();
  }

  /** Finishes the batch in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#signal.raise();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const startedAt = performance.now();
      const events = await this.#turn();
      if (events === 'failed') {
        // Not by the signal: new events are no reason to try again sooner.
        await delay(backoffMs(this.#failures, this.#options.random));
      } else if (events === 0) {
        await this.#signal.wait(IDLE_LOOK_MS);
      } else {
        await restAfter({ events, startedAt, paceMs: this.#options.consumer.paceMs });
      }
    }
  }

  /** One batch: the number of events passed, or that it failed. */
  async #turn(): Promise<number | 'failed'> {
    if (this.#paused || this.#owned.length === 0) return 0;
    let batch: Batch | undefined;
    try {
      if (!this.#positionsKnown) await this.#readPositions();
      batch = await this.#collect(this.#takePartitions());
      if (batch.readings.length > 0) await this.#apply(batch);
      this.#failures = 0;
      if (this.#suspected.size === 0) this.#limit = Math.min(this.#batchMax, this.#limit * 2);
      return batch.passed;
    } catch (error) {
      this.#failed(error, batch);
      return 'failed';
    } finally {
      this.#options.turns?.release(this.group);
    }
  }

  /** What the next batch covers: another partition is first each time, so that one with a backlog does not starve the others. */
  #takePartitions(): readonly number[] {
    const { turns } = this.#options;
    const inTurn = rotated(this.#owned, this.#rotation++);
    if (turns === undefined) return inTurn;
    const waiting = inTurn.filter((partition) => this.#hasWaiting(partition));
    return turns.take(this.group, waiting, this.#owned.length);
  }

  #hasWaiting(partition: number): boolean {
    const { consumer, log } = this.#options;
    return consumer.topics.some(
      (topic) => log.tail(topic).head(partition) > this.#reading(topic, partition).read,
    );
  }

  #failed(error: unknown, batch: Batch | undefined): void {
    this.#failures++;
    this.#positionsKnown = false; // W3
    this.#options.observer.failed(this.group, error);
    if (error instanceof DatabaseFault && error.fenced) {
      this.#failures = 1;
    } else if (error instanceof DatabaseFault && error.overwhelmed) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    } else if (error instanceof LogGap) {
      this.#putAsideAt(this.#reading(error.topic, error.partition));
    } else if (!isTransient(error)) {
      // R6: one event of the batch is at fault; halve the next ones until it stands alone.
      if (batch?.passed === 1) this.#putAside(batch);
      else this.#suspect(batch);
    }
  }

  #suspect(batch: Batch | undefined): void {
    const read = batch?.readings.filter(({ reading, upTo }) => upTo !== reading.read) ?? [];
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, batch?.passed ?? this.#limit) / 2));
    if (read.length === 0) return;
    // The halvings are few: they do not wait ever longer for each other.
    this.#failures = 1;
    this.#suspected.clear();
    for (const { reading, upTo } of read)
      this.#suspected.set(placeOf(reading.topic, reading.partition), upTo);
  }

  /** W6: it is tried again with backoff, what follows it in its partition waits (W4), and the others go on in full batches. */
  #putAside({ readings }: Batch): void {
    this.#limit = this.#batchMax;
    this.#suspected.clear();
    for (const { reading, upTo } of readings) if (upTo !== reading.read) this.#putAsideAt(reading);
  }

  #putAsideAt(reading: Reading): void {
    // The backoff is the place's own: the others do not wait for it.
    this.#failures = 1;
    const key = placeOf(reading.topic, reading.partition);
    const failures = (this.#setAside.get(key)?.failures ?? 0) + 1;
    const until = performance.now() + backoffMs(failures, this.#options.random);
    this.#setAside.set(key, { failures, position: reading.read, until });
  }

  async #readPositions(): Promise<void> {
    const { session } = this.#options;
    this.#positionsKnown = true;
    const places = await readPositions(session, [this.group]);
    this.#readings.clear();
    this.#retained = [];
    for (const { topic, partition, position, turn } of places) {
      // A topic that the group reads in another version only, earlier or later.
      if (!this.#tailReaders.has(topic)) continue;
      this.#readings.set(placeOf(topic, partition), { topic, partition, position, turn, read: position });
      if (this.#owned.includes(partition)) this.#passed(topic)[partition] = position;
    }
  }

  async #collect(partitions: readonly number[]): Promise<Batch> {
    const upTo = new Map<Reading, number>();
    for (const { topic, partition } of this.#retained) {
      const reading = this.#reading(topic, partition);
      upTo.set(reading, reading.read);
    }
    const events = [...this.#retained];
    const { log, session, consumer } = this.#options;
    const { handles, topics } = consumer;
    this.#dropCleared();
    const again = this.#suspected.size > 0 ? undefined : this.#dueAgain(partitions);
    const limit = again === undefined ? this.#limit : 1;
    let room = limit;
    for (const [index, topic] of topics.entries()) {
      if (room <= 0) break;
      if (again !== undefined && again.topic !== topic) continue;
      const among = again === undefined ? this.#among(topic, partitions) : [again.partition];
      // What a topic leaves of its share goes to the ones after it.
      const share = Math.max(1, Math.floor(room / (topics.length - index)));
      const after = (partition: number): number => this.#reading(topic, partition).read;
      for (const [partition, read] of await readNew({
        log,
        session,
        topic,
        partitions: among,
        after,
        room: share,
      })) {
        const found = this.#upToUnknown(partition, this.#upToSuspected(topic, partition, read));
        const last = found.at(-1);
        if (last === undefined) continue;
        room -= found.length;
        upTo.set(this.#reading(topic, partition), last.position);
        for (const event of found) if (handles.has(event.type)) events.push(event);
      }
    }
    const readings = [...upTo].map(([reading, last]) => ({ reading, upTo: last }));
    return { readings, events, passed: limit - room };
  }

  /** A place set aside whose time has come; its event is read alone. */
  #dueAgain(partitions: readonly number[]): Reading | undefined {
    if (this.#setAside.size === 0) return undefined;
    this.#dropSettled();
    const now = performance.now();
    return [...this.#readings.values()].find(({ topic, partition }) => {
      const aside = this.#setAside.get(placeOf(topic, partition));
      return aside !== undefined && aside.until <= now && partitions.includes(partition);
    });
  }

  /** What another process has passed meanwhile, or works on now, is set aside here no more. */
  #dropSettled(): void {
    for (const { topic, partition, read } of this.#readings.values()) {
      const key = placeOf(topic, partition);
      const aside = this.#setAside.get(key);
      if (aside !== undefined && (aside.position !== read || !this.#owned.includes(partition))) {
        this.#setAside.delete(key);
      }
    }
  }

  /** What was suspected and has been passed all the same, or is another process' now. */
  #dropCleared(): void {
    if (this.#suspected.size === 0) return;
    for (const { topic, partition, read } of this.#readings.values()) {
      const key = placeOf(topic, partition);
      const upTo = this.#suspected.get(key);
      if (upTo !== undefined && (read >= upTo || !this.#owned.includes(partition)))
        this.#suspected.delete(key);
    }
  }

  /** Where a batch may read the topic: in what is suspected, if any of that is among the partitions of this turn. */
  #among(topic: string, partitions: readonly number[]): readonly number[] {
    if (this.#suspected.size > 0) {
      const isSuspected = (from: string) => (partition: number) =>
        this.#suspected.has(placeOf(from, partition));
      const isSearch = this.#options.consumer.topics.some((each) => partitions.some(isSuspected(each)));
      if (isSearch) return partitions.filter(isSuspected(topic));
    }
    if (this.#setAside.size === 0) return partitions;
    return partitions.filter((partition) => !this.#setAside.has(placeOf(topic, partition)));
  }

  #upToSuspected(topic: string, partition: number, events: readonly LogEvent[]): readonly LogEvent[] {
    const upTo = this.#suspected.get(placeOf(topic, partition));
    return upTo === undefined ? events : events.filter(({ position }) => position <= upTo);
  }

  /** What comes before the first event of a version that this program does not read; the partition is then given up. */
  #upToUnknown(partition: number, events: readonly LogEvent[]): readonly LogEvent[] {
    const { handles } = this.#options.consumer;
    const unknown = events.findIndex(({ type, version }) => version > (handles.get(type) ?? version));
    if (unknown === -1) return events;
    this.#options.onUnknownVersion?.(this.group, partition, events[unknown] as LogEvent);
    return events.slice(0, unknown);
  }

  #passed(topic: string): (number | undefined)[] {
    const reader = this.#tailReaders.get(topic);
    if (reader === undefined) throw new InvariantViolation(`group ${this.group} does not read ${topic}`);
    return reader.passed;
  }

  #reading(topic: string, partition: number): Reading {
    const reading = this.#readings.get(placeOf(topic, partition));
    if (reading === undefined)
      throw new InvariantViolation(`group ${this.group} has no position in ${topic}/${partition}`);
    return reading;
  }

  async #apply({ readings, events, passed }: Batch): Promise<void> {
    const { consumer, session, log, clock, observer } = this.#options;
    const startedAt = performance.now();
    let plan: Plan | undefined;
    let kept: ReadonlyMap<string, number> = new Map();
    let segments: Promise<AppendedSegment[]> | undefined;
    await session.transaction(async (tx) => {
      lockPositions(tx, this.#placesBeside(readings)); // W1
      if (events.length > 0) {
        const loaded = await consumer.load(tx, events);
        const now = notBefore(events, clock.now());
        plan = consumer.decide(loaded, events, now);
        consumer.save(tx, plan);
        kept = firstPositions(plan.retained ?? []);
        this.#sendMoves(tx, readings, kept);
        segments = this.#sendDrafts(tx, plan.drafts, now); // R3: heads last
      } else {
        this.#sendMoves(tx, readings, kept);
      }
    });
    for (const read of readings) {
      const { reading, upTo } = read;
      reading.position = targetOf(read, kept);
      reading.turn += 1;
      reading.read = upTo;
      this.#setAside.delete(placeOf(reading.topic, reading.partition));
      this.#passed(reading.topic)[reading.partition] = upTo;
    }
    this.#retained = plan?.retained ?? [];
    if (segments !== undefined) log.publish(await segments);
    if (plan !== undefined) consumer.committed?.(plan);
    observer.committed(consumer.group, { events: passed, durationMs: performance.now() - startedAt });
  }

  /** Every topic's place in the partitions of the batch. */
  #placesBeside(readings: Batch['readings']): Place[] {
    const partitions = new Set(readings.map(({ reading }) => reading.partition));
    return [...this.#readings.values()]
      .filter(({ partition }) => partitions.has(partition))
      .map((reading) => ({ group: this.group, ...reading }));
  }

  #sendMoves(tx: Transaction, readings: Batch['readings'], firstRetained: ReadonlyMap<string, number>): void {
    movePositions(
      tx,
      readings.map((read) => ({
        group: this.group,
        ...read.reading,
        position: targetOf(read, firstRetained),
      })),
    );
  }

  #sendDrafts(
    tx: Transaction,
    drafts: readonly EventDraft[],
    occurredAt: EpochMs,
  ): Promise<AppendedSegment[]> | undefined {
    if (drafts.length === 0) return undefined;
    const { consumer, log } = this.#options;
    if (consumer.emits === null) throw new InvariantViolation(`group ${consumer.group} emits to no topic`);
    return sendAppend(
      tx,
      prepareAppend({ topic: consumer.emits, partitions: log.partitions, occurredAt, drafts }),
    );
  }
}

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** W5: where the position goes: to the last event read, or before the first that is retained. */
function targetOf(
  { reading, upTo }: Batch['readings'][number],
  firstRetained: ReadonlyMap<string, number>,
): number {
  const first = firstRetained.get(placeOf(reading.topic, reading.partition));
  return first === undefined ? upTo : first - 1;
}

/** The first position among the events, by topic and partition. */
function firstPositions(events: readonly LogEvent[]): ReadonlyMap<string, number> {
  const firsts = new Map<string, number>();
  for (const { topic, partition, position } of events) {
    const place = placeOf(topic, partition);
    const first = firsts.get(place);
    if (first === undefined || position < first) firsts.set(place, position);
  }
  return firsts;
}
