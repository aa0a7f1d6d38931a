/**
 * Keeps this process's share of the partitions: a row per group and partition with an owner and an expiry by the
 * database's clock, renewed every second, free for others three seconds after the last renewal. A lost lease costs
 * time, never correctness: two processes that both believe in a partition meet at the fence (R1).
 */
import { textArray } from '../postgres/arrays.ts';
import { type Session, statement } from '../postgres/session.ts';

export const LEASE_RENEWAL_MS = 1000;
export const LEASE_TTL_MS = 3000;
/** How long a partition that was given up is left to others: longer than their next turns, shorter than a deployment. */
const REFUSAL_MS = 15_000;

const TEND = statement(
  'log.tend_leases',
  `select consumer_group, partition, live_processes
   from log.tend_leases($1, $2::text[], $3::text[], make_interval(secs => $4::integer / 1000.0), $5::text[])`,
);
const LEAVE = statement('log.leave', 'select log.leave($1)');

export interface LeaseKeeperOptions {
  readonly session: Session;
  readonly processId: string;
  readonly groups: readonly string[];
  readonly services: readonly string[];
  /** Called after each turn with what is owned now, ascending, and until when for certain, on the clock of `performance`. */
  readonly onOwned: (group: string, partitions: readonly number[], until: number) => void;
  readonly onLiveProcesses: (count: number) => void;
  readonly onError: (error: unknown) => void;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #closed = false;
  /** `group/partition` → when the refusal ends, on the clock of `performance`. */
  readonly #refused = new Map<string, number>();

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
  }

  /** Takes the first share before it resolves. */
  async open(): Promise<void> {
    await this.#tend();
    this.#schedule();
  }

  /** Leaves the partition to another process for a while. */
  refuse(group: string, partition: number): void {
    this.#refused.set(`${group}/${partition}`, performance.now() + REFUSAL_MS);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn;
    // Where the database cannot be told, others wait until the leases have expired: that costs time only.
    await this.#options.session.query(LEAVE, [this.#options.processId]).catch(this.#options.onError);
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#tend()
        .catch(this.#options.onError)
        .finally(() => this.#schedule());
    }, LEASE_RENEWAL_MS);
  }

  #refusals(): string[] {
    for (const [key, until] of this.#refused) if (until < performance.now()) this.#refused.delete(key);
    return [...this.#refused.keys()];
  }

  async #tend(): Promise<void> {
    const { session, processId, groups, services } = this.#options;
    // The server dates the leases later than this.
    const askedAt = performance.now();
    const rows = await session.query<{ consumer_group: string; partition: number; live_processes: number }>(
      TEND,
      [processId, textArray(groups), textArray(services), LEASE_TTL_MS, textArray(this.#refusals())],
    );
    this.#options.onLiveProcesses(rows[0]?.live_processes ?? 1);
    for (const group of groups) {
      const partitions = rows.filter((row) => row.consumer_group === group).map((row) => row.partition);
      this.#options.onOwned(
        group,
        partitions.sort((a, b) => a - b),
        askedAt + LEASE_TTL_MS,
      );
    }
  }
}
