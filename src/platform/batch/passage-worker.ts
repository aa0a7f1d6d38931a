/**
 * Runs a passage: the stages of a saga one behind the other in one commit, for the partitions that the process owns in the
 * groups of all of them (docs/adr/0011). A short cut, never the only way: what it cannot do it leaves to the consumers
 * of the stages, which do the same in more commits.
 *
 * X1: the positions of every group of the passage are held from the first statement on and move with the effects (R1, U4).
 * X2: a partition is worked on only while it is in step: no event that a stage acts on waits between the links.
 * X3: what is appended stands where the batch said it would, or nothing is committed.
 * X4: a batch that fails by what is in it is tried again by partition, and one that fails alone is left to the stages,
 *     which find the event at fault.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { InvariantViolation } from '#kernel/fault.ts';
import { sendAppendAt } from '../log/append.ts';
import type { LogEvent } from '../log/event.ts';
import type { EventLog } from '../log/event-log.ts';
import type { TailReader } from '../log/tail.ts';
import { textArray } from '../postgres/arrays.ts';
import { DatabaseFault, isTransient } from '../postgres/faults.ts';
import { type Session, statement } from '../postgres/session.ts';
import { backoffMs } from './backoff.ts';
import type { BatchObserver } from './observer.ts';
import { restAfter } from './pace.ts';
import type { Link, Passage } from './passage.ts';
import { holdPositions, movePositions, type Place } from './positions.ts';
import { readNew } from './read-new.ts';
import { type PlacedAppend, Recording } from './recording.ts';
import { Signal } from './signal.ts';

const READ_POSITIONS = statement(
  'log.positions_of_groups',
  `select consumer_group, topic, partition, position, turn from log.positions
   where consumer_group = any ($1::text[])`,
);

/** Wake-ups may be lost; an idle worker looks this often. */
const IDLE_LOOK_MS = 250;
/** Where it is not clear yet what lies between the links. */
const UNCLEAR_LOOK_MS = 5;
/** Most events of others between two links that are looked through in one batch; where there are more, the stages go on. */
const FOREIGN_MAX = 1000;

export interface PassageWorkerOptions<Loaded, Plan> {
  readonly passage: Passage<Loaded, Plan>;
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly random: () => number;
  /** Most events in one batch. */
  readonly batchMax: number;
  readonly observer: BatchObserver;
  /** Told of partitions that the stages have to work on themselves (X2, X4), and for how long: until they are owned anew. */
  readonly onYield: (partitions: readonly number[], forMs: number) => void;
}

/** Long enough for the stages to work off what lies between them. */
const APART_MS = 2000;
/** Long enough for an event that fails to be rare, and short enough to notice that it was mended. */
const FAILING_MS = 30_000;

/** Apart: an event lies between the links that a stage acts on. Unclear: not all that lies between them is known yet. */
type Step = 'in step' | 'apart' | 'unclear';

/** Where one link's group stands in a partition. */
interface Standing {
  readonly link: Link;
  readonly partition: number;
  position: number;
  turn: number;
  /** Up to where all that follows the position is known to be foreign. */
  cleared: number;
}

interface Batch {
  /** Where something was looked for. */
  readonly tried: readonly number[];
  /** Where something is new. */
  readonly partitions: readonly number[];
  /** Those the passage acts on. */
  readonly events: readonly LogEvent[];
  /** How many new ones were read, acted on or not. */
  readonly passed: number;
  /** Of the first topic, how far each partition was read. */
  readonly upTo: ReadonlyMap<number, number>;
  /** Of the other topics, the heads that the batch appends after. */
  readonly head: (topic: string, partition: number) => number;
}

export class PassageWorker<Loaded, Plan> {
  readonly #options: PassageWorkerOptions<Loaded, Plan>;
  readonly #signal = new Signal();
  readonly #standings = new Map<number, readonly [Standing, ...Standing[]]>();
  readonly #unsubscribe: () => void;
  readonly #reader: TailReader;
  #standingsKnown = false;
  #owned: readonly number[] = [];
  #rotation = 0;
  #limit: number;
  #lookMs = IDLE_LOOK_MS;
  /** Of a batch that failed: each is tried alone (X4). */
  #suspects: readonly number[] = [];
  #failures = 0;
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: PassageWorkerOptions<Loaded, Plan>) {
    this.#options = options;
    this.#limit = options.batchMax;
    const tail = options.log.tail(this.#first.topic);
    this.#reader = tail.addReader();
    this.#unsubscribe = tail.onGrowth(() => this.#signal.raise());
  }

  get #first(): Link {
    return this.#options.passage.links[0];
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The partitions that are the passage's to work on, and no consumer's of its stages in this process. */
  own(partitions: readonly number[]): void {
    if (partitions.length === this.#owned.length && partitions.every((p, index) => p === this.#owned[index]))
      return;
    this.#owned = partitions;
    this.#reader.readOnly(partitions);
    this.#standingsKnown = false;
    this.#signal.raise();
  }

  /** Finishes the batch in flight. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#unsubscribe();
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
        await restAfter({ events, startedAt, paceMs: this.#options.passage.paceMs });
      }
    }
  }

  /** One batch: the number of events passed, or that it failed. */
  async #turn(): Promise<number | 'failed'> {
    if (this.#owned.length === 0) return 0;
    let partitions = this.#owned;
    try {
      if (!this.#standingsKnown) await this.#readStandings();
      const batch = await this.#collect();
      partitions = batch.partitions;
      if (partitions.length > 0) await this.#apply(batch);
      this.#acquit(batch.tried);
      this.#failures = 0;
      this.#limit = Math.min(this.#options.batchMax, this.#limit * 2);
      return batch.passed;
    } catch (error) {
      this.#failed(error, partitions);
      return 'failed';
    }
  }

  #failed(error: unknown, partitions: readonly number[]): void {
    const { passage, observer, log } = this.#options;
    this.#failures++;
    this.#standingsKnown = false;
    observer.failed(passage.name, error);
    if (error instanceof DatabaseFault && error.fenced) {
      this.#failures = 1;
      log.wake();
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
    const { passage, session } = this.#options;
    this.#standingsKnown = true;
    const rows = await session.query<PositionRow>(READ_POSITIONS, [
      textArray([...new Set(passage.links.map(({ group }) => group))]),
    ]);
    this.#standings.clear();
    for (const partition of this.#owned) {
      const [first, ...others] = passage.links;
      const begin = standingOf(first, partition, rows);
      this.#standings.set(partition, [begin, ...others.map((link) => standingOf(link, partition, rows))]);
      this.#reader.passed[partition] = begin.position;
    }
  }

  async #collect(): Promise<Batch> {
    const { log, session } = this.#options;
    const rotated = this.#rotated();
    const heads = this.#headsOf(rotated);
    const steps = await this.#stepsOf(rotated, heads);
    const inStep = rotated.filter((partition) => steps.get(partition) === 'in step');
    this.#lookMs = inStep.length < rotated.length ? UNCLEAR_LOOK_MS : IDLE_LOOK_MS;
    const after = (partition: number): number => this.#standingsAt(partition)[0].position;
    const { topic } = this.#first;
    const read = await readNew({ log, session, topic, partitions: inStep, after, room: this.#limit });
    const beyond = [...read.keys()].filter((partition) => this.#hasNewer(read.get(partition) ?? []));
    const apart = rotated.filter(
      (partition) => steps.get(partition) === 'apart' || beyond.includes(partition),
    );
    if (apart.length > 0) this.#yield(apart, APART_MS);
    return this.#batchOf(
      rotated,
      inStep.filter((partition) => !beyond.includes(partition)),
      read,
      heads,
    );
  }

  #batchOf(
    tried: readonly number[],
    partitions: readonly number[],
    read: ReadonlyMap<number, readonly LogEvent[]>,
    heads: Heads,
  ): Batch {
    const { handles } = this.#options.passage;
    const upTo = new Map<number, number>();
    const events: LogEvent[] = [];
    let passed = 0;
    for (const partition of partitions) {
      const found = read.get(partition) ?? [];
      upTo.set(partition, found.at(-1)?.position ?? this.#standingsAt(partition)[0].position);
      passed += found.length;
      for (const event of found) if (handles.has(event.type)) events.push(event);
    }
    const head = (topic: string, partition: number): number => heads.get(placeOf(topic, partition)) ?? 0;
    const isMoving = (partition: number): boolean =>
      this.#standingsAt(partition).some(({ link, position }, index) =>
        index === 0 ? upTo.get(partition) !== position : head(link.topic, partition) !== position,
      );
    return { tried, partitions: partitions.filter(isMoving), events, passed, upTo, head };
  }

  /** Another partition is first each time, so that one with a backlog does not starve the others; suspects come alone (X4). */
  #rotated(): readonly number[] {
    const suspect = this.#suspects.find((partition) => this.#owned.includes(partition));
    if (suspect !== undefined) return [suspect];
    this.#suspects = [];
    const first = this.#rotation++ % this.#owned.length;
    return [...this.#owned.slice(first), ...this.#owned.slice(0, first)];
  }

  #headsOf(partitions: readonly number[]): Heads {
    const { passage, log } = this.#options;
    const heads = new Map<string, number>();
    for (const { topic } of passage.links)
      for (const partition of partitions)
        heads.set(placeOf(topic, partition), log.tail(topic).head(partition));
    return heads;
  }

  /** X2, by partition: those where nothing lies between the links but events of others, which the batch passes over. */
  async #stepsOf(partitions: readonly number[], heads: Heads): Promise<ReadonlyMap<number, Step>> {
    const steps = new Map<number, Step>(partitions.map((partition) => [partition, 'in step']));
    for (const [index, { topic }] of this.#options.passage.links.entries()) {
      if (index === 0) continue;
      const after = (partition: number): number => this.#standingAt(partition, index).cleared;
      const headOf = (partition: number): number => heads.get(placeOf(topic, partition)) ?? 0;
      const trailing = partitions.filter((partition) => after(partition) < headOf(partition));
      if (trailing.length === 0) continue;
      const read = await readNew({ ...this.#options, topic, partitions: trailing, after, room: FOREIGN_MAX });
      for (const partition of trailing) {
        const step = this.#stepOver(
          this.#standingAt(partition, index),
          read.get(partition) ?? [],
          headOf(partition),
        );
        if (step !== 'in step' && steps.get(partition) !== 'apart') steps.set(partition, step);
      }
    }
    return steps;
  }

  #stepOver(standing: Standing, events: readonly LogEvent[], head: number): Step {
    for (const event of events) {
      if (event.position > head) break;
      if (!this.#options.passage.isForeign(event)) return 'apart';
      standing.cleared = event.position;
    }
    // Commits of this process may be heard of in either order: what is missing comes in a moment.
    return standing.cleared === head ? 'in step' : 'unclear';
  }

  /** An event of a version that this program does not read; the stage that meets it gives the partition up. */
  #hasNewer(events: readonly LogEvent[]): boolean {
    const { handles } = this.#options.passage;
    return events.some(({ type, version }) => version > (handles.get(type) ?? version));
  }

  async #apply(batch: Batch): Promise<void> {
    const { passage, session, clock, log, observer } = this.#options;
    const { events, partitions, head } = batch;
    const startedAt = performance.now();
    const standings = passage.links.flatMap((_, index) =>
      partitions.map((partition) => this.#standingAt(partition, index)),
    );
    let appends: readonly PlacedAppend[] = [];
    let moves: readonly Move[] = [];
    await session.transaction(async (tx) => {
      holdPositions(tx, standings.map(placeIn)); // X1
      // Another process' clock may be ahead of ours: an effect is never stamped before its cause.
      const latest = (loadedAt: number): number =>
        events.reduce((now, { occurredAt }) => Math.max(now, occurredAt), loadedAt);
      const loaded = events.length === 0 ? undefined : await passage.load(tx, events);
      const recording = new Recording({ occurredAt: latest(clock.now()), head });
      if (loaded !== undefined) {
        const { occurredAt } = recording;
        const plan = passage.decide(loaded, events, occurredAt, (cause, topic, draft) =>
          recording.place(cause, topic, draft),
        );
        passage.save(tx, plan, occurredAt);
      }
      appends = recording.appends();
      moves = movesOf(standings, (standing) => this.#targetOf(standing, batch, recording));
      movePositions(
        tx,
        moves.map(({ standing, target }) => ({ ...placeIn(standing), position: target })),
      );
      for (const { append, firsts } of appends) sendAppendAt(tx, append, firsts); // X3
    });
    for (const { standing, target } of moves) {
      standing.position = target;
      standing.cleared = target;
      standing.turn += 1;
    }
    for (const partition of partitions)
      this.#reader.passed[partition] = this.#standingAt(partition, 0).position;
    for (const { segments } of appends) log.publish(segments);
    observer.committed(passage.name, { events: batch.passed, durationMs: performance.now() - startedAt });
  }

  #targetOf({ link, partition }: Standing, { upTo }: Batch, recording: Recording): number {
    return link === this.#first ? (upTo.get(partition) ?? 0) : recording.end(link.topic, partition);
  }

  #standingsAt(partition: number): readonly [Standing, ...Standing[]] {
    const standings = this.#standings.get(partition);
    if (standings === undefined) throw new InvariantViolation(`no standing in partition ${partition}`);
    return standings;
  }

  #standingAt(partition: number, index: number): Standing {
    return this.#standingsAt(partition)[index] as Standing;
  }
}

interface PositionRow {
  consumer_group: string;
  topic: string;
  partition: number;
  position: bigint;
  turn: bigint;
}

interface Move {
  readonly standing: Standing;
  readonly target: number;
}

/** By topic and partition. */
type Heads = ReadonlyMap<string, number>;

function placeOf(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

function standingOf(link: Link, partition: number, rows: readonly PositionRow[]): Standing {
  const row = rows.find(
    (candidate) =>
      candidate.consumer_group === link.group &&
      candidate.topic === link.topic &&
      candidate.partition === partition,
  );
  if (row === undefined)
    throw new InvariantViolation(`group ${link.group} has no position in ${link.topic}/${partition}`);
  const position = Number(row.position);
  return { link, partition, position, turn: Number(row.turn), cleared: position };
}

function placeIn({ link, partition, position, turn }: Standing): Place {
  return { ...link, partition, position, turn };
}

function movesOf(standings: readonly Standing[], targetOf: (standing: Standing) => number): Move[] {
  return standings
    .map((standing) => ({ standing, target: targetOf(standing) }))
    .filter(({ standing, target }) => target !== standing.position);
}
