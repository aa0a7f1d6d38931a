import { afterEach, describe, expect, it } from 'vitest';
import { AnsweringServer, type AnsweringServerOptions } from './answering-server.ts';
import type { LoadPlan } from './load-plan.ts';
import { LoadRun } from './load-run.ts';

const PENDING = { status: 202, body: '{"id":"pay_1","status":"pending"}' };
const COMPLETED = { status: 200, body: '{"id":"pay_1","status":"completed"}' };

let server: AnsweringServer | undefined;

afterEach(() => server?.close());

describe('LoadRun', () => {
  it('sends a payment of its own each time and counts every acceptance', async () => {
    const result = await load(() => PENDING, { durationMs: 200, connections: 4 });
    expect(result.accepted).toBeGreaterThan(10);
    expect(result).toMatchObject({ refused: 0, dropped: 0, unexpected: {}, incomplete: 0 });
    expect(result.acceptance.count).toBe(result.accepted);
    expect(result.sampleIds[0]).toBe('pay_1');
    const keys = (server?.requests ?? []).map((request) => /idempotency-key: (\S+)/.exec(request)?.[1]);
    expect(keys.length).toBe(result.accepted);
    expect(new Set(keys).size).toBe(result.accepted);
  });

  it('keeps to the rate in an open loop', async () => {
    const result = await load(() => PENDING, { durationMs: 500, ratePerSecond: 200, connections: 4 });
    expect(result.accepted).toBeGreaterThanOrEqual(99);
    expect(result.accepted).toBeLessThanOrEqual(100);
  });

  it('charges a stalled server for the requests it kept from being sent', async () => {
    const stallMs = 100;
    const startedAtMs = performance.now();
    const stall = (_: string, requests: number) => {
      if (requests === 1) spin(stallMs);
      return PENDING;
    };
    const result = await load(stall, { durationMs: 200, ratePerSecond: 1000, connections: 1 });
    expect(performance.now() - startedAtMs).toBeGreaterThan(stallMs);
    // A closed loop would have seen one slow answer; half of what was due is late by half of the stall on average.
    expect(result.acceptance.p50Ms).toBeGreaterThan(1);
    expect(result.acceptance.maxMs).toBeGreaterThanOrEqual(stallMs);
    expect(result.accepted).toBe(200);
  });

  it('measures completion on requests that wait for the final state', async () => {
    const answer = (head: string) => (head.includes('prefer: wait=') ? COMPLETED : PENDING);
    const result = await load(answer, {
      durationMs: 500,
      ratePerSecond: 1000,
      connections: 4,
      waitingConnections: 2,
    });
    expect(result.finalStates).toEqual({ completed: 5 });
    expect(result.completion.count).toBe(5);
    expect(result.accepted).toBe(result.acceptance.count + 5);
  });

  it('counts a final state that did not come as incomplete', async () => {
    const result = await load(() => PENDING, { durationMs: 50, connections: 1, waitingConnections: 1 });
    expect(result.incomplete).toBeGreaterThan(0);
    expect(result.completion.count).toBe(0);
  });

  it('counts what should have waited and found every connection that waits held up', async () => {
    let held = 0;
    server = new AnsweringServer({
      // The first one waits for ever: an answer without its body.
      answer: (head) => {
        if (!head.includes('prefer: wait=')) return PENDING;
        held += 1;
        return { status: 200, body: '', length: 1 };
      },
    });
    const plan = { durationMs: 500, ratePerSecond: 1000, connections: 4, waitingConnections: 1 };
    const run = new LoadRun(planOf({ ...plan, port: await server.open() }), { patienceMs: 100 });
    await run.open();
    const result = await run.run();
    expect(held).toBe(1);
    expect(result).toMatchObject({ incomplete: 4, dropped: 1, completion: { count: 0 } });
    expect(result.accepted).toBe(499);
  });

  it('counts what an open loop owed and never sent', async () => {
    server = new AnsweringServer({
      answer: (_, requests) => (requests <= 10 ? PENDING : { status: 202, body: '', length: 1 }),
    });
    const plan = { durationMs: 200, ratePerSecond: 500, connections: 1 };
    const run = new LoadRun(planOf({ ...plan, port: await server.open() }), { patienceMs: 100 });
    await run.open();
    expect(await run.run()).toMatchObject({ accepted: 10, dropped: 1, unsent: 89 });
  });

  it('takes no answer for one in time that came after the last request', async () => {
    const answer = (_: string, requests: number) => {
      if (requests === 5) spin(50);
      return PENDING;
    };
    const result = await load(answer, { durationMs: 10_000, connections: 1, maxRequests: 5 });
    expect(result).toMatchObject({ accepted: 5, acceptedInTime: 4 });
  });

  it('counts refusals and other answers by themselves', async () => {
    const answers = [
      { status: 503, body: '{}' },
      { status: 429, body: '{}' },
      { status: 500, body: '{}' },
    ];
    const result = await load((_, requests) => answers[requests - 1] ?? PENDING, {
      durationMs: 400,
      connections: 1,
    });
    expect(result.refused).toBe(2);
    expect(result.unexpected).toEqual({ '500': 1 });
    expect(result.accepted).toBeGreaterThan(0);
  });

  it('counts a cut connection as dropped, comes back, and goes on', async () => {
    const result = await load((_, requests) => (requests === 3 ? undefined : PENDING), {
      durationMs: 400,
      connections: 1,
    });
    expect(result.dropped).toBe(1);
    expect(result.accepted).toBeGreaterThan(2);
  });

  it('stops at the number of requests it was given', async () => {
    const result = await load(() => PENDING, { durationMs: 10_000, connections: 3, maxRequests: 50 });
    expect(result.accepted).toBe(50);
    expect(result.elapsedMs).toBeLessThan(10_000);
  });

  it('has no more payments unfinished than it may', async () => {
    server = new AnsweringServer({ answer: () => PENDING });
    const plan = { durationMs: 300, connections: 4, waitingConnections: 1, maxUnfinished: 20 };
    const run = new LoadRun(planOf({ ...plan, port: await server.open() }));
    await run.open();
    const result = await run.run();
    expect(result.accepted).toBe(20);
    expect(result.incomplete).toBeGreaterThan(0);
  });

  it('goes on as payments finish', async () => {
    const run: { current?: LoadRun } = {};
    server = new AnsweringServer({
      answer: (_, requests) => {
        // Every tenth request tells that all but the ten latest payments have finished.
        if (requests % 10 === 0) setImmediate(() => run.current?.noteFinished(requests - 10));
        return PENDING;
      },
    });
    const plan = { durationMs: 10_000, connections: 4, maxUnfinished: 20, maxRequests: 200 };
    run.current = new LoadRun(planOf({ ...plan, port: await server.open() }));
    await run.current.open();
    const result = await run.current.run();
    expect(result.accepted).toBe(200);
    expect(result.elapsedMs).toBeLessThan(10_000);
  });

  it('fails when nobody listens', async () => {
    server = new AnsweringServer({ answer: () => PENDING });
    const port = await server.open();
    server.close();
    await expect(new LoadRun(planOf({ port, connections: 1 })).open()).rejects.toThrow();
  });
});

async function load(answer: AnsweringServerOptions['answer'], plan: Partial<LoadPlan>) {
  server = new AnsweringServer({ answer });
  const run = new LoadRun(planOf({ ...plan, port: await server.open() }));
  await run.open();
  return run.run();
}

function planOf(plan: Partial<LoadPlan>): LoadPlan {
  return {
    host: '127.0.0.1',
    port: 0,
    apiKey: 'lk_test',
    method: 'balance',
    wallets: 100,
    services: 10,
    seed: 1,
    durationMs: 1000,
    connections: 1,
    ratePerSecond: null,
    waitingConnections: 0,
    maxRequests: null,
    maxUnfinished: null,
    ...plan,
  };
}

function spin(durationMs: number): void {
  const endMs = performance.now() + durationMs;
  while (performance.now() < endMs);
}
