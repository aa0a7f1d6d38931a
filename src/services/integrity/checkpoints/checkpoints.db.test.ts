/** Checkpoints cover every batch once, are made by one process each, and refuse to sign what the last one contradicts. */
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { merkleRoot } from '#kernel/merkle.ts';
import type { EventDraft } from '#platform/log/event.ts';
import { ReadPool } from '#platform/postgres/read-pool.ts';
import { parsePublicKeys } from '#proof/public-keys.ts';
import { verifyReceipt } from '#proof/verify-receipt.ts';
import { appendEvents } from '../../../../tests/append-events.ts';
import { openCheckpointDesk } from '../../../../tests/checkpoints.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { type PaidInstallation, payEveryEnding } from '../../../../tests/paid-installation.ts';
import { TOPOLOGY } from '../../../topology.ts';
import { logLeaf } from './checkpoint.ts';
import { CheckpointReads } from './checkpoint-reads.ts';
import { Receipts } from './receipts.ts';
import { renderJwk } from './signing-key.ts';

let paid: PaidInstallation;
beforeAll(async () => {
  paid = await payEveryEnding();
});
afterAll(() => paid.database.drop());

test('receipts', async () => {
  const desk = await openCheckpointDesk(paid.database.url);
  console.log(await desk.take());
  console.log(await desk.take());
  const pool = new ReadPool({ url: paid.database.url, onError: console.error });
  const reads = new CheckpointReads(pool);
  const receipts = new Receipts(pool, TOPOLOGY.topics, reads);
  for (const id of [...paid.completed, ...paid.declined, ...paid.rejected, ...paid.failed]) {
    const started = performance.now();
    const outcome = await receipts.find({ payment_id: id }, { tenant: 'acme', subject: id });
    const tookMs = performance.now() - started;
    if (outcome.kind !== 'receipt') throw new Error(outcome.kind);
    const text = JSON.stringify(outcome.receipt);
    const keys = parsePublicKeys(JSON.stringify({ keys: [renderJwk(desk.key.publicKey)] }));
    const t = performance.now();
    const verdict = verifyReceipt(text, keys);
    console.log(tookMs, text.length, performance.now() - t, verdict.ok || verdict);
    expect(verdict.ok).toBe(true);
  }
  await pool.close();
  await desk.close();
});
