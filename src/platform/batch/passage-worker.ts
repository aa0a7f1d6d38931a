/**
 * Runs a passage: the stages of a saga one behind the other in one commit, for the partitions that the process owns in the
 * groups of all of them (docs/adr/0011). A short cut, never the only way: what it cannot do it leaves to the consumers
 * of the stages, which do the same in more commits.
 *
 * X1: the positions of every group of the passage are locked from the first statement on and move with the effects (R1, U4).
 * X2: a partition is worked on only while it is in step: no event that a stage acts on waits between the links.
 * X3: what is appended stands where the batch said it would, or nothing is committed. Heads are taken from the tail; after
 *     a batch that was outrun they are locked, so that it is not outrun again.
 * X4: a batch that fails by what is in it is tried again by partition, and one that fails alone is left to the stages,
 *     which find the event at fault.
 * X5: while a group of the passage has a parked key in a partition (a dead letter), the partition is the stages'. Parked
 *     keys are read with the positions and change with a turn of them, so X1 holds for them too. So it is where a group has
 *     lost its position, which its stage makes again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import { lockHeads, sendAppendAt } from '../log/append.ts';
import { type LogEvent, notBefore } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { TailReader } from '../log/tail.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import type { BatchObserver } from './observer.ts';
import { IDLE_LOOK_MS, restAfter } from './pace.ts';
import type { Link, Passage } from './passage.ts';
import { type Heads, type Standing, Standings } from './passage-standings.ts';
import { lockPositions, movePositions, type Place } from './positions.ts';
import { readNew } from './read-new.ts';
import { type PlacedAppend, Recording } from './recording.ts';
import { rotated } from './rotated.ts';
import { Signal } from './signal.ts';

/** Where a head is not known yet. */
const UNCLEAR_LOOK_MS = 5;
/** Long enough for the stages to take on what waits, and then to work off what lies between them (passage-shares.ts). */
const APART_MS = 3000;
/** Long enough for an event that fails to be rare, and short enough to notice that it was mended. */
const FAILING_MS = 30_000;
/** A dead letter waits for a person; each time that the partition comes back, its first stage has paused to drain (passage-shares.ts). */
const PARKED_MS = 60_000;

export interface PassageWorkerOptions<Loaded, Plan> {
  readonly passage: Passage<Loaded, Plan>;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  /** Most events in one batch. */
  readonly batchMax: number;
  readonly observer: BatchObserver;
  /** Told of partitions that the stages have to work on themselves (X2, X4, X5), and for how long: until they are owned anew. */
  readonly onYield: (partitions: readonly number[], forMs: number) => void;
}

interface Batch {
  /** Where something is new. */
  readonly partitions: readonly number[];
  /** Those the passage acts on. */
  readonly events: readonly LogEvent[];
  /** How many new ones were read, acted on or not. */
  readonly passed: number;
  /** By entry, how far each partition was read. */
  readonly upTo: ReadonlyMap<Link, ReadonlyMap<number, number>>;
  /** Of the topics that are no entry, the heads that the batch appends after. */
  readonly headOf: Heads;
}

export class PassageWorker<Loaded, Plan> {
  readonly #options: PassageWorkerOptions<Loaded, Plan>;
  readonly #signal = new Signal();
  readonly #standings: Standings;
  readonly #unsubscribe: readonly (() => void)[];
  readonly #readers: ReadonlyMap<Link, TailReader>;
  #standingsKnown = false;
  #owned: readonly number[] = [];
  #rotation = 0;
  #limit: number;
  #lookMs = IDLE_LOOK_MS;
  /** Of a batch that failed: each is tried alone (X4). */
  #suspects: readonly number[] = [];
  #failures = 0;
  /** Whether the last batch met another's append or position. */
  #isOutrun = false;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: PassageWorkerOptions<Loaded, Plan>) {
    this.#options = options;
    this.#limit = options.batchMax;
    const { passage, log, session } = options;
    this.#standings = new Standings({
      links: passage.links,
      log,
      session,
      concerns: (event) => passage.concerns(event),
    });
    this.#readers = new Map(this.#entries.map((link) => [link, log.tail(link.topic).addReader()]));
    this.#unsubscribe = this.#entries.map(({ topic }) =>
      log.tail(topic).onGrowth(() => this.#signal.raise()),
    );
  }

  get #entries(): readonly Link[] {
    return this.#options.passage.links.filter(({ isEntry }) => isEntry);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The partitions that are the passage's to work on, and no consumer's of its stages in this process. */
  own(partitions: readonly number[]): void {
    if (partitions.length === this.#owned.length && partitions.every((p, index) => p === this.#owned[index]))
      return;
    this.#owned = partitions;
    for (const reader of this.#readers.values()) reader.readOnly(partitions);
    this.#standingsKnown = false;
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
        await delay(backoffMs(this.#failures, this.#options.random));
      } else if (events === 0 && this.#suspects.length === 0) {
        await this.#signal.wait(this.#lookMs);
      } else {
        const isFull = events >= this.#limit;
        await restAfter({ events, startedAt, paceMs: this.#options.passage.paceMs, isFull });
      }
    }
  }

  /** One batch: the number of events passed, or that it failed. */
  async #turn(): Promise<number | 'failed'> {
    this.#lookMs = IDLE_LOOK_MS;
    if (this.#owned.length === 0) return 0;
    let tried = this.#owned;
    try {
      // Others may be owned by the time that the standings are here.
      while (!this.#standingsKnown) await this.#readStandings();
      if (this.#owned.length === 0) return 0;
      tried = this.#rotated();
      const batch = await this.#collect(tried);
      if (batch.partitions.length > 0) {
        await this.#apply(batch);
        this.#isOutrun = false;
      }
      this.#acquit(tried);
      this.#failures = 0;
      this.#limit = Math.min(this.#options.batchMax, this.#limit * 2);
      return batch.passed;
    } catch (error) {
      this.#failed(error, tried);
      return 'failed';
    }
  }

  #failed(error: unknown, partitions: readonly number[]): void {
    const { passage, observer, log } = this.#options;
    this.#failures++;
    this.#standingsKnown = false;
    observer.failed(passage.name, error);
    log.wake();
    if (error instanceof DatabaseFault && error.fenced) {
      this.#failures = 1;
      this.#isOutrun = true;
    } else if (error instanceof DatabaseFault && error.overwhelmed) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    } else if (!isTransient(error)) {
      this.#suspect(partitions); // X4
    }
  }

  #suspect(partitions: readonly number[]): void {
    if (partitions.length > 1) {
      this.#suspects = partitions;
    } else {
      this.#acquit(partitions);
      this.#yield(partitions, FAILING_MS);
    }
  }

  #acquit(partitions: readonly number[]): void {
    if (this.#suspects.length > 0)
      this.#suspects = this.#suspects.filter((partition) => !partitions.includes(partition));
  }

  #yield(partitions: readonly number[], forMs: number): void {
    this.own(this.#owned.filter((partition) => !partitions.includes(partition)));
    this.#options.onYield(partitions, forMs);
  }

  async #readStandings(): Promise<void> {
    this.#standingsKnown = true;
    const stages = await this.#standings.read(() => this.#owned);
    this.#notePassed(this.#owned.filter((partition) => !stages.has(partition)));
    const held = this.#owned.filter((partition) => stages.has(partition));
    if (held.length > 0) this.#yield(held, PARKED_MS); // X5
  }

  #notePassed(partitions: readonly number[]): void {
    for (const [link, { passed }] of this.#readers)
      for (const partition of partitions) passed[partition] = this.#standings.at(partition, link).position;
  }

  async #collect(tried: readonly number[]): Promise<Batch> {
    const headOf = this.#standings.heads(tried);
    const steps = await this.#standings.steps(tried, headOf);
    const inStep = tried.filter((partition) => steps.get(partition) === 'in step');
    if ([...steps.values()].includes('unclear')) this.#expectNews();
    const read = await this.#readEntries(inStep);
    const beyond = inStep.filter((partition) => hasNewer(read, partition));
    const apart = tried.filter((partition) => steps.get(partition) === 'apart' || beyond.includes(partition));
    if (apart.length > 0) this.#yield(apart, APART_MS);
    const clear = inStep.filter((partition) => !beyond.includes(partition));
    return { headOf, ...this.#contentOf(clear, read, headOf) };
  }

  /** Room is the first entry's that has something: what is further along has it, so that a backlog drains from its end. */
  async #readEntries(partitions: readonly number[]): Promise<Read> {
    const { log, session } = this.#options;
    const read = new Map<Link, ReadonlyMap<number, readonly LogEvent[]>>();
    let room = this.#limit;
    for (const link of this.#entries) {
      if (room <= 0) break;
      const after = (partition: number): number => this.#standings.at(partition, link).position;
      const found = await readNew({ log, session, topic: link.topic, partitions, after, room });
      for (const events of found.values()) room -= events.length;
      read.set(link, found);
    }
    return read;
  }

  /** Where not all is clear yet, it will be in a moment. */
  #expectNews(): void {
    this.#lookMs = UNCLEAR_LOOK_MS;
    this.#options.log.wake();
  }

  #contentOf(partitions: readonly number[], read: Read, headOf: Heads): Omit<Batch, 'headOf'> {
    const upTo = new Map<Link, Map<number, number>>();
    const events: LogEvent[] = [];
    let passed = 0;
    for (const link of this.#entries) {
      const ends = new Map<number, number>();
      for (const partition of partitions) {
        const found = read.get(link)?.get(partition) ?? [];
        ends.set(partition, found.at(-1)?.position ?? this.#standings.at(partition, link).position);
        passed += found.length;
        for (const event of found) if (link.handles.has(event.type)) events.push(event);
      }
      upTo.set(link, ends);
    }
    const isMoving = (partition: number): boolean =>
      this.#standings
        .of(partition)
        .some(
          ({ link, position }) =>
            (upTo.get(link)?.get(partition) ?? headOf(link.topic, partition)) !== position,
        );
    return { partitions: partitions.filter(isMoving), events, passed, upTo };
  }

  /** Suspects come alone (X4). */
  #rotated(): readonly number[] {
    const suspect = this.#suspects.find((partition) => this.#owned.includes(partition));
    if (suspect !== undefined) return [suspect];
    this.#suspects = [];
    return rotated(this.#owned, this.#rotation++);
  }

  async #apply(batch: Batch): Promise<void> {
    const { session, log, observer, passage } = this.#options;
    const startedAt = performance.now();
    const standings = batch.partitions.flatMap((partition) => this.#standings.of(partition));
    let appends: readonly PlacedAppend[] = [];
    let moves: readonly Move[] = [];
    await session.transaction(async (tx) => {
      lockPositions(tx, standings.map(placeOf)); // X1
      const recording = await this.#decide(tx, batch);
      appends = recording.appends();
      moves = movesOf(standings, (standing) => this.#targetOf(standing, batch, recording));
      movePositions(
        tx,
        moves.map(({ standing, target }) => ({ ...placeOf(standing), position: target })),
      );
      for (const { append, firsts } of appends) sendAppendAt(tx, append, firsts); // X3
    });
    for (const { standing, target } of moves) {
      standing.position = target;
      standing.cleared = target;
      standing.turn += 1;
    }
    this.#notePassed(batch.partitions.filter((partition) => this.#owned.includes(partition)));
    for (const { segments } of appends) log.publish(segments);
    observer.committed(passage.name, { events: batch.passed, durationMs: performance.now() - startedAt });
  }

  async #decide(tx: Transaction, { events, partitions, headOf: found }: Batch): Promise<Recording> {
    const { passage, clock } = this.#options;
    if (events.length === 0) return new Recording({ occurredAt: clock.now(), head: found });
    const loaded = await passage.load(tx, events);
    const headOf = this.#isOutrun ? await this.#lockHeads(tx, partitions) : found;
    const now = notBefore(events, clock.now());
    const recording = new Recording({ occurredAt: now, head: headOf });
    const plan = passage.decide(loaded, events, now, (cause, topic, draft) =>
      recording.place(cause, topic, draft),
    );
    passage.save(tx, plan, now);
    return recording;
  }

  /** Behind the accounts (R3). The positions are locked already: what is new there is of others, and that is looked at. */
  async #lockHeads(tx: Transaction, partitions: readonly number[]): Promise<Heads> {
    const { passage, log } = this.#options;
    const topics = new Set(passage.links.filter(({ isEntry }) => !isEntry).map(({ topic }) => topic));
    const places = [...topics].flatMap((topic) => partitions.map((partition) => ({ topic, partition })));
    for (const { topic, partition, position } of await lockHeads(tx, places))
      log.tail(topic).noteHead(partition, position);
    const headOf = this.#standings.heads(partitions);
    const steps = await this.#standings.steps(partitions, headOf);
    if ([...steps.values()].some((step) => step !== 'in step'))
      throw new Fault('the stages have worked here meanwhile', { transient: true });
    return headOf;
  }

  #targetOf({ link, partition }: Standing, { upTo }: Batch, recording: Recording): number {
    return link.isEntry ? (upTo.get(link)?.get(partition) ?? 0) : recording.end(link.topic, partition);
  }
}

/** What is new, by entry and partition. */
type Read = ReadonlyMap<Link, ReadonlyMap<number, readonly LogEvent[]>>;

/** An event of a version that this program does not read; the stage that meets it gives the partition up. */
function hasNewer(read: Read, partition: number): boolean {
  return [...read].some(([{ handles }, found]) =>
    (found.get(partition) ?? []).some(({ type, version }) => version > (handles.get(type) ?? version)),
  );
}

interface Move {
  readonly standing: Standing;
  readonly target: number;
}

function placeOf({ link, partition, position, turn }: Standing): Place {
  return { ...link, partition, position, turn };
}

/** Positions move forward only. */
function movesOf(standings: readonly Standing[], targetOf: (standing: Standing) => number): Move[] {
  return standings
    .map((standing) => ({ standing, target: targetOf(standing) }))
    .filter(({ standing, target }) => target > standing.position);
}
