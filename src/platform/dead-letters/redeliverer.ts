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
 * Orders about what a service has given up are executed here too, by that service and in no order (given-up-orders.ts).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { assertNever } from '#kernel/fault.ts';
import type { Consumer, ConsumerPlan } from '../batch/consumer.ts';
import type { BatchObserver } from '../batch/observer.ts';
import { Signal } from '../batch/signal.ts';
import { eventIdentity, type LogEvent } from '../log/event.ts';
import { type EventLog, LogGap } from '../log/event-log.ts';
import type { Session, Transaction } from '../postgres/session.ts';
import { bury, failureOf, isFaultOfEvent, noteAction, STRIKES_MAX } from './bury.ts';
import type { GivenUpWork } from './given-up.ts';
import { executeGivenUp, failGivenUp } from './given-up-orders.ts';
import { type Handler, handlerOf } from './handler.ts';
import * as store from './order-store.ts';
import { hasPassed, placesPassed } from './passed-places.ts';
import { findAbandonedEvents } from './redelivery.ts';

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

type Replay = Extract<store.Order['about'], { readonly action: 'replay' | 'skip' | 'discard' }>;

/** What was done; nothing where somebody else had done it. */
type Done = (() => Promise<void>) | undefined;

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
    try {
      return await this.#commit(pending, (tx, positions) =>
        this.#executeUnder(tx, { id: pending.id, handler, positions }),
      );
    } catch (error) {
      if (!isFaultOfEvent(error)) throw error;
      return this.#commit(pending, (tx) => this.#noteFailure(tx, pending.id, error));
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

  async #executeUnder(
    tx: Transaction,
    { id, handler, positions }: { id: string; handler: Handler; positions: store.HeldPositions },
  ): Promise<Done> {
    const order = await store.loadOrder(tx, id);
    if (order === undefined) return undefined;
    const { about } = order;
    if (about.action === 'redeliver') return this.#redeliver(tx, order, { handler, positions });
    if (!about.isOpen) return this.#finish(tx, order, 'done');
    if (!hasPassed(positions, order)) return undefined; // D3
    const { action } = about;
    switch (action) {
      case 'replay':
        return this.#replay(tx, order, { about, handler });
      case 'skip':
        return this.#passOver(tx, order, about);
      case 'discard':
        return this.#discard(tx, order, about);
      default:
        return assertNever(action);
    }
  }

  #finish(
    tx: Transaction,
    order: store.Order,
    outcome: Parameters<typeof store.finishOrder>[1]['outcome'],
  ): Done {
    store.finishOrder(tx, { id: order.id, outcome, at: this.#options.clock.now() });
    return async () => undefined;
  }

  async #redeliver(
    tx: Transaction,
    order: store.Order,
    { handler, positions }: { handler: Handler; positions: store.HeldPositions },
  ): Promise<Done> {
    const { group, partition } = order;
    if (!positions.has(order.topic)) return this.#finish(tx, order, 'not_handled');
    if (!hasPassed(positions, order)) return this.#finish(tx, order, 'not_passed');
    // D4
    if ((await findAbandonedEvents(tx, [order])).length > 0) return this.#finish(tx, order, 'abandoned');
    const [event] = await store.readEventsAt(tx, partition, [order]);
    if (event === undefined) return this.#finish(tx, order, 'not_found');
    if (!handler.actsOn(event)) return this.#finish(tx, order, 'not_handled');
    const key = handler.parkingKeyOf(event);
    if (await store.isParked(tx, { group, partition, key }))
      return this.#finish(tx, order, 'behind_dead_letter');
    const published = await handler.handle(tx, [event], { isAgain: true });
    this.#finish(tx, order, 'done');
    store.moveTurns(tx, order);
    return published;
  }

  /** D2: the dead event alone, with other data if it was edited; its identity is the same. */
  async #replay(
    tx: Transaction,
    order: store.Order,
    { about, handler }: { about: Replay; handler: Handler },
  ): Promise<Done> {
    const [event] = await store.readEventsAt(tx, order.partition, [order]);
    if (event === undefined) {
      const lacking = new LogGap(order.topic, order.partition, order.position);
      return this.#failOrder(tx, order, { outcome: 'not_found', error: lacking });
    }
    const replayed = store.withData(event, about.editedData);
    const published = handler.actsOn(replayed) ? await handler.handle(tx, [replayed]) : undefined;
    this.#resolve(tx, order, { about, state: 'replayed' });
    store.releaseKey(tx, { ...order, key: about.key });
    store.moveTurns(tx, order);
    return published ?? (async () => undefined);
  }

  async #passOver(tx: Transaction, order: store.Order, about: Replay): Promise<Done> {
    this.#resolve(tx, order, { about, state: 'skipped' });
    store.releaseKey(tx, { ...order, key: about.key });
    store.moveTurns(tx, order);
    return async () => undefined;
  }

  async #discard(tx: Transaction, order: store.Order, about: Replay): Promise<Done> {
    const gone = await store.unparkAll(tx, { ...order, key: about.key }, about.deadLetter);
    this.#resolve(tx, order, { about, state: 'discarded', gone });
    store.releaseKey(tx, { ...order, key: about.key });
    store.moveTurns(tx, order);
    return async () => undefined;
  }

  #resolve(
    tx: Transaction,
    order: store.Order,
    end: {
      about: Replay;
      state: 'replayed' | 'skipped' | 'discarded';
      gone?: readonly string[];
    },
  ): void {
    const { about, state, gone = [] } = end;
    const at = this.#options.clock.now();
    if (state !== 'replayed') store.abandon(tx, order, about.deadLetter);
    store.resolve(tx, { uuid: about.deadLetter, state, editedData: about.editedData, at });
    const entry = { deadLetter: about.deadLetter, at, actor: order.requestedBy, reason: order.reason };
    noteAction(tx, { ...entry, action: state, dataAfter: about.editedData });
    if (gone.length > 0) noteAction(tx, { ...entry, action: 'passed_behind', detail: gone.join(' ') });
    this.#finish(tx, order, 'done');
  }

  async #noteFailure(tx: Transaction, id: string, error: unknown): Promise<Done> {
    const order = await store.loadOrder(tx, id);
    return order && this.#failOrder(tx, order, { outcome: 'failed', error });
  }

  /** The order has failed on its event: it is done, and a dead letter stays what it is. */
  #failOrder(
    tx: Transaction,
    order: store.Order,
    { outcome, error }: { outcome: 'failed' | 'not_found'; error: unknown },
  ): Done {
    const { id, about } = order;
    const at = this.#options.clock.now();
    const { code, text } = failureOf(error);
    if (about.action !== 'redeliver') {
      store.failAgain(tx, { uuid: about.deadLetter, code, text, at });
      const entry = { deadLetter: about.deadLetter, at, actor: order.requestedBy, reason: order.reason };
      noteAction(tx, { ...entry, action: 'replay_failed', dataAfter: about.editedData, detail: text });
    }
    store.finishOrder(tx, { id, outcome, error: text, at });
    return async () => undefined;
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
    return published ?? (async () => undefined);
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
    places: readonly store.EventPlace[],
  ): Promise<LogEvent[]> {
    const events = await store.readEventsAt(tx, partition, places);
    const found = new Set(events.map(eventIdentity));
    const lacking = places.find((place) => !found.has(eventIdentity({ ...place, partition })));
    if (lacking !== undefined) throw new LogGap(lacking.topic, partition, lacking.position);
    return events;
  }
}
