/** Receipts of every way that a payment or a refund can go prove all of its events, and only when they are covered. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { idOf, newId } from '#kernel/ids.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { type PublicKeys, parsePublicKeys, publicKeyOf } from '#proof/public-keys.ts';
import { verify } from '#proof/verify.ts';
import { verifyReceipt } from '#proof/verify-receipt.ts';
import { CheckpointReads } from '#services/integrity/checkpoints/checkpoint-reads.ts';
import { Receipts } from '#services/integrity/checkpoints/receipts.ts';
import { renderJwk } from '#services/integrity/checkpoints/signing-key.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { appendEvents } from './append-events.ts';
import { takeOneCheckpoint } from './checkpoints.ts';
import type { TestDatabase } from './database.ts';
import { PARTITIONS, startEngine, TENANT } from './engine.ts';
import { payEveryEnding } from './paid-installation.ts';
import { payThroughGateways } from './paid-through-gateways.ts';

let balance: Receipted;
let gateways: Receipted;

beforeAll(async () => {
  const { database } = await payEveryEnding();
  balance = new Receipted(database);
  gateways = new Receipted(await payThroughGateways());
  await takeOneCheckpoint(gateways.database.url);
}, 120_000);

afterAll(() => Promise.all([balance.drop(), gateways.drop()]));

class Receipted {
  readonly database: TestDatabase;
  readonly pool: ReadPool;
  readonly #receipts: Receipts;
  readonly #checkpoints: CheckpointReads;

  constructor(database: TestDatabase) {
    this.database = database;
    this.pool = new ReadPool({ url: database.url, onError: () => undefined });
    this.#checkpoints = new CheckpointReads(this.pool);
    this.#receipts = new Receipts(this.pool, TOPOLOGY.topics, this.#checkpoints);
  }

  async subjects(): Promise<string[]> {
    const rows = await this.pool.query<{ prefix: 'pay' | 'ref'; id: string }>(
      `select 'pay' as prefix, id from payments.payments union all select 'ref', id from payments.refunds`,
      [],
    );
    return rows.map(({ prefix, id }) => idOf(prefix, id));
  }

  find(subject: string, tenant = TENANT) {
    const about = subject.startsWith('pay') ? { payment_id: subject } : { refund_id: subject };
    return this.#receipts.find(about, { tenant, subject });
  }

  async text(subject: string): Promise<string> {
    const outcome = await this.find(subject);
    if (outcome.kind !== 'receipt') throw new Error(`no receipt of ${subject}: ${outcome.kind}`);
    return JSON.stringify(outcome.receipt);
  }

  async keys(): Promise<PublicKeys> {
    const { publicKeys } = await this.#checkpoints.keys();
    const jwks = publicKeys.map((each) => renderJwk(publicKeyOf(each)));
    return parsePublicKeys(JSON.stringify({ keys: jwks }));
  }

  async countEvents(subject: string): Promise<number> {
    const parts = TOPOLOGY.topics
      .filter((topic) => topic !== 'integrity')
      .map((topic) => `select from "${topic}".events where subject = $1`);
    return (await this.pool.query(parts.join(' union all '), [subject])).length;
  }

  async drop(): Promise<void> {
    await this.pool.close();
    await this.database.drop();
  }
}

test.each(['balance', 'gateways'] as const)('each event of every saga is proved: %s', async (which) => {
  const installation = which === 'balance' ? balance : gateways;
  const keys = await installation.keys();
  const subjects = await installation.subjects();
  expect(subjects.length).toBeGreaterThanOrEqual(25);
  for (const subject of subjects) {
    const verdict = verifyReceipt(await installation.text(subject), keys);
    if (!verdict.ok) throw new Error(`${subject}: ${verdict.fault}`);
    expect(verdict.events).toHaveLength(await installation.countEvents(subject));
  }
});

test('what integrity found about a payment is no part of its receipt, whatever caused it', async () => {
  const [subject = '', other = ''] = await balance.subjects();
  const before = await balance.countEvents(subject);
  const [cause] = await balance.pool.query<{ partition: number; position: bigint }>(
    'select partition, position from payments.events where subject = $1',
    [other],
  );
  await appendEvents({ url: balance.database.url, partitions: PARTITIONS }, 'integrity', [
    {
      type: 'integrity.finding_opened',
      version: 1,
      subject,
      tenant: TENANT,
      key: 'wallet',
      data: {},
      correlationId: newId('cor'),
      causation: `payments/${cause?.partition}/${cause?.position}`,
      traceparent: null,
    },
  ]);
  await takeOneCheckpoint(balance.database.url);
  const verdict = verifyReceipt(await balance.text(subject), await balance.keys());
  if (!verdict.ok) throw new Error(verdict.fault);
  expect(verdict.events).toHaveLength(before);
});

test('another tenant’s payment, and one that is not there, have no receipt', async () => {
  const [subject = ''] = await balance.subjects();
  expect(await balance.find(subject, 'other')).toEqual({ kind: 'unknown' });
  expect(await balance.find('pay_01h455vb4pex5vsknk084sn02q')).toEqual({ kind: 'unknown' });
});

test('a payment has its receipt when all of it is covered, and not before', async () => {
  const engine = await startEngine(gateways.database.url);
  const { id } = await engine.submit({ amount: 1 });
  await engine.settled();
  await engine.close();
  expect(await gateways.find(id)).toEqual({ kind: 'pending' });
  await takeOneCheckpoint(gateways.database.url);
  expect(verifyReceipt(await gateways.text(id), await gateways.keys())).toMatchObject({ ok: true });
  const report = await verify({ url: gateways.database.url });
  expect(report.checks.flatMap(({ findings }) => findings)).toEqual([]);
});
