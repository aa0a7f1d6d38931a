/**
 * How far the groups that a payment waits for are behind, looked at ten times a second, and what follows for intake:
 * past the soft bound its commits are delayed, past the hard one requests are refused. A consumer that nobody's
 * payment waits for never counts. (Without it, intake accepted 53k payments while 18k completed.)
 */
import { type Session, statement } from '../postgres/session.ts';

const LOOK_EVERY_MS = 100;
/** The least delay past the soft bound, how fast it grows with the lag, and where it ends: a caller's patience. */
const FIRST_DELAY_MS = 2;
const DELAY_MS_PER_EVENT = 0.01;
const MAX_DELAY_MS = 100;

const LAGS = statement(
  'log.lags',
  `select p.consumer_group, sum(h.position - p.position)::bigint as events
   from log.positions p join log.heads h on h.topic = p.topic and h.partition = p.partition
   group by p.consumer_group`,
);

export interface LagMonitorOptions {
  readonly session: Session;
  readonly criticalGroups: readonly string[];
  /** Events of lag. */
  readonly soft: number;
  readonly hard: number;
  readonly onError: (error: unknown) => void;
}

export class LagMonitor {
  readonly #options: LagMonitorOptions;
  #lags: ReadonlyMap<string, number> = new Map();
  #critical = 0;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: LagMonitorOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    await this.#read();
    this.#schedule();
  }

  /** Events each group has still to pass, as last seen. */
  get lags(): ReadonlyMap<string, number> {
    return this.#lags;
  }

  /** Whether intake has to refuse. */
  get overloaded(): boolean {
    return this.#critical > this.#options.hard;
  }

  /** How long intake waits before its next commit. */
  delayMs(): number {
    const excess = this.#critical - this.#options.soft;
    if (excess <= 0) return 0;
    return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS + excess * DELAY_MS_PER_EVENT);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#look;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#look = this.#read()
        .catch(this.#options.onError)
        .finally(() => this.#schedule());
    }, LOOK_EVERY_MS);
  }

  async #read(): Promise<void> {
    const rows = await this.#options.session.query<{ consumer_group: string; events: bigint }>(LAGS, []);
    this.#lags = new Map(rows.map((row) => [row.consumer_group, Number(row.events)]));
    this.#critical = this.#options.criticalGroups.reduce(
      (sum, group) => sum + (this.#lags.get(group) ?? 0),
      0,
    );
  }
}
