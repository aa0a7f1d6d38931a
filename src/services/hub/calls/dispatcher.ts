/**
 * Sends what is called, outside every transaction and batch, and reports what came of it.
 *
 * P1: what is sent has been committed before; what is lost here is brought back by its row.
 * P2: each destination has a queue and places of its own: one that hangs occupies nobody else's.
 *     A place is free when the answer is there, not when that is committed.
 * P3: what has waited for its turn so long that another process may have taken it is not sent.
 * P4: no tenant has all the places, or all the memory for what waits: what goes beyond its share comes back later.
 */

import type { Clock } from '#kernel/clock.ts';
import { FairPlaces } from '#platform/batch/fair-places.ts';
import { lastAnswers } from '#platform/egress/last-answers.ts';
import type { Connectors } from '../connectors.ts';
import { versionRef } from '../connectors.ts';
import { type Call, callRef, TURN_MS } from './call.ts';
import type { Caller } from './caller.ts';
import type { CallOutcome, CallReport } from './decide-call.ts';

/**
 * Requests to one destination at once. One that answers in 20 ms has been seen to be heard after 90 under load: then 128 are 1400
 * a second, and these 2800.
 */
export const PER_DESTINATION = 256;
/** Taken and not ended, over all destinations. */
export const TAKEN_MAX = 8192;
/** Of their messages, as long as they are texts: one may be 128 KiB, with what is made of it. */
export const TAKEN_MAX_LENGTH = 64 * 1024 * 1024;
/** Of one destination: what is more waits in the table. */
const QUEUE_MAX = 2048;
const BUSY_RETRY_MS = 1000;

export interface DispatcherOptions {
  readonly connectors: Pick<Connectors, 'load'>;
  readonly caller: Pick<Caller, 'perform'>;
  readonly report: (report: CallReport) => Promise<void>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

interface Taken {
  readonly call: Call;
  readonly at: number;
}

interface Lane {
  readonly queue: Taken[];
  active: number;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #taken = new Set<string>();
  readonly #underWay = new Set<Promise<void>>();
  // P4: until what came of them is committed.
  readonly #places = new FairPlaces(TAKEN_MAX);
  readonly #lengths = new FairPlaces(TAKEN_MAX_LENGTH);
  #stopping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** How many calls would be taken, of whoever has the least. */
  get room(): number {
    return this.#stopping || this.#lengths.free <= 0 ? 0 : Math.max(0, this.#places.free);
  }

  /** Whether one more of the tenant would be taken. */
  hasRoomFor(tenant: string): boolean {
    return !this.#stopping && this.#places.roomOf(tenant) > 0 && this.#lengths.roomOf(tenant) > 0;
  }

  take(call: Call): void {
    const ref = callRef(call);
    if (this.#stopping || this.#taken.has(ref)) return; // P1
    this.#taken.add(ref);
    const name = laneOf(call);
    const lane = this.#lanes.get(name) ?? { queue: [], active: 0 };
    const hasRoom = this.hasRoomFor(call.tenant);
    this.#places.take(call.tenant);
    this.#lengths.take(call.tenant, lengthOf(call));
    if (!hasRoom) this.#track(this.#report(call, TOO_MANY));
    else if (lane.queue.length >= QUEUE_MAX) this.#track(this.#report(call, BUSY));
    else {
      this.#lanes.set(name, lane);
      lane.queue.push({ call, at: performance.now() });
      this.#advance(name, lane);
    }
  }

  /** Waits for answers that are on their way, for a moment. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const lane of this.#lanes.values()) lane.queue.length = 0;
    await lastAnswers(Promise.all(this.#underWay));
  }

  // P2
  #advance(name: string, lane: Lane): void {
    while (lane.active < PER_DESTINATION) {
      const next = lane.queue.shift();
      if (next === undefined) break;
      if (performance.now() - next.at > TURN_MS) {
        this.#drop(next.call); // P3
        continue;
      }
      lane.active++;
      const answer = this.#perform(next.call).finally(() => {
        lane.active--;
        this.#advance(name, lane);
      });
      this.#track(this.#ended(next.call, answer));
    }
    if (lane.active === 0 && lane.queue.length === 0) this.#lanes.delete(name);
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch(this.#options.onError).finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  async #perform(call: Call): Promise<CallOutcome | undefined> {
    const { connectors, caller } = this.#options;
    const { tenant, connector: name, connectorVersion: version } = call;
    try {
      const found = await connectors.load([{ tenant, name, version }]);
      const definition = found.get(versionRef({ tenant, name, version }))?.definition;
      return definition && (await caller.perform(call, definition));
    } finally {
      this.#taken.delete(callRef(call));
    }
  }

  async #ended(call: Call, answer: Promise<CallOutcome | undefined>): Promise<void> {
    let outcome: CallOutcome | undefined;
    try {
      outcome = await answer;
    } finally {
      if (outcome === undefined) this.#drop(call);
    }
    if (outcome !== undefined) await this.#report(call, outcome);
  }

  async #report(call: Call, outcome: CallOutcome): Promise<void> {
    const { report, clock } = this.#options;
    this.#taken.delete(callRef(call));
    await report({ call, at: clock.now(), outcome }).finally(() => this.#giveBack(call));
  }

  #drop(call: Call): void {
    this.#taken.delete(callRef(call));
    this.#giveBack(call);
  }

  #giveBack(call: Call): void {
    this.#places.giveBack(call.tenant);
    this.#lengths.giveBack(call.tenant, lengthOf(call));
  }
}

const BUSY: CallOutcome = {
  kind: 'not_called',
  detail: 'More wait for the destination than it is given.',
  latencyMs: 0,
  retryAfterMs: BUSY_RETRY_MS,
};

const TOO_MANY: CallOutcome = {
  kind: 'not_called',
  detail: 'More wait for destinations of the tenant than are kept ready.',
  latencyMs: 0,
  retryAfterMs: TURN_MS,
};

function lengthOf({ request: { message, body = '' } }: Call): number {
  return message.length + body.length;
}

function laneOf({ tenant, connector, destination, step }: Call): string {
  return `${tenant}/${connector}/${destination}/${step === 'enrichment' ? step : ''}`;
}
