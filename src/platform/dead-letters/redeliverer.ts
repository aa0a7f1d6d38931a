/**
 * Executes the orders about a group's events (redelivery.ts) and works off what waited behind a resolved dead letter, for
 * the partitions that the process owns. One per process: it looks for work once a second, over all groups in one go.
 *
 * D1: an order's effect, what it says of the dead letter and of its key, and that it is done are one commit, under the
 *     group's positions, which are locked first and whose turn moves: the group's worker is fenced meanwhile (R1).
 * D2: of a key nothing overtakes: the dead event comes first, alone, then what waited behind it, in order of arrival, and
 *     what comes meanwhile queues up behind that. What fails becomes the dead letter in front of the rest.
 * D3: nothing is handled that the group's position has not passed: a consumer that retains events keeps it before them,
 *     and would be handed the same event again.
 * D4: what a person has had a group pass over for good is not handed to it again, whoever orders it.
 * D5: what waits and cannot be read any more, or is gone from its log, is a dead letter like any other: it is made of what was
 *     kept when it was parked, for its key would wait for ever, and nobody would see it.
 * D6: an order that cannot be executed for the world's reasons stays, and is tried again with the next look.
 * D7: tenants take turns, a page of orders each: who has thousands replayed holds up nobody else's, nor the repairs.
 *
 * What an order about an event does is in event-orders.ts. Orders about what a service has given up are executed here too,
 * by that service and in no order (given-up-orders.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '../batch/consumer.ts';
import type { BatchObserver } from '../batch/observer.ts';
import { Signal } from '../batch/signal.ts';
import { eventIdentity, type LogEvent } from '../log/event.ts';
import { type EventLog, LogGap } from '../log/event-log.ts';
import { type EventPlace, readEventsAt } from '../log/events-at.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { bury, failureOf, isFaultOfEvent, STRIKES_MAX } from './bury.ts';
import { executeEventOrder, failEventOrder } from './event-orders.ts';
import type { GivenUpWork } from './given-up.ts';
import { executeGivenUp, failGivenUp } from './given-up-orders.ts';
import { type Handler, handlerOf } from './handler.ts';
import { type Done, NOTHING_LEFT } from './order-end.ts';
import * as store from './order-store.ts';
import { placesPassed } from './passed-places.ts';

/** A person has just asked, or the integrity service: neither counts milliseconds. */
const LOOK_EVERY_MS = 1000;
/** Of what waits for a key, handled in one commit. */
const PAGE_EVENTS = 100;
/** After a turn that found the database gone. */
const PAUSE_MS = 1000;

export interface RedelivererOptions {
  readonly log: EventLog;
  readonly session: Session;
  readonly clock: Clock;
  readonly observer: BatchObserver;
}

/** In the observer's words, which count what workers do. */
const WORKER = 'redeliverer';

interface Strikes {
  readonly count: number;
  readonly since: number;
}

export class Redeliverer {
  readonly #options: RedelivererOptions;
  readonly #handlers = new Map<string, Handler>();
  readonly #works = new Map<string, GivenUpWork>();
  readonly #owned = new Map<string, readonly number[]>();
  readonly #signal = new Signal();
  /** Of keys whose next event has failed, alone. */
  readonly #strikes = new Map<string, Strikes>();
  /** The last order that was looked at. Some may have to wait: those behind them do not wait with them. */
  #after = store.FIRST_ID;
  /** D7: tenants that had their page in this round. */
  readonly #served = new Set<string>();
  #stopping = false;
  #running: Promise<void> | undefined;

  constructor(options: RedelivererOptions) {
    this.#options = options;
  }

  /** From now on orders about the group are executed with this consumer, where the process owns the partition. */
  serve<Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>): void {
    this.#handlers.set(consumer.group, handlerOf(consumer, this.#options));
  }

  /** The same of what the service has given up. */
  serveGivenUp(work: GivenUpWork): void {
    for (const group of work.groups) this.#works.set(group, work);
  }

  own(group: string, partitions: readonly number[]): void {
    if (this.#handlers.has(group)) this.#owned.set(group, partitions);
  }

  /** There may be an order. */
  wake(): void {
    this.#signal.raise();
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Finishes the order under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const hasMoved = await this.#turn().catch(async (error: unknown) => {
        this.#options.observer.failed(WORKER, error);
        await delay(PAUSE_MS);
        return false;
      });
      if (!hasMoved) await this.#signal.wait(LOOK_EVERY_MS);
    }
  }

  /** Whether anything was done: then there may be more. */
  async #turn(): Promise<boolean> {
    const owned = [...this.#owned].flatMap(([group, partitions]) =>
      partitions.map((partition) => ({ group, partition })),
    );
    if (owned.length === 0) return false;
    const { orders, keys, mayBeMore } = await this.#look(owned);
    let hasMoved = mayBeMore;
    for (const order of orders) hasMoved = (await this.#try(() => this.#execute(order))) || hasMoved;
    for (const key of keys) hasMoved = (await this.#try(() => this.#workOff(key))) || hasMoved;
    return hasMoved;
  }

  /** D7. A round begins with what is next; while a page is full, those follow whose orders it does not have. */
  async #look(owned: readonly store.GroupPartition[]): Promise<store.Work & { readonly mayBeMore: boolean }> {
    const isFirst = this.#served.size === 0;
    const work = await store.findWork(this.#options.session, owned, {
      after: isFirst ? this.#after : store.FIRST_ID,
      without: [...this.#served],
    });
    const { orders, hasMore } = work;
    if (isFirst) this.#after = (hasMore ? orders.at(-1)?.id : undefined) ?? store.FIRST_ID;
    if (hasMore) for (const { tenant } of orders) this.#served.add(tenant);
    else this.#served.clear();
    return { ...work, mayBeMore: hasMore || !isFirst };
  }

  /** D6 */
  async #try(work: () => Promise<boolean>): Promise<boolean> {
    if (this.#stopping) return false;
    const startedAt = performance.now();
    try {
      const hasMoved = await work();
      const durationMs = performance.now() - startedAt;
      if (hasMoved) this.#options.observer.committed(WORKER, { events: 1, durationMs });
      return hasMoved;
    } catch (error) {
      this.#options.observer.failed(WORKER, error);
      return false;
    }
  }

  async #execute(pending: store.PendingOrder): Promise<boolean> {
    if (pending.isGivenUp) return this.#executeGivenUp(pending);
    const handler = this.#handlers.get(pending.group);
    if (handler === undefined) return false;
    const { id } = pending;
    const { clock } = this.#options;
    try {
      return await this.#commit(pending, (tx, positions) =>
        executeEventOrder(tx, id, { handler, positions, clock }),
      );
    } catch (error) {
      if (!isFaultOfEvent(error)) throw error;
      return this.#commit(pending, (tx) => failEventOrder(tx, id, { error, clock }));
    }
  }

  async #executeGivenUp({ id, group }: store.PendingOrder): Promise<boolean> {
    const work = this.#works.get(group);
    if (work === undefined) return false;
    const now = this.#options.clock.now();
    try {
      return await this.#transact((tx) => executeGivenUp(tx, id, { work, now }));
    } catch (error) {
      if (!isFaultOfEvent(error)) throw error;
      return this.#transact((tx) => failGivenUp(tx, id, { failure: failureOf(error), now }));
    }
  }

  /** D1. Whether `work` has found something to do. */
  #commit(
    of: store.GroupPartition,
    work: (tx: Transaction, positions: store.HeldPositions) => Promise<Done>,
  ): Promise<boolean> {
    return this.#transact(async (tx) => work(tx, await store.holdPositions(tx, of)));
  }

  async #transact(work: (tx: Transaction) => Promise<Done>): Promise<boolean> {
    const done = await this.#options.session.transaction(work);
    // It is committed: what goes wrong from here on is no failure of the events.
    await done?.().catch((error: unknown) => this.#options.observer.failed(WORKER, error));
    return done !== undefined;
  }

  /** D2: a page of what waits; if it fails, its first event alone, and that again, until it is handled or a dead letter. */
  async #workOff(key: store.ParkedKey): Promise<boolean> {
    const handler = this.#handlers.get(key.group);
    if (handler === undefined) return false;
    const name = `${key.group} ${key.partition} ${key.key}`;
    const strikes = this.#strikes.get(name);
    try {
      const hasMoved = await this.#commit(key, (tx, positions) =>
        this.#workOffUnder(tx, key, { handler, positions, limit: strikes === undefined ? PAGE_EVENTS : 1 }),
      );
      this.#strikes.delete(name);
      return hasMoved;
    } catch (error) {
      if (!isFaultOfEvent(error) && !(error instanceof LogGap)) throw error; // D5
      this.#options.observer.failed(WORKER, error);
      return this.#strike(name, key, { error, strikes });
    }
  }

  async #workOffUnder(
    tx: Transaction,
    key: store.ParkedKey,
    { handler, positions, limit }: { handler: Handler; positions: store.HeldPositions; limit: number },
  ): Promise<Done> {
    const places = await store.nextParked(tx, key, limit);
    if (places === undefined) return undefined;
    const passed = placesPassed(places, positions);
    const last = passed.at(-1);
    if (last === undefined) return undefined;
    const events = (await this.#readEvents(tx, key, passed)).filter((event) => handler.actsOn(event));
    const published = events.length === 0 ? undefined : await handler.handle(tx, events);
    store.unpark(tx, key, last.seq);
    store.moveTurns(tx, key);
    return published ?? NOTHING_LEFT;
  }

  /** Counts only failures of the first event alone; the first one that is counted says only that the page has failed. */
  async #strike(
    name: string,
    key: store.ParkedKey,
    { error, strikes }: { error: unknown; strikes: Strikes | undefined },
  ): Promise<boolean> {
    const count = strikes === undefined ? 0 : strikes.count + 1;
    const since = strikes?.since ?? this.#options.clock.now();
    this.#strikes.set(name, { count, since });
    if (count < STRIKES_MAX) return true;
    this.#strikes.delete(name);
    return this.#commit(key, (tx) => this.#buryNext(tx, key, { error, strikes: { count, since } }));
  }

  async #buryNext(
    tx: Transaction,
    key: store.ParkedKey,
    { error, strikes }: { error: unknown; strikes: Strikes },
  ): Promise<Done> {
    const [place] = (await store.nextParked(tx, key, 1)) ?? [];
    if (place === undefined) return undefined;
    const { seq, ...event } = place; // D5
    const { group } = key;
    const failure = failureOf(error);
    const id = bury(tx, {
      group,
      parkingKey: key.key,
      event,
      failure,
      attempts: strikes.count,
      firstAt: strikes.since,
      now: this.#options.clock.now(),
    });
    store.unpark(tx, key, seq);
    store.moveTurns(tx, key);
    return async () => this.#options.observer.deadLettered?.(group, { id, event, failure });
  }

  async #readEvents(
    tx: Transaction,
    { partition }: { partition: number },
    places: readonly EventPlace[],
  ): Promise<LogEvent[]> {
    const events = await readEventsAt(tx, partition, places);
    const found = new Set(events.map(eventIdentity));
    const lacking = places.find((place) => !found.has(eventIdentity({ ...place, partition })));
    if (lacking !== undefined) throw new LogGap(lacking.topic, partition, lacking.position);
    return events;
  }
}
