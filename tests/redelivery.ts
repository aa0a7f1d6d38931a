/**
 * Delivering events again (U3): a consumer group is set back to the beginning of its logs and run to their end, with
 * the real worker and consumer. Afterwards every table of every schema must be what it was.
 */
import { Client } from 'pg';
import { vi } from 'vitest';
import type { Clock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { Session } from '#platform/postgres/session.ts';
import { authorizationConsumer } from '#services/authorization/consumer.ts';
import { consolidationConsumer } from '#services/consolidation/consumer.ts';
import { integrityConsumer } from '#services/integrity/consumer.ts';
import { ledgerConsumer } from '#services/ledger/consumer.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { cardNotificationConsumer } from '#services/notification/card-consumer.ts';
import { notificationConsumer } from '#services/notification/consumer.ts';
import { webhookConsumer } from '#services/notification/webhooks/fan-out.ts';
import { paymentStatusConsumer } from '#services/payments/status-consumer.ts';
import { NO_PROVIDERS } from '#services/providers/configuration.ts';
import { providerConsumer } from '#services/providers/consumer.ts';
import { routingOf } from '#services/providers/routing.ts';
import { validationConsumer } from '#services/validation/consumer.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { NO_SENDER } from './no-sender.ts';

/** What a delivery may differ in and still must change nothing. */
export interface Delivery {
  readonly batchMax: number;
  readonly clock: Clock;
}

type Deliver = (url: string, delivery: Delivery) => Promise<void>;

/** By group; a test holds the list against the topology. */
export const DELIVERIES: Readonly<Record<string, Deliver>> = {
  validation: deliverTo(() => validationConsumer(new LedgerStore())),
  authorization: deliverTo(() => authorizationConsumer(new LedgerStore())),
  ledger: deliverTo(() => ledgerConsumer(new LedgerStore())),
  payments: deliverTo(() => paymentStatusConsumer(() => undefined)),
  providers: deliverTo(() =>
    providerConsumer({
      decisions: {
        random: () => 0,
        routing: routingOf(NO_PROVIDERS, {
          isAvailable: () => true,
          hasRoom: () => true,
          isAwaited: () => true,
        }),
        deadlines: { chargeMs: 60_000, refundMs: 60_000 },
      },
      rooms: () => new Map<string, number>(),
      onCommitted: () => undefined,
    }),
  ),
  notification: deliverTo(() => notificationConsumer()),
  'card-notification': deliverTo(() => cardNotificationConsumer()),
  webhooks: deliverTo((clock) =>
    webhookConsumer({
      subscribers: { has: () => true },
      clock,
      random: Math.random,
      retentionMs: Number.POSITIVE_INFINITY,
      sender: NO_SENDER,
    }),
  ),
  consolidation: deliverTo(() => consolidationConsumer()),
  integrity: deliverTo((clock) => integrityConsumer(() => undefined, clock)),
};

/** Rejects if a batch fails: nothing is wrong with events that were handled before. */
function deliverTo<Loaded, Plan extends ConsumerPlan>(
  make: (clock: Clock) => Consumer<Loaded, Plan>,
): Deliver {
  return async (url, { batchMax, clock }) => {
    const [heads, session] = [new Session({ url, name: 'heads' }), new Session({ url, name: 'again' })];
    const consumer = { ...make(clock), paceMs: 0, batchMax };
    const failures: unknown[] = [];
    const onError = (error: unknown): void => void failures.push(error);
    const { partitions, rows } = await partitionsOf(url);
    const log = await EventLog.open({ session: heads, topics: TOPOLOGY.topics, partitions, onError });
    const worker = new ConsumerWorker({
      consumer,
      log,
      session,
      clock,
      random: () => 0,
      batchMax,
      observer: { committed: () => undefined, failed: (_worker, error) => onError(error) },
    });
    worker.own(rows);
    worker.start();
    try {
      await vi.waitUntil(() => failures.length > 0 || isAtEnd(url, consumer.group), {
        timeout: 20_000,
        interval: 5,
      });
    } finally {
      await worker.stop();
      await log.close();
      await Promise.all([heads.close(), session.close()]);
    }
    if (failures.length > 0) throw failures[0];
  };
}

async function partitionsOf(url: string): Promise<{ partitions: number; rows: number[] }> {
  const [row] = await ask(url, 'select partitions from log.installation');
  const partitions = row?.['partitions'] as number;
  return { partitions, rows: Array.from({ length: partitions }, (_, partition) => partition) };
}

async function isAtEnd(url: string, group: string): Promise<boolean> {
  const behind = await ask(
    url,
    `select from log.positions p join log.heads h using (topic, partition)
     where p.consumer_group = $1 and p.position < h.position`,
    [group],
  );
  return behind.length === 0;
}

export async function setBack(url: string, groups: readonly string[]): Promise<void> {
  await ask(url, 'update log.positions set position = 0 where consumer_group = any ($1)', [groups]);
}

/**
 * Where work stands and who does it: set back on purpose, and renewed by every running process. Everything else, the
 * heads and hash chains of the logs included, must not change.
 */
const NOT_COMPARED = ['log.positions', 'log.leases', 'log.processes'];

/** Every row of every table of the installation, as text, by table; partitions of a table under its name. */
export function dumpTables(url: string): Promise<Record<string, string[]>> {
  return connected(url, async (client) => {
    const tables = await client.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where n.nspname = any ($1) and c.relkind in ('r', 'p') and not c.relispartition
       order by 1`,
      [[...TOPOLOGY.schemas, 'log']],
    );
    const names = tables.rows.map(({ name }) => name).filter((name) => !NOT_COMPARED.includes(name));
    const dumps = names.map((name) =>
      client.query<{ row: string }>(`select t::text as row from ${name} t order by 1`),
    );
    const rows = (await Promise.all(dumps)).map((dump) => dump.rows.map(({ row }) => row));
    return Object.fromEntries(names.map((name, index) => [name, rows[index] ?? []]));
  });
}

/** One statement as the owner. */
export async function ask(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  return connected(url, async (client) => (await client.query<Record<string, unknown>>(text, values)).rows);
}

async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, pipeline: true });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
