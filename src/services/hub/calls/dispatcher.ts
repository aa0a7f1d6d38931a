/**
 * Sends what is called, outside every transaction and batch, and reports what came of it.
 *
 * P1: what is sent has been committed before; what is lost here is brought back by its row.
 * P2: each destination has a queue and places of its own: one that hangs occupies nobody else's.
 *     A place is free when the answer is there, not when that is committed.
 * P3: what has waited for its turn so long that another process may have taken it is not sent.
 */

import type { Clock } from '#kernel/clock.ts';
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
const TAKEN_MAX = 8192;
/** Of one destination: what is more waits in the table. */
const QUEUE_MAX = 2048;
const BUSY_RETRY_MS = 1000;

export interface DispatcherOptions {
  readonly connectors: Connectors;
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
  /** Answers that are not committed yet. */
  #reporting = 0;
  #stopping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** How many calls would be taken. */
  get room(): number {
    return this.#stopping ? 0 : TAKEN_MAX - this.#taken.size - this.#reporting;
  }

  take(call: Call): void {
    const ref = callRef(call);
    if (this.#stopping || this.#taken.has(ref)) return; // P1
    this.#taken.add(ref);
    const name = laneOf(call);
    const lane = this.#lanes.get(name) ?? { queue: [], active: 0 };
    this.#lanes.set(name, lane);
    if (lane.queue.length >= QUEUE_MAX) this.#track(this.#report(call, BUSY));
    else {
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
        this.#taken.delete(callRef(next.call)); // P3
        continue;
      }
      lane.active++;
      const answer = this.#perform(next.call).finally(() => {
        lane.active--;
        this.#advance(name, lane);
      });
      this.#track(answer.then((outcome) => outcome && this.#report(next.call, outcome)));
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

  async #report(call: Call, outcome: CallOutcome): Promise<void> {
    const { report, clock } = this.#options;
    this.#taken.delete(callRef(call));
    this.#reporting++;
    await report({ call, at: clock.now(), outcome }).finally(() => {
      this.#reporting--;
    });
  }
}

const BUSY: CallOutcome = {
  kind: 'not_called',
  detail: 'More wait for the destination than it is given.',
  latencyMs: 0,
  retryAfterMs: BUSY_RETRY_MS,
};

function laneOf({ tenant, connector, destination, step }: Call): string {
  return `${tenant}/${connector}/${destination}/${step === 'enrichment' ? step : ''}`;
}
