/**
 * The first yardstick, the ceiling: the rows, indexes and fsyncs of completed payments written by plain SQL, 500 in a
 * transaction, over two connections, with everything prepared and no program around them. What the database can do on
 * this machine if nothing has to be decided, answered, or read.
 *
 * A process of its own, so that its memory is not the bench's. Arguments: the job as JSON. Answer: the result as JSON.
 */
import pg from 'pg';
import { UsageMeter } from '../measure/usage-meter.ts';
import { BATCH, type Batch, BatchMaker, CONNECTIONS } from './prepared-batches.ts';
import { FIRST_COUNT, prepareSchema } from './yardstick-database.ts';

export interface PlainSqlJob {
  readonly url: string;
  readonly root: string;
  readonly payments: number;
  readonly wallets: number;
  readonly services: number;
  readonly seed: number;
  /** Of the server, to tell what its processes cost; undefined when it is not on this machine. */
  readonly postmaster: number | undefined;
}

export interface PlainSqlResult {
  readonly payments: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  readonly postgresCpuUsPerPayment: number | null;
}

/** Prepared at a time: about 100 MB. */
const PAYMENTS_PER_ROUND = 20_000;

/** What the hot sessions of the product set, so that the statements are planned alike. */
const SESSION_SETTINGS = [
  'synchronous_commit=on',
  'plan_cache_mode=force_generic_plan',
  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_bitmapscan=off',
  'enable_memoize=off',
  'jit=off',
  'timezone=UTC',
];

export async function measurePlainSql(job: PlainSqlJob): Promise<PlainSqlResult> {
  await prepareSchema(job.url, job);
  const writers = await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, connection) => ({
      client: await connect(job.url),
      maker: new BatchMaker({ connection, ...job }),
    })),
  );
  try {
    await writeRound(writers, 1); // parses and plans the statements
    const rounds = Math.ceil(job.payments / PAYMENTS_PER_ROUND);
    const batches = Math.max(1, Math.round(job.payments / rounds / BATCH / CONNECTIONS));
    const meter = new UsageMeter({ node: process.pid, postmaster: job.postmaster, providers: [] });
    meter.start();
    let elapsedMs = 0;
    for (let round = 0; round < rounds; round += 1) elapsedMs += await writeRound(writers, batches);
    const { postgresCpuUs } = meter.stop();
    const payments = rounds * batches * BATCH * CONNECTIONS;
    await expectVerdicts(writers, payments + CONNECTIONS * BATCH);
    return {
      payments,
      elapsedMs,
      perSecond: (payments / elapsedMs) * 1000,
      postgresCpuUsPerPayment: postgresCpuUs === null ? null : postgresCpuUs / payments,
    };
  } finally {
    await Promise.all(writers.map(({ client }) => client.end()));
  }
}

interface Writer {
  readonly client: pg.Client;
  readonly maker: BatchMaker;
}

/** Prepares so many batches for each writer, then writes them; the time of the writing, ms. */
async function writeRound(writers: readonly Writer[], batches: number): Promise<number> {
  const shares = writers.map(({ maker }) => Array.from({ length: batches }, () => maker.next()));
  const startedAtMs = performance.now();
  await Promise.all(writers.map(({ client }, index) => write(client, shares[index] ?? [])));
  return performance.now() - startedAtMs;
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'lastro bench plain sql',
    options: SESSION_SETTINGS.map((setting) => `-c ${setting}`).join(' '),
    pipeline: true,
  });
  client.on('error', () => undefined); // reported by the query under way
  await client.connect();
  return client;
}

/** The next batch is on its way while the server works on one, so that it never waits for us. */
async function write(client: pg.Client, batches: readonly Batch[]): Promise<void> {
  let previous = Promise.resolve();
  for (const batch of batches) {
    const current = writeBatch(client, batch);
    current.catch(() => undefined); // awaited in the next turn
    await previous;
    previous = current;
  }
  await previous;
}

async function writeBatch(client: pg.Client, batch: Batch): Promise<void> {
  const sent = [
    client.query('begin'),
    ...batch.map(({ statement, values }) => client.query({ ...statement, values })),
  ];
  const commit = client.query('commit');
  commit.catch(() => undefined); // reported below, behind the statement that failed first
  await Promise.all(sent);
  const { command } = await commit;
  if (command !== 'COMMIT') throw new Error(`a batch ended by ${command}`);
}

/** That it wrote what it says. */
async function expectVerdicts([writer]: readonly Writer[], expected: number): Promise<void> {
  if (writer === undefined) return;
  const { rows } = await writer.client.query<
    Record<'verdicts' | 'completed' | 'postings' | 'counted', string>
  >(
    `select (select count(*) from integrity.verdicts) as verdicts, (select count(*) from ledger.postings) as postings,
            (select count(*) from payments.payments where status = 'completed') as completed,
            (select sum(count - $1::int) from consolidation.days) as counted`,
    [FIRST_COUNT],
  );
  const [row] = rows;
  const counted = [row?.verdicts, row?.completed, Number(row?.postings) / 2, Number(row?.counted) / 2].map(
    Number,
  );
  if (counted.some((count) => count !== expected))
    throw new Error(`the plain-SQL yardstick wrote ${counted.join(', ')} of ${expected} payments`);
}
