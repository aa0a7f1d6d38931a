/**
 * One worker per consumer group and process: one batch over all the partitions the process owns.
 *
 * W1: the positions are locked from the first statement on and move with the effects, in one commit (R1, U4). Of a
 *     partition all topics’ are locked, whichever the batch reads: what two topics tell may be about one thing.
 * W2: a worker has one batch in flight; the next starts after the commit or its failure is known.
 * W3: in memory a position is what the last commit wrote, or unknown (`Readings`).
 * W4: events of a key are handled in order. One that cannot be handled is passed over as a dead letter, and what comes
 *     later for its parking key waits behind it; everything else goes on.
 * W5: a position stays before the first event that its consumer retains.
 * W6: an event that fails alone by what is in it, STRIKES_MAX times, is a dead letter. What fails otherwise (the log has a
 *     gap, a table is missing, too many keys were parked just now) holds up its own partition of its topic, and nothing else.
 * W7: where a position is gone it is made again, if that is safe (`Readings`).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { bury, failureOf, isFaultOfEvent, mayPark, STRIKES_MAX } from '../dead-letters/bury.ts';
import { type ParkingKeyOf, parkEvents, subjectOf } from '../dead-letters/parked-keys.ts';
import type { AppendedSegment } from '../log/append.ts';
import { type LogEvent, notBefore } from '../log/event.ts';
import { type EventLog, LogGap } from '../log/event-log.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import { BatchCollector, type CollectorOptions } from './batch-collector.ts';
import type { Consumer, ConsumerPlan } from './consumer.ts';
import { FaultSearch, isNew } from './fault-search.ts';
import type { BatchObserver } from './observer.ts';
import { IDLE_LOOK_MS, restAfter } from './pace.ts';
import type { PartitionTurns } from './partition-turns.ts';
import { lockPositions, movePositions } from './positions.ts';
import { type Batch, firstPositions, type Reading, type ReadPlace, targetOf } from './reading.ts';
import { Readings } from './readings.ts';
import { rotated } from './rotated.ts';
import { sendEmitted } from './send-drafts.ts';
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
  readonly onUnknownVersion?: CollectorOptions['onUnknownVersion'];
  /** Shared by the groups of this process that lock the same accounts. */
  readonly turns?: PartitionTurns;
}

/** How long a position may trail what has been read and concerns nobody: who takes over reads that much again. */
const MOVE_EVERY_MS = 1000;

export class ConsumerWorker<Loaded, Plan extends ConsumerPlan> {
  readonly #options: ConsumerWorkerOptions<Loaded, Plan>;
  readonly #signal = new Signal();
  readonly #readings: Readings;
  #retained: readonly LogEvent[] = [];
  /** Of the last turn: what it has retained waits for nothing but the next one. */
  #goesOn = false;
  readonly #search: FaultSearch;
  readonly #collector: BatchCollector;
  #rotation = 0;
  /** On the clock of `performance`. */
  #movedAt = 0;
  #limit: number;
  #failures = 0;
  /** Of the last batch. */
  #isFull = false;
  #stopping = false;
  #paused = false;
  #running: Promise<void> | undefined;

  constructor(options: ConsumerWorkerOptions<Loaded, Plan>) {
    this.#options = options;
    this.#limit = this.#batchMax;
    this.#search = new FaultSearch(options.random);
    options.turns?.join(this.group, () => this.#signal.raise());
    const { consumer, log, session, observer, onUnknownVersion } = options;
    this.#readings = new Readings({
      group: this.group,
      topics: consumer.topics,
      parkingKeyOf: this.#parkingKeyOf,
      log,
      session,
      observer,
      onGrowth: () => this.#signal.raise(),
    });
    this.#collector = new BatchCollector({
      consumer,
      log,
      session,
      readings: this.#readings,
      search: this.#search,
      onUnknownVersion,
    });
  }

  get #batchMax(): number {
    return this.#options.consumer.batchMax ?? this.#options.batchMax;
  }

  get group(): string {
    return this.#options.consumer.group;
  }

  get #parkingKeyOf(): ParkingKeyOf {
    return this.#options.consumer.parkingKeyOf ?? subjectOf;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Which partitions the process holds leases for; positions of those that are new are read before the next batch. */
  own(partitions: readonly number[]): void {
    if (this.#readings.own(partitions)) this.#signal.raise();
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
    this.#readings.close();
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
      } else if (events === 0 && !this.#goesOn) {
        await this.#signal.wait(IDLE_LOOK_MS);
      } else {
        const { paceMs } = this.#options.consumer;
        await restAfter({ events, startedAt, paceMs, isFull: this.#isFull });
      }
    }
  }

  /** One batch: the number of events passed, or that it failed. */
  async #turn(): Promise<number | 'failed'> {
    this.#goesOn = false;
    if (this.#paused || this.#readings.owned.length === 0) return 0;
    let batch: Batch | undefined;
    try {
      if (await this.#readings.refresh()) this.#retained = [];
      batch = await this.#collect();
      if (this.#passesBy(batch)) this.#passBy(batch);
      else if (batch.readings.length > 0) await this.#apply(batch);
      this.#failures = 0;
      this.#isFull = batch.isFull;
      if (!this.#search.isUnderWay) this.#limit = Math.min(this.#batchMax, this.#limit * 2);
      return batch.passed;
    } catch (error) {
      await this.#failed(error, batch);
      return 'failed';
    } finally {
      this.#options.turns?.release(this.group);
    }
  }

  #collect(): Promise<Batch> {
    return this.#collector.collect({
      partitions: this.#takePartitions(),
      retained: this.#retained,
      trailing: this.#trailing(),
      limit: this.#limit,
    });
  }

  /** Whether nothing in the batch is the consumer's, and the positions can wait. */
  #passesBy({ events, parked }: Batch): boolean {
    if (this.#options.consumer.concerns === undefined || events.length > 0 || parked.length > 0) return false;
    return performance.now() - this.#movedAt < MOVE_EVERY_MS;
  }

  #passBy({ readings }: Batch): void {
    for (const read of readings) {
      this.#readings.passBy(read);
      this.#search.passed(read.reading, read.upTo);
    }
  }

  /** Where positions trail what has been passed by, once it is time to move them. */
  #trailing(): Reading[] {
    if (this.#options.consumer.concerns === undefined) return [];
    if (performance.now() - this.#movedAt < MOVE_EVERY_MS) return [];
    return this.#readings.trailing();
  }

  /** What the next batch covers: another partition is first each time, so that one with a backlog does not starve the others. */
  #takePartitions(): readonly number[] {
    const { turns } = this.#options;
    const { placed } = this.#readings;
    const inTurn = rotated(placed, this.#rotation++);
    if (turns === undefined) return inTurn;
    const waiting = inTurn.filter((partition) =>
      this.#options.consumer.topics.some((topic) => this.#readings.waiting(topic, partition) > 0),
    );
    return turns.take(this.group, waiting, placed.length);
  }

  async #failed(error: unknown, batch: Batch | undefined): Promise<void> {
    this.#failures++;
    this.#readings.forget(); // W3
    this.#options.observer.failed(this.group, error);
    if (error instanceof DatabaseFault && error.fenced) {
      this.#failures = 1;
    } else if (error instanceof DatabaseFault && error.overwhelmed) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    } else if (error instanceof LogGap) {
      this.#putAside(this.#readings.of(error.topic, error.partition));
    } else if (!isTransient(error)) {
      // R6: one event of the batch is at fault; halve the next ones until it stands alone.
      if (batch?.passed === 1) await this.#foundAlone(error, batch);
      else this.#suspect(batch);
    }
  }

  #suspect(batch: Batch | undefined): void {
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, batch?.passed ?? this.#limit) / 2));
    // The halvings are few: they do not wait ever longer for each other.
    if (this.#search.suspect(batch?.readings ?? [])) this.#failures = 1;
  }

  /** W6: it is tried again with backoff, or is a dead letter; the others go on in full batches. */
  async #foundAlone(error: unknown, batch: Batch): Promise<void> {
    this.#limit = this.#batchMax;
    this.#search.end();
    const place = batch.readings.find(isNew);
    if (place === undefined || (await this.#hasGivenUp(error, batch, place))) return;
    this.#putAside(place.reading);
  }

  #putAside(reading: Reading): void {
    // The backoff is the place's own: the others do not wait for it.
    this.#failures = 1;
    this.#search.putAside(reading);
  }

  /** Whether the only new event of the batch has become a dead letter. What is retained has been handled without fault before. */
  async #hasGivenUp(error: unknown, batch: Batch, { reading, upTo }: ReadPlace): Promise<boolean> {
    const event = batch.events.find(
      ({ topic, partition, position }) =>
        topic === reading.topic && partition === reading.partition && position === upTo,
    );
    if (event === undefined || !isFaultOfEvent(error)) return false;
    const strikes = this.#search.strike(event, this.#options.clock.now());
    if (strikes.count < STRIKES_MAX) return false;
    try {
      return await this.#bury(event, { error, batch, strikes });
    } catch (failure) {
      this.#options.observer.failed(this.group, failure);
      return false;
    }
  }

  /** Under the fence that the batch began with: its failure has changed nothing. */
  async #bury(
    event: LogEvent,
    { error, batch, strikes }: { error: unknown; batch: Batch; strikes: { count: number; since: number } },
  ): Promise<boolean> {
    const { session, clock, observer } = this.#options;
    const retained = firstPositions(batch.events.filter((each) => each !== event));
    const failure = failureOf(error);
    const id = await session.transaction(async (tx) => {
      lockPositions(tx, this.#readings.placesBeside(batch.readings)); // W1
      if (!(await mayPark(tx, this.group))) return undefined;
      this.#sendMoves(tx, batch.readings, retained);
      return bury(tx, {
        group: this.group,
        parkingKey: this.#parkingKeyOf(event),
        event,
        failure,
        attempts: strikes.count,
        firstAt: strikes.since,
        now: notBefore([event], clock.now()),
      });
    });
    if (id === undefined) observer.deadLetterWithheld?.(this.group, event);
    else observer.deadLettered?.(this.group, { id, event, failure });
    return id !== undefined;
  }

  async #apply({ readings, events, parked, passed, isFull }: Batch): Promise<void> {
    const { consumer, session, log, clock, observer } = this.#options;
    const startedAt = performance.now();
    let plan: Plan | undefined;
    let kept: ReadonlyMap<string, number> = new Map();
    let segments: Promise<AppendedSegment[]> | undefined;
    if (events.length > 0)
      await consumer.prepare?.(events, { isAlone: passed === 1, isFull, retained: this.#retained });
    await session.transaction(async (tx) => {
      lockPositions(tx, this.#readings.placesBeside(readings)); // W1
      parkEvents(tx, { group: this.group, keyOf: this.#parkingKeyOf, events: parked });
      if (events.length > 0) {
        const loaded = await consumer.load(tx, events);
        const now = notBefore(events, clock.now());
        plan = consumer.decide(loaded, events, now);
        consumer.save(tx, plan);
        kept = firstPositions(plan.retained ?? []);
        this.#sendMoves(tx, readings, kept);
        segments = sendEmitted(tx, consumer, { log, drafts: plan.drafts, now }); // R3: heads last
      } else {
        this.#sendMoves(tx, readings, kept);
      }
    });
    this.#movedAt = performance.now();
    for (const read of readings) {
      this.#readings.moved(read, kept);
      this.#search.passed(read.reading, read.upTo);
    }
    this.#retained = plan?.retained ?? [];
    this.#goesOn = this.#retained.length > 0 && plan?.goesOnAtOnce === true;
    if (segments !== undefined) log.publish(await segments);
    if (plan !== undefined) consumer.committed?.(plan);
    observer.committed(consumer.group, { events: passed, durationMs: performance.now() - startedAt });
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
}
