/** Orders about dead letters that nobody executes just now: what may take their place, and what may not (U11). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { idOf, newId } from '#kernel/ids.ts';
import type { OrderAction } from '#platform/dead-letters/dead-letter.ts';
import { DeadLetterCommands } from '#platform/dead-letters/dead-letter-commands.ts';
import type { DeadLetterOrder, ReplayOrder } from '#platform/dead-letters/dead-letter-orders.ts';
import { EventContracts } from '#platform/log/event-contracts.ts';
import { Session } from '#platform/postgres/session.ts';
import { renderAnswer } from '../src/problems.ts';
import { contractsOf, TOPOLOGY } from '../src/topology.ts';
import { createProductDatabase, type TestDatabase } from './database.ts';
import { type Engine, startEngine, TENANT } from './engine.ts';
import { mend, POISON_AMOUNT, poison } from './poisoned-tables.ts';
import { ask } from './redelivery.ts';

let database: TestDatabase;
let session: Session;
let engine: Engine;

beforeEach(async () => {
  database = await createProductDatabase();
  session = new Session({ url: database.url, name: 'tests' });
  engine = await startEngine(database.url, { poison: true });
  await engine.openAccounts([
    { id: 'wallet', kind: 'wallet', fundedMinor: 10_000_000n },
    { id: 'service', kind: 'service' },
  ]);
  await poison(database.url, 'validation');
  await engine.submit({ amount: POISON_AMOUNT });
  await engine.settledBut('integrity');
  await mend(database.url, 'validation');
});

afterEach(async () => {
  await engine.close();
  await session.close();
  await database.drop();
});

const COMMANDS = new DeadLetterCommands({
  renderProblem: renderAnswer,
  reader: { query: () => Promise.reject(new Error('no edit reads anything here')) },
  topics: TOPOLOGY.topics,
  contracts: new EventContracts(contractsOf),
});

/** As the API decides it; the status, and the code of what was refused. */
async function order(action: OrderAction, edit: Pick<ReplayOrder, 'data'> = {}): Promise<string> {
  const [letter] = await ask(database.url, 'select id from log.dead_letters');
  const named = { dead_letter_id: idOf('dlt', letter?.['id'] as string), reason: 'tests', ...edit };
  const body: DeadLetterOrder = { operation: `dead_letters.${action}`, ...named };
  const command = {
    operation: body.operation,
    tenant: TENANT,
    idempotencyKey: undefined,
    body,
    id: newId('rdl'),
    requestId: newId('req'),
    correlationId: newId('cor'),
    traceparent: null,
    actor: 'key_of_a_person',
  };
  const { answer } = await session.transaction(async (tx) => {
    const loaded = await COMMANDS.load(tx, [command]);
    const verdict = COMMANDS.decide(loaded, command, Date.now());
    if (verdict.effect !== undefined) COMMANDS.save(tx, [verdict.effect], loaded, Date.now());
    return verdict;
  });
  const { code } = JSON.parse(answer.body) as { code?: string };
  return code ?? String(answer.status);
}

async function orders(): Promise<string[]> {
  const rows = await ask(
    database.url,
    `select action || ' ' || coalesce(outcome, 'pending') as "order" from log.redeliveries order by requested_at`,
  );
  return rows.map((row) => row['order'] as string);
}

test.each([
  ['skip', 'skipped'],
  ['discard', 'discarded'],
] as const)(
  'A1: a %s takes the place of a replay that nobody has executed, and nothing takes its own',
  async (action, state) => {
    await engine.redeliverer.stop();
    expect(await order('replay')).toBe('202');
    expect(await order('replay')).toBe('dead_letters.order_pending');
    expect(await order(action)).toBe('202');
    expect(await order('replay')).toBe('dead_letters.order_pending');
    expect(await order('skip')).toBe('dead_letters.order_pending');
    expect(await order('discard')).toBe('dead_letters.order_pending');
    expect(await orders()).toEqual(['replay withdrawn', `${action} pending`]);

    await engine.close();
    engine = await startEngine(database.url, { poison: true });
    await engine.ordersExecuted();
    expect(await orders()).toEqual(['replay withdrawn', `${action} done`]);
    expect(await ask(database.url, 'select state from log.dead_letters')).toEqual([{ state }]);
    expect(await ask(database.url, 'select from validation.events')).toEqual([]);
  },
);

test.each([
  ['is gone', 'delete from payments.events where subject = $1'],
  ['cannot be read', `update payments.events set data = '{' where subject = $1`],
])('U11: where the event %s, no edit of it is taken: nothing says what it must keep', async (_, damage) => {
  const [letter] = await ask(database.url, 'select subject from log.dead_letters');
  await ask(database.url, damage, [letter?.['subject']]);
  expect(await order('replay', { data: { evil: true } })).toBe('dead_letters.event_missing');
  expect(await orders()).toEqual([]);
});
