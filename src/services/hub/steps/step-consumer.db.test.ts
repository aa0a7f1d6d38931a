/** What a step's batch locks, over the real log. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '#kernel/ids.ts';
import type { LogEvent } from '#platform/log/event.ts';
import { Session } from '#platform/postgres/session.ts';
import { createPreparedDatabase, type TestDatabase } from '../../../../tests/database.ts';
import { unheardInFailing } from '../../../../tests/unheard-failures.ts';
import type { ConnectorDefinition } from '../connector.ts';
import { versionRef } from '../connectors.ts';
import { Evaluator } from '../evaluation/evaluator.ts';
import { Carrier } from './carry.ts';
import { rulesStep } from './rules-step.ts';
import { stepConsumer } from './step-consumer.ts';
import { validationStep } from './validation-step.ts';

const DEFINITION: ConnectorDefinition = {
  entry: { type: 'api', schema: JSON.stringify({ type: 'object', required: ['order'] }) },
  destinations: { main: { type: 'http', method: 'POST', url: 'http://127.0.0.1:1/' } },
};

let database: TestDatabase;
let session: Session;
let evaluator: Evaluator;

beforeAll(async () => {
  database = await createPreparedDatabase();
  session = new Session({ url: database.url, name: 'steps' });
  evaluator = new Evaluator();
});

afterAll(async () => {
  await evaluator.close();
  await session.close();
  await database.drop();
});

function consumer() {
  const connector = { tenant: 'acme', name: 'erp', version: 1, definition: DEFINITION, putAt: 0 };
  const connectors = { load: async () => new Map([[versionRef(connector), connector]]) };
  const carrier = new Carrier({ connectors, evaluator, steps: [validationStep, rulesStep] });
  return stepConsumer(validationStep, {
    carrier,
    hasRoomFor: () => true,
    onCommitted: () => undefined,
    observer: {},
  });
}

function requested(partition: number, message: object): LogEvent {
  const subject = newId('int');
  return {
    topic: 'hub',
    partition,
    position: 1,
    type: 'integration.requested',
    version: 1,
    subject,
    tenant: 'acme',
    key: subject,
    data: {
      connector: 'erp',
      connector_version: 1,
      entry: 'api',
      message: JSON.stringify(message),
      replay_of: null,
      origin: subject,
    },
    correlationId: 'cor',
    causation: 'req',
    traceparent: null,
    occurredAt: 1,
  };
}

async function lockedHeads(events: readonly LogEvent[]): Promise<number[]> {
  const { prepare, load } = consumer();
  await prepare?.(events, { isAlone: false });
  return session.transaction(async (tx) => [...(await load(tx, events)).heads.keys()]);
}

test('R3: a batch with one that is carried locks the heads of all of it at once, ascending', async () => {
  const [refused, carried] = [requested(0, {}), requested(2, { order: 'o-1' })];
  expect(await lockedHeads([carried, refused])).toEqual([0, 2]);
});

test('R3: a batch in which none is carried leaves the heads to its append', async () => {
  expect(await lockedHeads([requested(0, {}), requested(2, {})])).toEqual([]);
});

test('U10: a batch whose statements all fail is heard of as a whole', async () => {
  const events = [requested(0, { order: 'o-1' })];
  const { prepare, load } = consumer();
  await prepare?.(events, { isAlone: false });
  expect(await unheardInFailing(session, (tx) => load(tx, events))).toEqual([]);
});
