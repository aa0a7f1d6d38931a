/**
 * Brings back what is due: what waits for its time, and what a process has left behind. The rows are the only memory;
 * this is the clock that looks at them.
 *
 * SW1: of each provider no more charges are taken than it has room for, and none while it does not answer, unless another
 *      would; those whose time is over are taken to be ended.
 * SW2: another partition is first each time: none starves behind one with more than is taken at a time.
 * SW3: what waits for a provider goes before payments that are new.
 */
import type { Clock, EpochMs } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { rotated } from '#platform/batch/rotated.ts';
import type { Session } from '#platform/postgres/session.ts';
import { operationOf } from './attempt.ts';
import type { Dispatcher } from './dispatcher.ts';
import { sendingWindow } from './schedule.ts';
import { type Claim, type Claimed, claimDue, hastenQuestions } from './store.ts';

/** What became due without this process knowing is noticed after so long. */
const LOOK_MS = 500;
/** What waits for room is looked for no more often than that. */
const ROOM_INTERVAL_MS = 20;
/** Taken at a time: of charges that wait for one provider, and of everything else, which waits for no charge. */
const CLAIM_MAX = 256;

export interface SweeperOptions {
  readonly session: Session;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly random: () => number;
  /** The longest of all providers. */
  readonly timeoutMs: number;
  /** Providers that charges may wait for. */
  readonly awaited: () => readonly string[];
  readonly onError: (error: unknown) => void;
}

export class Sweeper {
  readonly #options: SweeperOptions;
  #partitions: readonly number[] = [];
  #nextAt: EpochMs = 0;
  #failures = 0;
  #sweptAt: EpochMs = 0;
  /** SW3: providers that charges may be waiting for, as the last sweep has seen it, or no sweep has seen since they are back. */
  readonly #awaited = new Set<string>();
  /** Providers that are called again since the last sweep. */
  readonly #back = new Set<string>();
  #rotation = 0;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> | undefined;
  #stopped = true;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#schedule();
  }

  /** The partitions whose attempts are this process' to take. */
  own(partitions: readonly number[]): void {
    this.#partitions = partitions;
    this.wakeAt(this.#options.clock.now());
  }

  /** Something is due then. */
  wakeAt(at: EpochMs): void {
    if (at >= this.#nextAt) return;
    this.#nextAt = at;
    if (this.#sweeping === undefined) this.#schedule();
  }

  /** How many new charges each provider would be sent now, behind those that wait for it (SW3). */
  spareRooms(): Map<string, number> {
    return new Map(
      [...this.#options.dispatcher.rooms()].filter(([provider]) => !this.#awaited.has(provider)),
    );
  }

  /** A call has ended: what waits for room may find some. */
  noteRoom(): void {
    if (this.#awaited.size > 0) this.wakeAt(this.#sweptAt + ROOM_INTERVAL_MS);
  }

  /** It is called again: who waited for that goes first (SW3). */
  noteBack(provider: string): void {
    this.#awaited.add(provider);
    this.#back.add(provider);
    this.wakeAt(this.#options.clock.now());
  }

  /** Finishes the claim that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const waitMs = this.#nextAt - this.#options.clock.now();
    this.#timer = setTimeout(() => this.#look(), Math.max(0, Math.min(waitMs, LOOK_MS)));
  }

  #look(): void {
    if (this.#nextAt > this.#options.clock.now()) {
      this.#schedule();
      return;
    }
    this.#sweeping = this.#sweep().finally(() => {
      this.#sweeping = undefined;
      this.#schedule();
    });
  }

  /** One claim; the next follows at once if there was more than it took. */
  async #sweep(): Promise<void> {
    const { clock, dispatcher, onError, random } = this.#options;
    // Half of what is free, so that neither questions nor charges take it all.
    const limit = Math.min(CLAIM_MAX, Math.ceil(dispatcher.free / 2));
    const now = clock.now();
    this.#nextAt = now + LOOK_MS;
    this.#sweptAt = now;
    if (this.#partitions.length === 0) this.#awaited.clear();
    if (this.#partitions.length === 0 || limit <= 0) return;
    const rooms = new Map(
      [...dispatcher.rations({ reserved: limit })].map(([name, room]) => [name, Math.min(room, CLAIM_MAX)]),
    );
    try {
      await this.#hastenQuestions(now);
      const claimed = await this.#claim({ limit, now, rooms });
      this.#noteAwaited(rooms, claimed);
      for (const each of claimed) this.#handOver(each);
      this.#failures = 0;
      if (claimed.length >= limit) this.#nextAt = now;
    } catch (error) {
      this.#nextAt = now + LOOK_MS + backoffMs(++this.#failures, random);
      onError(error);
    }
  }

  async #hastenQuestions(now: EpochMs): Promise<void> {
    const providers = [...this.#back];
    if (providers.length === 0) return;
    await hastenQuestions(this.#options.session, { partitions: this.#partitions, now, providers });
    for (const provider of providers) this.#back.delete(provider);
  }

  #claim(claim: Pick<Claim, 'limit' | 'now' | 'rooms'>): Promise<Claimed[]> {
    const { session, timeoutMs } = this.#options;
    const { sendBefore, dueAt: dueAgainAt } = sendingWindow(claim.now, timeoutMs);
    const partitions = rotated(this.#partitions, this.#rotation++); // SW2
    const awaited = this.#options.awaited();
    return claimDue(session, { ...claim, partitions, sendBefore, dueAgainAt, awaited });
  }

  /** More may wait for a provider that had room for no more than was taken; SW3 holds until a sweep has seen otherwise. */
  #noteAwaited(rooms: Claim['rooms'], claimed: readonly Claimed[]): void {
    this.#awaited.clear();
    for (const [name, room] of rooms) {
      const taken = claimed.filter((each) => isFor(each, name, rooms));
      if (taken.length >= room) this.#awaited.add(name);
    }
  }

  #handOver({ attempt, found }: Claimed): void {
    const { dispatcher } = this.#options;
    if (attempt.kind === 'charge' && found === 'sending') dispatcher.takeOver(attempt);
    else dispatcher.take(attempt, operationOf({ kind: attempt.kind, state: found }));
  }
}

/** Whether it takes a place of the provider: it waited for it, or waits for one that is not called and goes on to it. */
function isFor({ attempt, found }: Claimed, provider: string, rooms: Claim['rooms']): boolean {
  if (found !== 'waiting') return false;
  return attempt.provider === provider || (!rooms.has(attempt.provider) && attempt.others.includes(provider));
}
