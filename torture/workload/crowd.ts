/** Callers, so many a second whatever the answers do, each with a scenario drawn from the seed and its number. */
import { setTimeout as delay } from 'node:timers/promises';
import { Random } from '../plan/random.ts';
import type { HttpCaller } from './http-caller.ts';
import { SCENARIOS } from './scenarios.ts';

/** While nobody answers, callers wait; more of them would only be more of the same. */
const AT_ONCE_MAX = 150;
const FULL_PAUSE_MS = 50;

export class Crowd {
  /** Scenarios that were begun. */
  begun = 0;
  readonly #caller: HttpCaller;
  readonly #seed: number;
  readonly #perSecond: number;
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();
  #coming: Promise<void> = Promise.resolve();
  readonly #fail: (error: unknown) => void;

  constructor(options: {
    readonly caller: HttpCaller;
    readonly seed: number;
    readonly perSecond: number;
    readonly fail: (error: unknown) => void;
  }) {
    this.#caller = options.caller;
    this.#seed = options.seed;
    this.#perSecond = options.perSecond;
    this.#fail = options.fail;
  }

  start(): void {
    this.#coming = this.#come();
  }

  /** Ends when everybody has gone. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#coming;
    await Promise.all(this.#underWay);
  }

  async #come(): Promise<void> {
    let next = performance.now();
    while (!this.#ending.signal.aborted) {
      if (this.#underWay.size < AT_ONCE_MAX) this.#enter();
      else await delay(FULL_PAUSE_MS);
      next = Math.max(next + 1000 / this.#perSecond, performance.now() - FULL_PAUSE_MS);
      await delay(Math.max(0, next - performance.now()));
    }
  }

  #enter(): void {
    this.begun += 1;
    const random = Random.of(this.#seed, 'scenario', this.begun);
    const act = random.weigh(SCENARIOS).draw(random);
    const playing: Promise<unknown> = act({ caller: this.#caller, name: `s${this.begun}` })
      .catch(this.#fail)
      .finally(() => this.#underWay.delete(playing));
    this.#underWay.add(playing);
  }
}
