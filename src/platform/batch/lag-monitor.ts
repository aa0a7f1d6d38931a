/**
 * How far the groups are behind, looked at ten times a second, for the metrics and for intake (backpressure.ts). A
 * consumer that nobody's payment waits for never counts for intake. (Without backpressure, intake accepted 53k payments
 * while 18k completed.)
 */
import { partitionOf } from '#kernel/partition-of.ts';
import { type Session, statement } from '../postgres/session.ts';
import { Backpressure, type BackpressureBounds, type TopicLag } from './backpressure.ts';

const LOOK_EVERY_MS = 100;

/**
 * Where the groups stand and, without a group, where the logs end: a row per group and topic, and one per topic, of one
 * snapshot. They are put together here: some hundred look-ups of the join took the server four times as long, ten times a
 * second. Along the primary keys, some hundred rows that are always cached; no locks.
 */
const STANDINGS = statement(
  'log.standings',
  `select consumer_group as "group", topic, array_agg(partition order by partition)::float8[] as partitions,
          array_agg(position order by partition)::float8[] as positions
   from log.positions group by consumer_group, topic
   union all
   select null, topic, array_agg(partition order by partition)::float8[], array_agg(position order by partition)::float8[]
   from log.heads group by topic`,
);

interface Standing {
  readonly group: string | null;
  readonly topic: string;
  readonly partitions: readonly number[];
  readonly positions: readonly number[];
}

/** Of every partition that has a head: where a group has no position, it has passed nothing. */
function lagsOf(standings: readonly Standing[]): TopicLag[] {
  const heads = new Map(standings.filter(({ group }) => group === null).map((head) => [head.topic, head]));
  return standings.flatMap(({ group, topic, partitions, positions }) => {
    const head = heads.get(topic);
    if (group === null || head === undefined) return [];
    const passed = new Map(partitions.map((partition, index) => [partition, positions[index]]));
    const own = head.partitions.map((partition) => passed.get(partition) ?? 0);
    const lags = own.map((position, index) => (head.positions[index] ?? 0) - position);
    return [{ group, topic, positions: own, lags }];
  });
}

export interface LagMonitorOptions extends BackpressureBounds {
  readonly session: Session;
  readonly criticalGroups: readonly string[];
  readonly partitions: number;
  readonly onError: (error: unknown) => void;
}

export class LagMonitor {
  readonly #options: LagMonitorOptions;
  readonly #backpressure: Backpressure;
  #lags: ReadonlyMap<string, number> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: LagMonitorOptions) {
    this.#options = options;
    this.#backpressure = new Backpressure(options);
  }

  async open(): Promise<void> {
    await this.#read();
    this.#schedule();
  }

  /** Events each group has still to pass, as last seen. */
  get lags(): ReadonlyMap<string, number> {
    return this.#lags;
  }

  /** Whether intake has to refuse what has this key. */
  isOverloaded({ tenant, key }: { readonly tenant: string; readonly key: string }): boolean {
    return this.#backpressure.refuses(partitionOf(tenant, key, this.#options.partitions));
  }

  /** How long intake waits before its next commit. */
  delayMs(): number {
    return this.#backpressure.delayMs();
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
    const { session, criticalGroups } = this.#options;
    const groups = lagsOf(await session.query<Standing>(STANDINGS, []));
    const lags = new Map<string, number>();
    for (const { group, lags: byPartition } of groups)
      lags.set(
        group,
        byPartition.reduce((sum, lag) => sum + lag, lags.get(group) ?? 0),
      );
    this.#lags = lags;
    const critical = groups.filter(({ group }) => criticalGroups.includes(group));
    this.#backpressure.see(critical);
  }
}
