/**
 * The ways of a step's events, as they were prepared, until a commit has answered them; and which of the events wait for a later batch.
 *
 * Q1: a tenant has a share of the time of a batch, and what comes behind it waits, the oldest first. Of a tenant that waits no more is
 *     handed over than twice what came through the last time, so that a backlog costs nothing while it waits.
 * Q2: what was stopped is tried again alone, beside everything else: one in a batch, the oldest.
 * Q3: beside a sole new event nothing that waits is tried: what fails then is that event's fault (W6). But not in two batches one behind
 *     the other, or what waits would wait for as long as events come one by one.
 * Q4: what waits is held in memory, so it is bounded. What comes beyond that has its answer at once, however long everybody else
 *     waits for it.
 * Q5: while the log has more to read than a batch takes, what waits is passed over for as long as its last turn took: a group reads all
 *     events of the hub, and would fall behind for everybody if each batch were as long as the slow ones make it.
 */
import type { BatchReading } from '#platform/batch/consumer.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import { type Carrier, type Held, LATER, type Way } from './carry.ts';
import type { AnyStep } from './step.ts';

/** Q1: half of what one job may take, for all tenants that wait together; what one may have at least is some thousand quick ones. */
const SHARE_MS = 250;
const SHARE_LEAST_MS = 50;
/** In a batch, of a tenant that waits (Q1), and of all that was stopped (Q2): as many as are read for it otherwise. */
const CHOSEN_MAX = 500;
/** Q4: of each group. Some 10 000 events of 600 bytes, and going through these takes some 20 ms of a batch. */
const WAITING_MAX_BYTES = 16 * 1024 * 1024;
/** Of an event, beside its message. */
const EVENT_BYTES = 1024;
/** Of events whose batch failed and went to another process, some may be left. More than what waits, and a batch beside it. */
const PREPARED_MAX = 30_000;

export interface PreparedWay extends Way {
  /** Whether its event may wait for what holds it (Q4). */
  readonly mayWait: boolean;
}

export class StepWays {
  readonly #carrier: Pick<Carrier, 'prepare'>;
  readonly #step: AnyStep;
  readonly #ways = new Map<string, PreparedWay>();
  /** Of tenants of which something waits: how many came through the last time (Q1). */
  readonly #cameThrough = new Map<string, number>();
  /** Q3: in the last batch nothing that waits was tried. */
  #passedOver = false;
  /** Q5: until when it is passed over. */
  #restsUntil = Number.NEGATIVE_INFINITY;
  readonly #now: () => number;

  constructor(carrier: Pick<Carrier, 'prepare'>, step: AnyStep, now = () => performance.now()) {
    this.#carrier = carrier;
    this.#step = step;
    this.#now = now;
  }

  /** A redelivery may be prepared while a batch is: neither takes from the other. */
  async prepare(events: readonly LogEvent[], { isAlone, isFull, retained }: BatchReading): Promise<void> {
    if (retained === undefined) await this.#carry(events, { isAlone, mayWait: false });
    else if (this.#isTriedAlone(events, { isAlone, waiting: retained.length }))
      await this.#besideWaiting(events);
    else if (isFull === true && this.#now() < this.#restsUntil)
      await this.#pastWaiting(events, retained.length);
    else await this.#inTurn(events);
    forgetOldest(this.#ways);
  }

  of(events: readonly LogEvent[]): ReadonlyMap<string, PreparedWay> {
    return new Map(
      events.flatMap((event) => {
        const identity = eventIdentity(event);
        const way = this.#ways.get(identity);
        return way === undefined ? [] : [[identity, way] as const];
      }),
    );
  }

  forget(identities: readonly string[]): void {
    for (const identity of identities) this.#ways.delete(identity);
  }

  /** Q3: whether the last of the events is. */
  #isTriedAlone(events: readonly LogEvent[], read: { isAlone: boolean; waiting: number }): boolean {
    const isSole = read.isAlone && events.length === read.waiting + 1;
    if (read.waiting === 0) return isSole;
    this.#passedOver = isSole && !this.#passedOver;
    return this.#passedOver;
  }

  /** Q3 */
  async #besideWaiting(events: readonly LogEvent[]): Promise<void> {
    this.#leave(events.slice(0, -1));
    const mayWait = withinBound(events) === events.length;
    await this.#carry(events.slice(-1), { isAlone: true, mayWait });
  }

  /** Q5. Of a tenant that turns out to be slow what comes next waits too. */
  async #pastWaiting(events: readonly LogEvent[], waiting: number): Promise<void> {
    const within = withinBound(events);
    const waitable = events.slice(0, within);
    const passedOver = new Set(
      waitable.filter(({ tenant }, at) => at < waiting || this.#cameThrough.has(tenant)),
    );
    const fresh = waitable.filter((event) => !passedOver.has(event));
    this.#leave([...passedOver]);
    await Promise.all([
      this.#carry(fresh, { isAlone: false, mayWait: true, shareMs: this.#shareMs }),
      this.#carry(events.slice(within), { isAlone: false, mayWait: false }), // Q4
    ]);
    for (const event of fresh)
      if (this.#heldBy(event)?.kind === 'later') this.#cameThrough.set(event.tenant, 0);
  }

  async #inTurn(events: readonly LogEvent[]): Promise<void> {
    const since = this.#now();
    const within = withinBound(events);
    const waitable = events.slice(0, within);
    const suspect = waitable.find((event) => this.#heldBy(event)?.kind === 'stopped'); // Q2
    const mayWait = waitable.filter((event) => event !== suspect);
    const chosen = this.#chosenOf(mayWait);
    this.#leave(mayWait.filter((event) => !chosen.has(event)));
    await Promise.all([
      this.#carry(suspect === undefined ? [] : [suspect], { isAlone: true, mayWait: true }),
      this.#carry([...chosen], { isAlone: false, mayWait: true, shareMs: this.#shareMs }),
      this.#carry(events.slice(within), { isAlone: false, mayWait: false }), // Q4
    ]);
    this.#noteCameThrough(mayWait, chosen);
    const until = this.#now();
    this.#restsUntil = until + (until - since);
  }

  /** Q1 */
  get #shareMs(): number {
    return Math.max(SHARE_LEAST_MS, SHARE_MS / Math.max(1, this.#cameThrough.size));
  }

  /** Q1. What was stopped comes along too: it may come through by now, or be refused. */
  #chosenOf(events: readonly LogEvent[]): ReadonlySet<LogEvent> {
    const rooms = new Map(
      [...this.#cameThrough].map(([tenant, count]) => [tenant, Math.min(CHOSEN_MAX, Math.max(1, 2 * count))]),
    );
    let stoppedRoom = CHOSEN_MAX;
    return new Set(
      events.filter((event) => {
        if (this.#heldBy(event)?.kind === 'stopped') return stoppedRoom-- > 0;
        const room = rooms.get(event.tenant);
        if (room !== undefined) rooms.set(event.tenant, room - 1);
        return room === undefined || room > 0;
      }),
    );
  }

  #noteCameThrough(events: readonly LogEvent[], chosen: ReadonlySet<LogEvent>): void {
    this.#cameThrough.clear();
    for (const event of events)
      if (this.#heldBy(event)?.kind === 'later') this.#cameThrough.set(event.tenant, 0);
    for (const event of chosen) {
      const count = this.#cameThrough.get(event.tenant);
      if (count !== undefined && this.#heldBy(event) === undefined)
        this.#cameThrough.set(event.tenant, count + 1);
    }
  }

  async #carry(
    events: readonly LogEvent[],
    { mayWait, ...how }: { readonly isAlone: boolean; readonly mayWait: boolean; readonly shareMs?: number },
  ): Promise<void> {
    if (events.length === 0) return;
    const found = await this.#carrier.prepare(this.#step, events, how);
    for (const event of events) {
      const identity = eventIdentity(event);
      const way = found.get(identity);
      this.#ways.delete(identity); // so that it is among the newest
      if (way !== undefined) this.#ways.set(identity, { ...way, mayWait });
    }
  }

  /** Not worked on this time: held by what has held them before. */
  #leave(events: readonly LogEvent[]): void {
    for (const event of events) {
      const identity = eventIdentity(event);
      const held = this.#heldBy(event) ?? LATER;
      this.#ways.delete(identity);
      this.#ways.set(identity, { answers: [], held, mayWait: true });
    }
  }

  #heldBy(event: LogEvent): Held | undefined {
    return this.#ways.get(eventIdentity(event))?.held;
  }
}

/** How many of the events, from the first on, may wait (Q4). */
function withinBound(events: readonly LogEvent[]): number {
  let left = WAITING_MAX_BYTES;
  const beyond = events.findIndex(({ data }) => {
    const { message } = data;
    left -= EVENT_BYTES + (typeof message === 'string' ? message.length : 0);
    return left < 0;
  });
  return beyond === -1 ? events.length : beyond;
}

function forgetOldest(ways: Map<string, unknown>): void {
  for (const identity of ways.keys()) {
    if (ways.size <= PREPARED_MAX) return;
    ways.delete(identity);
  }
}
