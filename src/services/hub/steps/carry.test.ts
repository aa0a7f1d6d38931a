/** How far an event is carried through the steps, by the real evaluation in its processes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject, LogEvent } from '#platform/log/event.ts';
import type { ConnectorDefinition } from '../connector.ts';
import { versionRef } from '../connectors.ts';
import { Evaluator } from '../evaluation/evaluator.ts';
import { Carrier, type Way } from './carry.ts';
import { deliveryStep } from './delivery-step.ts';
import { enrichmentStep } from './enrichment-step.ts';
import { rulesStep } from './rules-step.ts';
import type { AnyStep } from './step.ts';
import { undoStep } from './undo-step.ts';
import { validationStep } from './validation-step.ts';

const STEPS: readonly AnyStep[] = [validationStep, rulesStep, enrichmentStep, deliveryStep, undoStep];
const LOOP = '($f := function($n) { $f($n + 1) }; $f(0))';
const http = { type: 'http', method: 'POST', url: 'http://127.0.0.1:1/' } as const;
const PLAIN: ConnectorDefinition = {
  entry: { type: 'api', schema: JSON.stringify({ type: 'object', required: ['order'] }) },
  rules: [{ when: 'order = "none"', refuse: 'There is nothing in it.' }, { set: { total: 'order & "!"' } }],
  destinations: { main: { ...http, body: '{"number": total}' } },
};

let evaluator: Evaluator;

beforeAll(() => {
  evaluator = new Evaluator();
});

afterAll(() => evaluator.close());

function requested(message: object, at = 1): LogEvent {
  const data: JsonObject = {
    connector: 'erp',
    connector_version: 1,
    entry: 'api',
    message: JSON.stringify(message),
    replay_of: null,
    origin: 'int_1',
  };
  return {
    topic: 'hub',
    partition: 0,
    position: at,
    type: 'integration.requested',
    version: 1,
    subject: `int_${at}`,
    tenant: 'acme',
    key: `int_${at}`,
    data,
    correlationId: 'cor',
    causation: 'req_1',
    traceparent: null,
    occurredAt: at,
  };
}

function carrierOf(definition: ConnectorDefinition, steps = STEPS): Carrier {
  const connector = { tenant: 'acme', name: 'erp', version: 1, definition, putAt: 0 };
  const connectors = { load: async () => new Map([[versionRef(connector), connector]]) };
  return new Carrier({ connectors, evaluator, steps });
}

async function carried(carrier: Carrier, event: LogEvent, step: AnyStep = validationStep): Promise<Way> {
  const ways = await carrier.prepare(step, [event], { isAlone: true });
  return ways.get(`hub/0/${event.position}`) as Way;
}

function said({ answers }: Way): string[] {
  return answers.map(({ end }) => ('call' in end ? `call of ${end.call.destination}` : end.type));
}

test('S4: through all steps, up to the one that has somebody asked', async () => {
  const way = await carried(carrierOf(PLAIN), requested({ order: 'o-1' }));
  expect(said(way)).toEqual([
    'integration.validated',
    'integration.rules_applied',
    'integration.enriched',
    'call of main',
  ]);
  expect(way.answers.at(-1)?.end).toMatchObject({ call: { request: { body: '{"number":"o-1!"}' } } });
});

test.each([
  ['a schema', {}, ['integration.refused']],
  ['a rule', { order: 'none' }, ['integration.validated', 'integration.refused']],
])('H3: what %s refuses goes no further', async (_what, message, expected) => {
  expect(said(await carried(carrierOf(PLAIN), requested(message)))).toEqual(expected);
});

test('H2: a step that is not of this process is left to who runs it', async () => {
  const way = await carried(carrierOf(PLAIN, [validationStep, enrichmentStep]), requested({ order: 'o-1' }));
  expect(said(way)).toEqual(['integration.validated']);
});

test('H4: an expression that loops ends the way before its step, and is not tried on the way again for a while', async () => {
  const carrier = carrierOf({ ...PLAIN, destinations: { main: { ...http, body: LOOP } } });
  const upTo = ['integration.validated', 'integration.rules_applied', 'integration.enriched'];
  expect(said(await carried(carrier, requested({ order: 'o-1' })))).toEqual(upTo);
  expect(said(await carried(carrier, requested({ order: 'o-2' }, 2)))).toEqual(upTo);
});

test('H4: one that loops in the step itself is no answer, but stopped', async () => {
  const carrier = carrierOf({ ...PLAIN, rules: [{ when: LOOP, refuse: 'never' }] });
  const { data, ...event } = requested({ order: 'o-1' });
  const validated = { ...event, data, type: 'integration.validated' };
  const way = await carried(carrier, validated, rulesStep);
  expect(way.answers).toEqual([]);
  expect(way.held).toMatchObject({ kind: 'stopped' });
});

test('H4: one that loops three times alone has failed, and takes nothing of what its group may bury', async () => {
  const carrier = carrierOf({ ...PLAIN, rules: [{ when: `(3; ${LOOP})`, refuse: 'never' }] });
  const validated = { ...requested({ order: 'o-1' }), type: 'integration.validated' };
  for (const tries of [1, 2])
    expect((await carried(carrier, validated, rulesStep)).held, `try ${tries}`).toMatchObject({
      kind: 'stopped',
    });
  const way = await carried(carrier, validated, rulesStep);
  expect(way.held).toBeUndefined();
  expect(way.answers.map(({ end }) => end)).toMatchObject([
    { type: 'integration.failed', failure: { step: 'rules', code: 'hub.expression_overrun' } },
  ]);
});

/** With no share at all a tenant has one answer of a step, however quick the machine. */
const NO_SHARE = { isAlone: false, shareMs: 0 };

test('S5: what is behind its tenant’s share has no answer yet, and is not stopped', async () => {
  const events = [1, 2].map((at) => ({ ...requested({ order: 'o' }, at), type: 'integration.validated' }));
  const ways = await carrierOf(PLAIN).prepare(rulesStep, events, NO_SHARE);
  const [first, second] = [...ways.values()] as [Way, Way];
  expect(said(first)).toEqual(['integration.rules_applied', 'integration.enriched', 'call of main']);
  expect(second).toMatchObject({ answers: [], held: { kind: 'later' } });
});

test('S5: what is behind it in a later step goes up to that, which is left to its own group for a while', async () => {
  const carrier = carrierOf({ ...PLAIN, entry: { type: 'api' } });
  const events = [1, 2].map((at) => requested({ order: 'o' }, at));
  const ways = await carrier.prepare(validationStep, events, NO_SHARE);
  const [first, second] = [...ways.values()] as [Way, Way];
  expect(said(first)).toHaveLength(4);
  expect(said(second)).toEqual(['integration.validated']);
  expect(second.held).toBeUndefined();
  expect(said(await carried(carrier, requested({ order: 'o' }, 3)))).toEqual(['integration.validated']);
});

test('what was carried is known again, until much more was', () => {
  const carrier = carrierOf(PLAIN);
  carrier.noteCarried(['hub/0/1']);
  expect([carrier.hasCarried(requested({}, 1)), carrier.hasCarried(requested({}, 2))]).toEqual([true, false]);
  for (const partition of [1, 2]) {
    expect(carrier.hasCarried(requested({}, 1))).toBe(true);
    carrier.noteCarried(Array.from({ length: 50_000 }, (_, at) => `hub/${partition}/${at}`));
  }
  expect(carrier.hasCarried(requested({}, 1))).toBe(false);
});
