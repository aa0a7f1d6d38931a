import { expect, test } from 'vitest';
import { Session } from '../postgres/session.ts';
import type { LogEvent } from './event.ts';
import { EventLog } from './event-log.ts';

/** A database whose answers wait until the test lets them go. */
class SlowSession extends Session {
  readonly #answers: (() => void)[] = [];
  asked = 0;

  override query<R>(): Promise<R[]> {
    this.asked++;
    return new Promise((resolve) => {
      this.#answers.push(() => resolve([]));
    });
  }

  async answer(): Promise<void> {
    this.#answers.shift()?.();
    await new Promise(setImmediate);
  }
}

async function givenLog(topics: readonly string[] = ['source']) {
  const session = new SlowSession({ url: 'postgres://nowhere', name: 'tests' });
  const onError = (error: unknown): never => {
    throw error;
  };
  const opening = EventLog.open({ session, topics, partitions: 1, onError });
  await session.answer();
  const log = await opening;
  session.asked = 0;
  return { log, session };
}

test('however often a process is woken during a look at the heads, one more look follows', async () => {
  const { log, session } = await givenLog();
  for (let times = 0; times < 10; times++) log.wake();
  expect(session.asked).toBe(1);
  await session.answer();
  expect(session.asked).toBe(2);
  await session.answer();
  expect(session.asked).toBe(2);
  await log.close();
});

test('a log that was closed asks its session nothing more', async () => {
  const { log, session } = await givenLog();
  log.wake();
  log.wake();
  const closed = log.close();
  await session.answer();
  await closed;
  log.wake();
  expect(session.asked).toBe(1);
});

test('T2: what one commit appended to several topics enters the tail of each', async () => {
  const { log } = await givenLog(['source', 'other']);
  const eventOf = (topic: string): LogEvent => ({
    topic,
    partition: 0,
    position: 1,
    type: `${topic}.said`,
    version: 1,
    subject: 'one',
    tenant: 'acme',
    key: 'one',
    data: {},
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
    occurredAt: 0,
  });
  log.publish(['source', 'other'].map((topic) => ({ topic, partition: 0, events: [eventOf(topic)] })));
  for (const topic of ['source', 'other'])
    expect(log.tail(topic).read(0, 0, 10)).toMatchObject({ kind: 'events', events: [{ topic }] });
  await log.close();
});
