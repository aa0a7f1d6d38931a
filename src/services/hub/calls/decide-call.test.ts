/** U10, U13, H4: what follows from each end of a try, told apart. Pure. */
import { describe, expect, test } from 'vitest';
import type { ConnectorDefinition } from '../connector.ts';
import { type Call, retryDelayMs } from './call.ts';
import { type CallOutcome, type CallReport, endTry } from './decide-call.ts';

const NOW = Date.UTC(2026, 0, 2);
const UUID = '0198a2b4-0000-7000-8000-000000000001';
const http = { type: 'http', method: 'POST', url: 'https://erp.example/exports', attempts: 3 } as const;
const PLAIN: ConnectorDefinition = { entry: { type: 'api' }, destinations: { erp: http } };
const UNDOABLE: ConnectorDefinition = {
  entry: { type: 'api' },
  destinations: { erp: { ...http, undo: { method: 'POST', url: 'https://erp.example/undo' } } },
};

function call(more: Partial<Call> = {}): Call {
  return {
    tenant: 'acme',
    uuid: UUID,
    step: 'delivery',
    connector: 'erp',
    connectorVersion: 1,
    destination: 'erp',
    request: { message: '{"a":1}', route: 'erp', body: '{}' },
    state: 'sending',
    tries: 1,
    isUnknown: false,
    history: [],
    dueAt: NOW,
    giveUpAt: NOW + 3_600_000,
    timeoutMs: 1000,
    cause: 'hub/1/1',
    origin: UUID,
    correlationId: 'cor',
    traceparent: null,
    ...more,
  };
}

function end(of: Call, outcome: CallOutcome, definition = PLAIN, begunAs = of.tries) {
  const report: CallReport = { call: { ...of, tries: begunAs }, at: NOW, outcome };
  return endTry(of, report, { definition, now: NOW, random: () => 1 });
}

const said = { detail: 'so it was', latencyMs: 5 };

describe('a try of a delivery', () => {
  test('that was taken ends it, whatever was tried since', () => {
    const taken = { kind: 'delivered', ...said, status: 201, reference: 'exp_1' } as const;
    const late = end(call({ tries: 2 }), taken, PLAIN, 1);
    expect(late).toMatchObject({
      call: { state: 'done', dueAt: null },
      said: { type: 'integration.delivered', status: 'delivered', data: { reference: 'exp_1', status: 201 } },
    });
    expect(end(call({ state: 'done' }), taken)).toBeUndefined();
  });

  test('that failed for now is tried again later, at the earliest when the destination says', () => {
    expect(end(call(), { kind: 'transient', ...said })).toMatchObject({
      call: { state: 'waiting', dueAt: NOW + 1000, tries: 1 },
      said: undefined,
    });
    expect(end(call(), { kind: 'transient', ...said, retryAfterMs: 30_000 })?.call.dueAt).toBe(NOW + 30_000);
    expect(end(call({ tries: 2 }), { kind: 'transient', ...said }, PLAIN, 1)).toBeUndefined();
  });

  test.each<CallOutcome>([
    { kind: 'transient', ...said },
    { kind: 'unknown', ...said },
    { kind: 'not_called', ...said, retryAfterMs: 250 },
  ])('that ended as $kind is noted once, however often it is reported', (outcome) => {
    const noted = end(call(), outcome)?.call;
    expect(noted?.history).toHaveLength(1);
    expect(end(noted as Call, outcome, PLAIN, 1)).toBeUndefined();
  });

  test('is the last one at its number of attempts, not before', () => {
    expect(end(call({ tries: 2 }), { kind: 'transient', ...said })?.said).toBeUndefined();
    expect(end(call({ tries: 3 }), { kind: 'transient', ...said })?.said).toMatchObject({
      type: 'integration.failed',
      failure: { code: 'hub.destination_fails' },
      data: { undo: null, message: null },
    });
    expect(end(call({ giveUpAt: NOW }), { kind: 'transient', ...said })?.said?.status).toBe('failed');
  });

  test('that is refused is not tried again', () => {
    expect(end(call(), { kind: 'permanent', ...said, status: 422 })?.said).toMatchObject({
      type: 'integration.failed',
      failure: { step: 'delivery', code: 'hub.destination_refuses' },
    });
  });

  test('that did not leave counts as none', () => {
    const waiting = end(call({ tries: 3 }), { kind: 'not_called', ...said, retryAfterMs: 250 });
    expect(waiting).toMatchObject({ call: { state: 'waiting', tries: 2 }, said: undefined });
  });

  test('of which nobody knows the end is tried under the same key, then undone if it can be', () => {
    expect(end(call(), { kind: 'unknown', ...said })).toMatchObject({ call: { isUnknown: true } });
    const doubtful = call({ tries: 3, isUnknown: true });
    expect(end(doubtful, { kind: 'transient', ...said }, UNDOABLE)?.said).toMatchObject({
      status: 'undoing',
      failure: { code: 'hub.outcome_unknown' },
      data: { undo: 'erp', message: '{"a":1}' },
    });
    expect(end(doubtful, { kind: 'transient', ...said }, PLAIN)?.said?.status).toBe('failed');
    expect(end(call({ tries: 3 }), { kind: 'transient', ...said }, UNDOABLE)?.said?.status).toBe('failed');
  });
});

test('an undo that is refused is put before a person', () => {
  expect(end(call({ step: 'undo' }), { kind: 'permanent', ...said }, UNDOABLE)?.said).toMatchObject({
    type: 'integration.undo_failed',
    status: 'undo_failed',
  });
});

test('U10: delays double from a second to five minutes, and are spread over their upper half', () => {
  const longest = [1, 2, 3, 9, 10, 50].map((tries) => retryDelayMs(tries, () => 1));
  expect(longest).toEqual([1000, 2000, 4000, 256_000, 300_000, 300_000]);
  expect(retryDelayMs(3, () => 0)).toBe(2000);
  expect(Number.isInteger(retryDelayMs(3, () => 1 / 3))).toBe(true);
});
