import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import type { Session } from '#platform/postgres/session.ts';
import { type CashFixture, openCash } from '../../../tests/cash-fixture.ts';
import { PATIENCE } from '../../../tests/patience.ts';
import { Uploads } from './uploads.ts';

const FILE = 'account_id,direction,amount,occurred_on,description\nnobody,credit,1,2026-01-15,of 1\n';

let fixture: CashFixture;
let session: Session;
let uploads: Uploads;
/** Each holds the lock of one row. */
let holders: Client[];

beforeAll(async () => {
  fixture = await openCash();
});
afterAll(() => fixture.close());

beforeEach(async () => {
  session = fixture.session('uploads');
  uploads = new Uploads({ session, clock: systemClock });
  holders = [new Client({ connectionString: fixture.url }), new Client({ connectionString: fixture.url })];
  for (const holder of holders) await holder.connect();
});
afterEach(async () => {
  for (const holder of holders) await holder.end();
});

function newUpload(): string {
  return uuidOf(newId('imp'));
}

async function take(uuid: string): Promise<void> {
  const content = new PassThrough();
  content.end(FILE);
  expect(await uploads.take(uuid, content, undefined)).toMatchObject({ ok: true });
}

async function chunksOf(uuid: string): Promise<number> {
  return (await fixture.rows(`select from cashflow.import_chunks where upload = '${uuid}'`)).length;
}

async function hold(holder: Client | undefined, rows: string): Promise<void> {
  await holder?.query('begin');
  await holder?.query(`select from cashflow.${rows} for update`);
}

async function isWaitingForALock(): Promise<boolean> {
  const waiting = await fixture.rows(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return waiting.length > 0;
}

test('what no import has taken is discarded with its chunks, what one has taken keeps them', async () => {
  const [taken, left] = [newUpload(), newUpload()];
  await take(taken);
  await take(left);
  await fixture.owner.query('delete from cashflow.uploads where id = $1', [taken]);
  await uploads.discard(taken);
  await uploads.discard(left);
  expect([await chunksOf(taken), await chunksOf(left)]).toEqual([1, 0]);
});

test('a chunk that was being stored while its file is discarded goes with it', async () => {
  const stale = newUpload();
  await take(stale);
  const [storing] = holders;
  await storing?.query('begin');
  await storing?.query(`select from cashflow.uploads where id = '${stale}' for key share`);
  await storing?.query('insert into cashflow.import_chunks values ($1, 1000, $2)', [
    stale,
    Buffer.from('late'),
  ]);
  const discarding = uploads.discard(stale);
  await vi.waitUntil(isWaitingForALock, PATIENCE);
  await storing?.query('commit');
  await discarding;
  expect(await chunksOf(stale)).toBe(0);
});

test('UP1: what is stored of one file is there whatever becomes of another that is discarded meanwhile', async () => {
  const [discarded, coming] = [newUpload(), newUpload()];
  await take(discarded);
  const [ofUpload, ofChunk] = holders;
  await hold(ofUpload, `uploads where id = '${discarded}'`);
  await hold(ofChunk, `import_chunks where upload = '${discarded}'`);

  const content = new PassThrough();
  const arriving = uploads.take(coming, content, undefined);
  content.write(FILE);
  await vi.waitUntil(
    async () => (await fixture.rows(`select from cashflow.uploads where id = '${coming}'`)).length === 1,
    PATIENCE,
  );
  const discarding = uploads.discard(discarded).catch((error: unknown) => error);
  await vi.waitUntil(isWaitingForALock, PATIENCE);
  content.end();
  await once(content, 'close');
  await ofUpload?.query('commit');
  expect(await arriving).toMatchObject({ ok: true });
  // It waits for the chunk until it gives up.
  expect(await discarding).toMatchObject({ state: '55P03' });
  await ofChunk?.query('rollback');
  expect([await chunksOf(coming), await chunksOf(discarded)]).toEqual([1, 1]);
});
