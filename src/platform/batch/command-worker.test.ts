import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { IdempotencyStore } from '../idempotency/idempotency.ts';
import { EventLog } from '../log/event-log.ts';
import { Session } from '../postgres/session.ts';
import type { Command } from './command.ts';
import { CommandWorker, QueueFull } from './command-worker.ts';

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout', 'setInterval'] }),
);

afterEach(() => void vi.useRealTimers());

/** A database that nobody answers at: every transaction fails as a refused connection does. */
class UnreachableSession extends Session {
  attempts = 0;

  override transaction<T>(): Promise<T> {
    this.attempts++;
    return Promise.reject(new Fault('connection refused', { transient: true }));
  }

  override query<R>(): Promise<R[]> {
    return Promise.resolve([]);
  }
}

async function givenWorker() {
  const session = new UnreachableSession({ url: 'postgres://nowhere', name: 'tests' });
  const onError = (error: unknown): never => {
    throw error;
  };
  const log = await EventLog.open({ session, topics: ['orders'], partitions: 1, onError });
  const worker = new CommandWorker<null, undefined, never>({
    name: 'orders',
    topic: 'orders',
    handler: {
      load: () => Promise.resolve(undefined),
      decide: () => ({ answer: { status: 200, body: '' }, effect: undefined, drafts: [] }),
      save: () => undefined,
    },
    idempotency: new IdempotencyStore('orders'),
    keyReused: () => ({ status: 422, body: '' }),
    log,
    session,
    clock: { now: () => 0 },
    random: () => 0,
    batchMax: 500,
    delayMs: () => 0,
    observer: { committed: () => undefined, failed: () => undefined },
  });
  return { worker, session };
}

function command(idempotencyKey: string): Command<null> {
  return {
    operation: 'orders.create',
    tenant: 'acme',
    idempotencyKey,
    body: null,
    id: 'ord',
    requestId: 'req',
    correlationId: 'cor',
    traceparent: null,
  };
}

test('a request that the database does not take within 8 s is given back as a transient fault, with the cause', async () => {
  const { worker, session } = await givenWorker();
  worker.start();
  const refusal = worker.submit(command('k')).catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(7000);
  const tries = session.attempts;
  expect(tries).toBeGreaterThan(5);
  await vi.advanceTimersByTimeAsync(3000);
  expect(await refusal).toMatchObject({ transient: true, cause: { message: 'connection refused' } });
  expect(session.attempts).toBeLessThan(tries + 4);
});

test('stopping ends although the database does not answer', async () => {
  const { worker } = await givenWorker();
  worker.start();
  const refusal = worker.submit(command('k')).catch((error: unknown) => error);
  const stopped = worker.stop();
  await vi.advanceTimersByTimeAsync(11_000);
  await stopped;
  expect(await refusal).toBeInstanceOf(Fault);
  expect(worker.waiting).toBe(0);
});

test('more than 20 000 waiting requests are refused at once', async () => {
  const { worker } = await givenWorker();
  for (let n = 0; n < 20_000; n++) worker.submit(command(`k-${n}`)).catch(() => undefined);
  await expect(worker.submit(command('one more'))).rejects.toBeInstanceOf(QueueFull);
  expect(worker.waiting).toBe(20_000);
});
