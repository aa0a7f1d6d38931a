/** P4: what one tenant's destinations that hang leave for the others. No request leaves here. */
import { expect, test } from 'vitest';
import type { Connector, ConnectorDefinition } from '../connector.ts';
import { type VersionRef, versionRef } from '../connectors.ts';
import type { Call } from './call.ts';
import type { CallOutcome, CallReport } from './decide-call.ts';
import { Dispatcher, PER_DESTINATION, TAKEN_MAX, TAKEN_MAX_LENGTH } from './dispatcher.ts';

const DONE: CallOutcome = { kind: 'delivered', detail: 'Done.', latencyMs: 1 };

let calls = 0;
function callOf(tenant: string, destination: string, message = '{}'): Call {
  return {
    tenant,
    uuid: `00000000-0000-0000-0000-${String(++calls).padStart(12, '0')}`,
    step: 'delivery',
    connector: 'c',
    connectorVersion: 1,
    destination,
    request: { message, route: destination },
    state: 'sending',
    tries: 1,
    isUnknown: false,
    history: [],
    dueAt: 0,
    giveUpAt: 0,
    timeoutMs: 1000,
    cause: 'hub/0/1',
    origin: '',
    correlationId: 'c',
    traceparent: null,
  };
}

function connectorOf({ tenant, name, version }: VersionRef): Connector {
  const definition: ConnectorDefinition = { entry: { type: 'api' }, destinations: {} };
  return { tenant, name, version, definition, putAt: 0 };
}

/** Its destinations never answer, but of `good` at once. */
function setUp() {
  const reports: CallReport[] = [];
  const sent: Call[] = [];
  const dispatcher = new Dispatcher({
    connectors: {
      load: async (refs) => new Map(refs.map((ref) => [versionRef(ref), connectorOf(ref)])),
    },
    caller: {
      perform: (call) => {
        sent.push(call);
        return call.destination === 'good' ? Promise.resolve(DONE) : new Promise(() => {});
      },
    },
    report: async (report) => void reports.push(report),
    clock: { now: () => 0 },
    onError: (error) => {
      throw error;
    },
  });
  return { dispatcher, reports, sent };
}

test('P4: however many wait for destinations of a tenant that hang, what others send is sent', async () => {
  const { dispatcher, reports } = setUp();
  for (let at = 0; at < 2 * TAKEN_MAX; at++) dispatcher.take(callOf('hangs', `d${at % 20}`));
  await expect.poll(() => dispatcher.room).toBeGreaterThan(TAKEN_MAX / 3);
  expect([dispatcher.hasRoomFor('hangs'), dispatcher.hasRoomFor('other')]).toEqual([false, true]);
  const own = callOf('other', 'good');
  dispatcher.take(own);
  await expect.poll(() => reports.find(({ call }) => call === own)?.outcome).toEqual(DONE);
});

test('P4: what waits in memory is bounded by its length too', () => {
  const { dispatcher } = setUp();
  const message = 'a'.repeat(65_536);
  let taken = 0;
  for (; dispatcher.hasRoomFor('hangs'); taken++) dispatcher.take(callOf('hangs', `d${taken % 20}`, message));
  expect(taken * message.length).toBeLessThanOrEqual(TAKEN_MAX_LENGTH / 2 + message.length);
  expect(dispatcher.hasRoomFor('other')).toBe(true);
});

test('P4: what has ended, or was not taken, takes no place', async () => {
  const { dispatcher, reports } = setUp();
  const many = TAKEN_MAX + PER_DESTINATION;
  for (let at = 0; at < many; at++) dispatcher.take(callOf('a', 'good'));
  await expect.poll(() => reports.length, { timeout: 20_000 }).toBe(many);
  await expect.poll(() => dispatcher.room).toBe(TAKEN_MAX);
});
