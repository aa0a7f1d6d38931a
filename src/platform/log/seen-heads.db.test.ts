import type { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Session, statement } from '#platform/postgres/session.ts';
import { CutProxy } from '../../../tests/cut-proxy.ts';
import { Probe, type ProbeProcess } from '../../../tests/probe.ts';
import { SeenHeads } from './seen-heads.ts';

let probe: Probe;
let proxy: CutProxy;
let process: ProbeProcess;
let seen: SeenHeads;
let session: Session;

beforeAll(async () => {
  probe = await Probe.open();
});
afterAll(() => probe.close());

beforeEach(async () => {
  proxy = await CutProxy.open(probe.url);
  process = await probe.start();
  seen = new SeenHeads();
  const inspect = (client: Client): Promise<void> => seen.inspect(client);
  session = new Session({ url: proxy.url, name: 'seen heads', inspect });
});
afterEach(async () => {
  await session.close();
  await proxy.close();
  await probe.reset();
});

const ASK = statement('tests.ask', 'select 1 as answer');

function ask(): Promise<unknown> {
  return session.query(ASK, []);
}

async function headIs(position: number): Promise<void> {
  await probe.query(`update log.heads set position = $1 where topic = 'source' and position > 0`, [position]);
}

/** The next connection is another one. */
async function reconnect(): Promise<void> {
  proxy.cut();
  await expect.poll(() => proxy.connections).toBe(0);
}

test('before a log is known, and where it is all there, a connection is used', async () => {
  await ask();
  await probe.append([{ key: 'key', step: 1 }]);
  seen.knownBy(process.log);
  await reconnect();
  await ask();
  expect(seen.lack).toBeUndefined();
});

test('a server whose log ends before what was seen of it is refused with each connection, until it has it again', async () => {
  await probe.append([
    { key: 'key', step: 1 },
    { key: 'key', step: 2 },
  ]);
  await expect.poll(() => process.log.heads().get('source')).toContain(2);
  seen.knownBy(process.log);
  await ask();
  await headIs(1);
  await ask(); // what was opened before is of the server that had it
  await reconnect();
  const lack: unknown = expect.stringMatching(
    /lacks commits .* \(source\/\d ends at 1, and has ended at 2\)/,
  );
  for (let attempt = 0; attempt < 2; attempt++)
    await expect(ask()).rejects.toMatchObject({ transient: true, message: lack });
  expect(seen.lack).toEqual(lack);
  await expect.poll(() => proxy.connections).toBe(0);
  await headIs(2);
  await ask();
  expect(seen.lack).toBeUndefined();
});

test('a server whose log has gone on otherwise is refused however long it is, and one that has only gone on is not', async () => {
  await probe.append([
    { key: 'key', step: 1 },
    { key: 'key', step: 2 },
  ]);
  await expect.poll(() => probe.countEffects()).toBe(2);
  seen.knownBy(process.log);
  await ask();
  await probe.append([{ key: 'key', step: 3 }]);
  await expect.poll(() => probe.countEffects()).toBe(3);
  await reconnect();
  await ask();
  const [partition] =
    [...(process.log.heads().get('source') ?? []).entries()].find(([, head]) => head === 3) ?? [];
  // As a standby has it that lacked the last one, and took two from somebody else since.
  process.worker.pause();
  await probe.query('delete from source.events where position = 3');
  await probe.query('delete from source.batches where first = 3');
  await headIs(2);
  await probe.append([{ key: 'key', step: 30 }]);
  await probe.append([{ key: 'key', step: 31 }]);
  await reconnect();
  const lack = `the database lacks commits that this process has seen (source/${partition}/3 was another event): it was put back, or a failover has lost them; start every process anew`;
  await expect(ask()).rejects.toMatchObject({ transient: true, message: lack });
  expect(seen.lack).toBe(lack);
});
