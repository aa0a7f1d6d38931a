/**
 * Which tenants have endpoints at all, as this process last read it: events of the others cost nothing. What was made by
 * another process is known within a second, so an endpoint is told of what happens from a second after it was made.
 */
import { Chore } from '#platform/batch/chore.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';

const REFRESH_MS = 1000;

/** By the index on tenants, one step for each (a loose scan): not by all their endpoints. */
const LIST_TENANTS = `
  with recursive t(tenant) as (
    (select e.tenant from notification.endpoints e order by e.tenant limit 1)
    union all
    select (select e.tenant from notification.endpoints e where e.tenant > t.tenant order by e.tenant limit 1)
    from t where t.tenant is not null
  )
  select t.tenant from t where t.tenant is not null`;

export class Subscribers {
  readonly #reader: Reader;
  readonly #chore: Chore;
  #tenants: ReadonlySet<string> = new Set();

  constructor(options: {
    readonly reader: Reader;
    readonly random: () => number;
    readonly onError: (error: unknown) => void;
  }) {
    this.#reader = options.reader;
    this.#chore = new Chore({
      ...options,
      pauseMs: REFRESH_MS,
      work: async () => {
        await this.refresh();
        return REFRESH_MS;
      },
    });
  }

  /** Before the first event is judged. */
  async start(): Promise<void> {
    await this.refresh();
    this.#chore.start();
  }

  stop(): Promise<void> {
    return this.#chore.stop();
  }

  has(tenant: string): boolean {
    return this.#tenants.has(tenant);
  }

  async refresh(): Promise<void> {
    const rows = await this.#reader.query<{ tenant: string }>(LIST_TENANTS, []);
    this.#tenants = new Set(rows.map(({ tenant }) => tenant));
  }
}
