/** What waits for a destination that answers again, on the real table. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { Session, type Statement } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { ask } from '../../../../tests/redelivery.ts';
import type { Call } from './call.ts';
import { CLAIM_CALLS, HASTEN_CALLS } from './call-store.ts';
import { Sweeper } from './sweeper.ts';

/** Meets a database that is away when it first hastens something; then it tells of the next claim. */
class InterruptedSession extends Session {
  readonly claimed = Promise.withResolvers<void>();
  #isInterrupted = false;

  override async query<Row>(query: Statement, values: readonly unknown[]): Promise<Row[]> {
    if (query === HASTEN_CALLS && !this.#isInterrupted) {
      this.#isInterrupted = true;
      throw new Fault('the database is away', { transient: true });
    }
    const rows = await super.query<Row>(query, values);
    if (query === CLAIM_CALLS && this.#isInterrupted) this.claimed.resolve();
    return rows;
  }
}

let database: TestDatabase;
let session: InterruptedSession;

beforeAll(async () => {
  database = await createPreparedDatabase();
  session = new InterruptedSession({ url: database.url, name: 'sweeper' });
});

afterAll(async () => {
  await session.close();
  await database.drop();
});

/** A call that is due in an hour. */
async function givenWaiting(destination: string): Promise<string> {
  const uuid = uuidOf(newId('int'));
  await ask(
    database.url,
    `insert into hub.calls (integration, step, tenant, connector, connector_version, destination, request, state, tries,
                            is_unknown, history, due_at, give_up_at, timeout_ms, cause, origin, correlation_id, created_at)
     values ($1, 'delivery', 'acme', 'erp', 1, $2, '{"message":"{}","route":"main"}', 'waiting', 1, false, '[]',
             now() + interval '1 hour', now() + interval '1 day', 1000, 'hub/0/1', $1, 'cor', now())`,
    [uuid, destination],
  );
  return uuid;
}

test('P2: is sent at once where it comes back, also if the database was away when that was heard of', async () => {
  const wanted = await givenWaiting('main');
  await givenWaiting('other');
  const taken: Call[] = [];
  const failures: unknown[] = [];
  const sweeper = new Sweeper({
    session,
    dispatcher: { room: 10, take: (call) => taken.push(call) },
    clock: systemClock,
    random: Math.random,
    onError: (error) => failures.push(error),
  });
  sweeper.noteBack('acme/erp/main');
  sweeper.start();
  await session.claimed.promise;
  await sweeper.stop();
  expect(failures).toHaveLength(1);
  expect(taken.map(({ uuid }) => uuid)).toEqual([wanted]);
});
