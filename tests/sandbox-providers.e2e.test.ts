/** The sandbox's providers as processes that others share: started, joined, stopped, started again, adopted. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive } from '#platform/processes/process-identity.ts';
import { createLogger } from '#platform/telemetry/logger.ts';
import { openSandboxProviders, type SandboxProvider } from '../src/sandbox-providers.ts';
import { CallbackReceiver } from './callback-receiver.ts';
import { type HttpAnswer, http } from './lastro-process.ts';
import { NO_CALLBACKS, ProviderData, type ProviderUser } from './provider-users.ts';

/** A look a second, and a start. */
const RESTART = { timeout: 20_000, interval: 20 };

let data: ProviderData;

beforeEach(() => {
  data = new ProviderData();
});

afterEach(async () => {
  await data.remove();
});

function call({ url, apiKey }: SandboxProvider, path: string, body?: unknown, key = ''): Promise<HttpAnswer> {
  const headers = { authorization: `Bearer ${apiKey}`, 'idempotency-key': key };
  return http(`${url}${path}`, { headers, ...(body === undefined ? {} : { body }) });
}

function charge(provider: SandboxProvider, key: string): Promise<HttpAnswer> {
  return call(provider, '/charges', { reference: key, amount: 100, currency: 'USD' }, key);
}

async function hasCharge(provider: SandboxProvider, key: string): Promise<boolean> {
  const answer = await call(provider, `/charges/${key}`).catch(() => undefined);
  return answer?.status === 200;
}

test('there are two, each a process of its own with a key that only its owner may read', async () => {
  const user = await data.use();
  expect(user.providers.map(({ name }) => name)).toEqual(['alfa', 'beta']);
  for (const provider of user.providers) {
    const { name } = provider;
    const { port, api_key, webhook_secret } = data.identity(name);
    expect(provider).toEqual({
      name,
      url: `http://127.0.0.1:${port}`,
      apiKey: api_key,
      webhookSecret: webhook_secret,
    });
    expect([data.mode(name), data.isRunning(name), data.writers(name)]).toEqual([0o600, true, 1]);
    expect((await charge(provider, `att_${name}`)).status).toBe(201);
  }
  const [alfa, beta] = user.providers.map((provider) => provider.apiKey);
  expect(alfa).not.toBe(beta);
  await user.close();
  expect(['alfa', 'beta'].map((name) => data.isRunning(name))).toEqual([false, false]);
});

test('keys, secrets, ports and books are kept from one start to the next', async () => {
  const first = await data.use();
  await charge(first.alfa, 'att_kept');
  await first.close();
  const second = await data.use();
  expect(second.providers).toEqual(first.providers);
  expect(await hasCharge(second.alfa, 'att_kept')).toBe(true);
  await second.close();
});

test('H1: two first starts at once make one of each', async () => {
  const [first, second] = await Promise.all([data.use(), data.use()]);
  expect(first.providers).toEqual(second.providers);
  expect(['alfa', 'beta'].map((name) => data.writers(name))).toEqual([1, 1]);
  await Promise.all([first.close(), second.close()]);
  expect(data.isRunning('alfa')).toBe(false);
});

test('H2: a second process joins, and the last one out stops them', async () => {
  const first = await data.use();
  const before = data.process();
  const second = await data.use();
  expect(data.process()).toEqual(before);
  await first.close();
  expect((await charge(second.alfa, 'att_1')).status).toBe(201);
  await second.close();
  expect(isAlive(before)).toBe(false);
});

test('H2: the last one to close stops them also when another was killed', async () => {
  const [killed, last] = [await data.use(), await data.use()];
  await killed.kill();
  expect(data.isRunning('alfa')).toBe(true);
  await last.close();
  expect(data.isRunning('alfa')).toBe(false);
});

test('H3: one that outlived everybody is used by the next start, and stopped by it', async () => {
  const killed = await data.use();
  await charge(killed.alfa, 'att_1');
  await killed.kill();
  const orphan = data.process();
  expect(isAlive(orphan)).toBe(true);
  const next = await data.use();
  expect(data.process()).toEqual(orphan);
  expect(await hasCharge(next.alfa, 'att_1')).toBe(true);
  await next.close();
  expect(isAlive(orphan)).toBe(false);
});

test('H3: one that outlived everybody and does not answer is replaced', async () => {
  const killed = await data.use();
  await charge(killed.alfa, 'att_1');
  await killed.kill();
  const orphan = data.process();
  process.kill(orphan.pid, 'SIGSTOP');
  const next = await data.use();
  expect([isAlive(orphan), data.isRunning('alfa'), data.writers('alfa')]).toEqual([false, true, 1]);
  expect(await hasCharge(next.alfa, 'att_1')).toBe(true);
  await next.close();
});

test('H3: one that nobody noted does not go on to write the same book', async () => {
  const killed = await data.use();
  await killed.kill();
  const orphan = data.process();
  data.forgetProcess('alfa');
  const next = await data.use();
  expect([isAlive(orphan), data.writers('alfa')]).toEqual([false, 1]);
  await next.close();
});

test('H4: one that is killed is started again on its port, with its book, once for all who use it', async () => {
  const [first, second] = [await data.use(), await data.use()];
  await charge(first.alfa, 'att_1');
  const before = data.process();
  process.kill(before.pid, 'SIGKILL');
  await expect.poll(() => hasCharge(first.alfa, 'att_1'), RESTART).toBe(true);
  expect(data.process()).not.toEqual(before);
  expect(data.writers('alfa')).toBe(1);
  await first.close();
  expect(await hasCharge(second.alfa, 'att_1')).toBe(true);
  await second.close();
  expect(data.isRunning('alfa')).toBe(false);
});

test('H5: one that was told to hang is left alone by those who join', async () => {
  const first = await data.use();
  const before = data.process();
  await call(first.alfa, '/behaviours', { behaviour: 'hang', match: { operation: 'any' } });
  const second = await data.use();
  expect(data.process()).toEqual(before);
  await Promise.all([first.close(), second.close()]);
});

test('a port that was taken meanwhile is given up, while nobody uses it', async () => {
  const first = await data.use();
  await first.close();
  const { port } = data.identity();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  const second = await data.use();
  expect(data.identity().port).not.toBe(port);
  expect((await charge(second.alfa, 'att_1')).status).toBe(201);
  await second.close();
  other.close();
});

test('a data folder that was deleted leaves none of them running', async () => {
  const user = await data.use();
  const running = ['alfa', 'beta'].map((name) => data.process(name));
  rmSync(data.dataDir, { recursive: true });
  await user.close();
  expect(running.map(isAlive)).toEqual([false, false]);
});

test('opened in one process twice, they go with the second close', async () => {
  const logger = createLogger({ level: 'silent' });
  const open = () =>
    openSandboxProviders({ dataDir: data.dataDir, callbackUrlOf: () => NO_CALLBACKS, logger });
  const [first, second] = [await open(), await open()];
  await first.close();
  await first.close();
  expect(data.isRunning('alfa')).toBe(true);
  await second.close();
  expect(data.isRunning('alfa')).toBe(false);
});

async function expectCallback(user: ProviderUser, key: string, receiver: CallbackReceiver): Promise<void> {
  await call(user.alfa, '/behaviours', { behaviour: 'pending', delay_ms: 0, match: { reference: key } });
  await charge(user.alfa, key);
  await expect.poll(() => receiver.of(key)[0]?.path, RESTART).toBe('/callbacks/alfa');
}

test('callbacks follow the process that lives: the other one closed, was killed, or the provider was', async () => {
  const first = await data.use(); // where it wants to be called, nobody listens
  const receiver = await CallbackReceiver.open(data.identity().webhook_secret);
  const second = await data.use(receiver.url);
  await expectCallback(second, 'att_beside', receiver);
  const before = data.process();
  process.kill(before.pid, 'SIGKILL');
  await expect.poll(() => data.isRunning('alfa'), RESTART).toBe(true);
  await expect.poll(() => hasCharge(second.alfa, 'att_beside'), RESTART).toBe(true);
  await expectCallback(second, 'att_after_restart', receiver);
  await first.kill();
  await expectCallback(second, 'att_alone', receiver);
  expect(receiver.callbacks.filter(({ fault }) => fault !== undefined)).toEqual([]);
  await second.close();
  await receiver.close();
});

test('a callback that is owed when everybody was killed reaches who starts next', async () => {
  const killed = await data.use();
  await call(killed.alfa, '/behaviours', { behaviour: 'pending', delay_ms: 0 });
  await charge(killed.alfa, 'att_owed');
  await killed.kill();
  const receiver = await CallbackReceiver.open(data.identity().webhook_secret);
  const next = await data.use(receiver.url);
  await expect.poll(() => receiver.of('att_owed')[0]?.type, RESTART).toBe('charge.approved');
  await next.close();
  await receiver.close();
});

interface Foreground {
  readonly output: () => string;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  interrupt(): void;
}

async function inForeground(): Promise<Foreground> {
  const child = spawn(process.execPath, ['src/cli/lastro.ts', 'sandbox-provider', '--name', 'alfa'], {
    env: { ...process.env, LASTRO_DATA_DIR: data.dataDir },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const lines = createInterface(child.stderr);
  lines.on('line', (line) => (output += `${line}\n`));
  while (!/Ctrl-C ends it|lastro: /.test(output)) await Promise.race([once(lines, 'line'), ended]);
  return { output: () => output, ended, interrupt: () => void child.kill('SIGINT') };
}

test('one that runs in the foreground is used by others, who go on with their own when it ends', async () => {
  const foreground = await inForeground();
  const { port, api_key } = data.identity();
  expect(foreground.output()).toContain(`http://127.0.0.1:${port}`);
  expect(foreground.output()).toContain(api_key);
  const other = await inForeground();
  expect(await other.ended).toBe(1);
  expect(other.output()).toMatch(/alfa runs already, as process \d+ on port \d+/);
  const before = data.process();
  const user = await data.use();
  expect([data.process(), user.alfa.url]).toEqual([before, `http://127.0.0.1:${port}`]);
  await charge(user.alfa, 'att_1');
  foreground.interrupt();
  expect(await foreground.ended).toBe(0);
  await expect.poll(() => hasCharge(user.alfa, 'att_1'), RESTART).toBe(true);
  expect(data.process()).not.toEqual(before);
  await user.close();
  expect(data.isRunning('alfa')).toBe(false);
});

test('one that runs in the foreground is not stopped by others that end', async () => {
  const foreground = await inForeground();
  const user = await data.use();
  await user.close();
  expect([data.isRunning('alfa'), data.isRunning('beta')]).toEqual([true, false]);
  foreground.interrupt();
  expect(await foreground.ended).toBe(0);
  expect(existsSync(data.folder('alfa'))).toBe(true);
});
