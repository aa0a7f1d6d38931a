/** A process whose database is not there yet, or is another server now, waits for it. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { CutProxy } from './cut-proxy.ts';
import { LastroHome } from './lastro-home.ts';
import { http, startLastroProcess } from './lastro-process.ts';
import { PATIENCE } from './patience.ts';

let home: LastroHome;
let proxy: CutProxy;

beforeAll(async () => {
  home = await LastroHome.open();
});

afterAll(async () => {
  await home.remove();
  await proxy.close();
});

/** Nobody answers there, until the test does; whether somebody has asked. */
async function closedDoor(): Promise<{ port: number; asked: Promise<unknown>; leave: () => Promise<void> }> {
  const server = createServer((socket) => socket.resetAndDestroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const leave = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
  return { port, asked: once(server, 'connection'), leave };
}

test('a start before the database is there takes requests as soon as it is', async () => {
  const door = await closedDoor();
  const url = new URL(home.database.url);
  url.port = String(door.port);
  const starting = startLastroProcess({
    DATABASE_URL: url.toString(),
    DATA_DIR: home.folder,
    SERVICES: 'notification',
  });
  await door.asked;
  await door.leave();
  proxy = await CutProxy.open(home.database.url, door.port);
  const process = await starting;
  expect((await http(`${process.url}/readyz`)).status).toBe(200);
  expect(process.output()).toContain('waiting for the database');
  process.kill('SIGTERM');
  expect(await process.ended).toMatchObject({ code: 0 });
});

test('a process that is led to a standby by a failover says so, and is back with the primary', async () => {
  const failover = await CutProxy.open(home.database.url);
  const process = await startLastroProcess({
    DATABASE_URL: failover.url,
    DATA_DIR: home.folder,
    SERVICES: 'notification',
  });
  const readiness = async () => {
    const answer = await http(`${process.url}/readyz`);
    return { status: answer.status, body: answer.json() };
  };
  failover.becomeStandby();
  failover.cut();
  const reasons = [{ name: 'database', reason: 'takes no writes' }];
  await vi.waitFor(
    async () => expect(await readiness()).toEqual({ status: 503, body: { status: 'unready', reasons } }),
    PATIENCE,
  );
  failover.restore();
  await vi.waitFor(async () => expect((await readiness()).status).toBe(200), PATIENCE);
  process.kill('SIGTERM');
  expect(await process.ended).toMatchObject({ code: 0 });
  await failover.close();
});
