/** What happens to processes while others pay: killed, stopped for longer than their leases, out of reach; drawn from the seed. */
import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayHome } from './gateway-home.ts';
import type { LastroProcess } from './lastro-process.ts';
import { SeededRandom } from './seeded-random.ts';

/** A lease is free after three seconds. */
const LONGER_THAN_A_LEASE_MS = { least: 3300, most: 5500 };

export class Disturber {
  /** What was done, for the message of a test that fails. */
  readonly done: string[] = [];
  /** Of processes that were to end in order, or to start. */
  readonly failures: string[] = [];
  readonly #home: GatewayHome;
  readonly #random: SeededRandom;
  readonly #restorations = new Set<Promise<unknown>>();
  readonly #startedAt = performance.now();
  readonly #ending = new AbortController();
  #disturbing: Promise<void> = Promise.resolve();

  constructor(home: GatewayHome, seed: number) {
    this.#home = home;
    this.#random = new SeededRandom(seed);
  }

  start(): void {
    this.#disturbing = this.#disturb();
  }

  /** Ends when everything is as it was: two processes, two providers. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#disturbing;
    await Promise.all(this.#restorations);
    while (this.#home.live.size < 2) await this.#home.start();
  }

  async #disturb(): Promise<void> {
    for (; !this.#ending.signal.aborted; await delay(this.#random.between(300, 1400))) await this.#next();
  }

  async #next(): Promise<void> {
    const random = this.#random;
    const desk = random.pick(this.#home.desks);
    const forMs = random.between(300, 2500);
    const any = { match: { operation: 'any' } };
    const misbehave =
      (behaviour: string, more: Readonly<Record<string, unknown>>) => async (): Promise<void> => {
        await desk.misbehave(behaviour, { for_ms: forMs, ...more });
      };
    const choices: readonly (readonly [string, number, () => Promise<void>])[] = [
      ['kill a process', 3, () => this.#kill()],
      ['end a process in order', 1, () => this.#end()],
      [
        'suspend a process',
        3,
        () => this.#suspend(random.between(LONGER_THAN_A_LEASE_MS.least, LONGER_THAN_A_LEASE_MS.most)),
      ],
      [`kill ${desk.name}`, 2, async () => desk.signal('SIGKILL')],
      [`stop ${desk.name} for ${forMs} ms`, 1, async () => this.#stopProvider(desk, forMs)],
      [`${desk.name} refuses connections for ${forMs} ms`, 1, misbehave('refuse_connections', {})],
      [`${desk.name} hangs for ${forMs} ms`, 1, misbehave('hang', any)],
      [`${desk.name} fails after for ${forMs} ms`, 1, misbehave('error_after', { ...any, probability: 0.5 })],
      [`${desk.name} hangs, charged, for ${forMs} ms`, 1, misbehave('hang_charged', { probability: 0.7 })],
      [`${desk.name} is slow for ${forMs} ms`, 1, misbehave('slow', { ...any, delay_ms: 280 })],
      [`${desk.name} throttles for ${forMs} ms`, 1, misbehave('throttle', { ...any, probability: 0.7 })],
      [`${desk.name} talks garbage for ${forMs} ms`, 1, misbehave('garbage', { ...any, probability: 0.5 })],
    ];
    const weighted = choices.flatMap((choice) => Array.from({ length: choice[1] }, () => choice));
    const [name, , act] = random.pick(weighted);
    this.done.push(`${Math.round(performance.now() - this.#startedAt)} ${name}`);
    await act();
  }

  async #kill(): Promise<void> {
    const isEverybody = this.#random.isHappening(0.2);
    const live = [...this.#home.live];
    if (live.length < 2 && !isEverybody) return;
    const victims = isEverybody ? live : [this.#random.pick(live)];
    for (const victim of victims) {
      await this.#home.kill(victim);
      this.#restore(this.#home.start());
    }
  }

  /** As when a new version is rolled out: what it has in flight it finishes. */
  async #end(): Promise<void> {
    const live = [...this.#home.live];
    if (live.length < 2) return;
    const ending = this.#random.pick(live);
    this.#home.live.delete(ending);
    ending.kill('SIGTERM');
    this.#restore(Promise.all([this.#ended(ending), this.#home.start()]));
  }

  async #ended(process: LastroProcess): Promise<void> {
    const { code, signal } = await process.ended;
    if (code !== 0) this.failures.push(`ended with ${code ?? signal}: ${process.output()}`);
  }

  async #suspend(forMs: number): Promise<void> {
    const live = [...this.#home.live];
    if (live.length > 1) this.#restore(this.#home.suspend(this.#random.pick(live), forMs));
  }

  async #stopProvider(desk: GatewayHome['alfa'], forMs: number): Promise<void> {
    desk.signal('SIGSTOP');
    this.#restore(delay(forMs).then(() => desk.signal('SIGCONT')));
  }

  #restore(restoration: Promise<unknown>): void {
    const restored = restoration
      .catch((error: unknown) => this.failures.push(String(error)))
      .finally(() => this.#restorations.delete(restored));
    this.#restorations.add(restored);
  }
}
