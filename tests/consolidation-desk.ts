/** The consolidation beside an engine: processes of it with logs and sessions of their own, and its days as a test compares them. */
import { Client } from 'pg';
import { vi } from 'vitest';
import { type Clock, systemClock } from '#kernel/clock.ts';
import { ConsumerWorker } from '#platform/batch/consumer-worker.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { Session } from '#platform/postgres/session.ts';
import { consolidationConsumer } from '#services/consolidation/consumer.ts';
import { DaySealer } from '#services/consolidation/day-sealer.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { PARTITIONS } from './engine.ts';

export interface ConsolidationProcess {
  readonly sealer: DaySealer;
  /** What its batches have failed with, and what its sealer tells of. */
  readonly failures: readonly unknown[];
  stop(): Promise<void>;
}

export interface ProcessOptions {
  readonly partitions: readonly number[];
  readonly batchMax?: number;
  readonly clock?: Clock;
}

export async function startConsolidation(
  url: string,
  { partitions, batchMax = 500, clock = systemClock }: ProcessOptions,
): Promise<ConsolidationProcess> {
  const [heads, session, sealing] = ['heads', 'consolidation', 'sealing'].map(
    (name) => new Session({ url, name }),
  ) as [Session, Session, Session];
  const onError = (): void => undefined;
  const log = await EventLog.open({
    session: heads,
    topics: TOPOLOGY.topics,
    partitions: PARTITIONS,
    onError,
  });
  const consumer = { ...consolidationConsumer(), paceMs: 0, batchMax };
  const failures: unknown[] = [];
  const failed = (_worker: string, error: unknown): void => void failures.push(error);
  const observer = { committed: () => undefined, failed };
  const worker = new ConsumerWorker({
    consumer,
    log,
    session,
    clock,
    random: Math.random,
    batchMax,
    observer,
  });
  worker.own(partitions);
  worker.start();
  const stop = async (): Promise<void> => {
    await worker.stop();
    await log.close();
    await Promise.all([heads, session, sealing].map((each) => each.close()));
  };
  const sealer = new DaySealer({
    session: sealing,
    log,
    clock,
    onError: (error) => failures.push(error),
  });
  return { sealer, failures, stop };
}

/** Each day as its rows have it. */
export const STORED = `
  select a.tenant, a.id, d.day::text, d.opening::text, d.credits::text, d.debits::text, d.count::text, d.closing::text
  from consolidation.days d join consolidation.accounts a on a.key = d.account_key order by 1, 2, 3`;

/** The same, as plainly as the ledger's own tables say it. */
export const RECOMPUTED = `
  select tenant, id, day::text, (sum(credits - debits) over w - credits + debits)::text as opening, credits::text, debits::text,
         count::text, (sum(credits - debits) over w)::text as closing
  from (
    select a.tenant, a.id, coalesce(e.effective_on, (p.posted_at at time zone a.time_zone)::date) as day,
           sum(greatest(p.amount, 0)) as credits, sum(greatest(-p.amount, 0)) as debits, count(*) as count
    from ledger.postings p
    join ledger.accounts a on a.key = p.account_key join ledger.entries e on e.id = p.entry_id
    group by 1, 2, 3
  ) days
  window w as (partition by tenant, id order by day)
  order by 1, 2, 3`;

export async function rowsOf(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Resolves when the group has read its logs to their ends. */
export async function counted(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await vi.waitUntil(async () => (await client.query(BEHIND)).rows.length === 0, {
      timeout: 20_000,
      interval: 10,
    });
  } finally {
    await client.end();
  }
}

const BEHIND = `
  select from log.heads h join log.positions p using (topic, partition)
  where p.consumer_group = 'consolidation' and p.position < h.position`;
