/**
 * Which tenants have endpoints at all, as this process last read it: events of the others cost nothing. What was made by
 * another process is known within a second, so an endpoint is told of what happens from a second after it was made.
 */
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
  readonly #onError: (error: unknown) => void;
  #tenants: ReadonlySet<string> = new Set();
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor(options: { readonly reader: Reader; readonly onError: (error: unknown) => void }) {
    this.#reader = options.reader;
    this.#onError = options.onError;
  }

  /** Before the first event is judged. */
  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => {
      this.#reading = this.refresh().catch(this.#onError);
    }, REFRESH_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
  }

  has(tenant: string): boolean {
    return this.#tenants.has(tenant);
  }

  async refresh(): Promise<void> {
    const rows = await this.#reader.query<{ tenant: string }>(LIST_TENANTS, []);
    this.#tenants = new Set(rows.map(({ tenant }) => tenant));
  }
}
