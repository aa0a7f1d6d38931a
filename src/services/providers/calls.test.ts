/** Calls whose answers the test gives: what the gate learns from them, and what the dispatcher reports. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { sendingAttempt } from '../../../tests/sending-attempt.ts';
import type { Attempt } from './attempt.ts';
import { Dispatcher } from './dispatcher.ts';
import type { GatewayAnswer, GatewayRequest } from './gateway-protocol.ts';
import type { HttpSender } from './http-sender.ts';
import { ProviderGate } from './provider-gate.ts';
import type { CallReport } from './report.ts';

/** Busy machines take their time. */
const PATIENCE = { timeout: 15_000, interval: 5 };

const TERMS = {
  name: 'alfa',
  url: '',
  apiKey: '',
  webhookSecret: '',
  timeoutMs: 20_000,
  concurrency: 64,
  canVoid: true,
  settlesWithinMs: 1000,
};
const DECLINES = { status: 422, retryAfter: undefined, body: Buffer.from('{"code":"currency"}') };
const KNOWS_NOTHING = {
  status: 404,
  retryAfter: undefined,
  body: Buffer.from('{"code":"charge_not_found"}'),
};

interface Sent {
  readonly request: GatewayRequest;
  answer(answer: GatewayAnswer): void;
  fail(): void;
}

/** A provider that answers the probe by itself, and everything else when it is told to. */
class Provider implements HttpSender {
  readonly sent: Sent[] = [];
  probes = 0;

  send(request: GatewayRequest): Promise<GatewayAnswer> {
    if (Object.keys(request.headers).length === 0) {
      this.probes++;
      return Promise.resolve(KNOWS_NOTHING);
    }
    const { promise, resolve, reject } = Promise.withResolvers<GatewayAnswer>();
    this.sent.push({ request, answer: resolve, fail: () => reject(new Error('cut')) });
    return promise;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const gates: ProviderGate[] = [];

afterEach(async () => {
  await Promise.all(gates.splice(0).map((gate) => gate.close()));
});

function gateTo(provider: Provider): { gate: ProviderGate; timesBack: () => number } {
  let times = 0;
  const gate = new ProviderGate({
    terms: TERMS,
    sender: provider,
    clock: systemClock,
    onBack: () => times++,
    onCalled: () => undefined,
  });
  gates.push(gate);
  return { gate, timesBack: () => times };
}

function dispatcherTo(provider: Provider): { dispatcher: Dispatcher; reports: readonly CallReport[] } {
  const reports: CallReport[] = [];
  const dispatcher = new Dispatcher({
    gates: new Map([['alfa', gateTo(provider).gate]]),
    reports: {
      submit: ({ report }) => {
        if (report.from === 'call') reports.push(report);
        return Promise.resolve(true);
      },
    },
    clock: systemClock,
    isOwned: () => true,
    onRoom: () => undefined,
    onError: (error) => expect(error).toBeUndefined(),
  });
  return { dispatcher, reports };
}

describe('P3: a charge that was sent before the pause', () => {
  test.each<[string, (sent: Sent | undefined) => void]>([
    ['and is answered after it does not end the trial', (sent) => sent?.answer(DECLINES)],
    ['and fails after it does not fail the trial', (sent) => sent?.fail()],
  ])('%s', async (_what, end) => {
    const provider = new Provider();
    const { gate, timesBack } = gateTo(provider);
    const charge = () => gate.charge(sendingAttempt(), () => undefined);
    const before = charge();
    const failing = Array.from({ length: 5 }, charge);
    for (const sent of provider.sent.slice(1)) sent.fail();
    await Promise.all(failing);
    expect([gate.status.breaker, gate.isAwaited]).toEqual(['open', true]);
    await vi.waitUntil(() => gate.status.breaker === 'closed', { timeout: 5000 });
    expect([gate.room, timesBack()]).toEqual([1, 1]);

    end(provider.sent[0]);
    await before;
    expect([gate.status.breaker, gate.room]).toEqual(['closed', 1]);
    const trial = charge();
    expect(gate.room).toBe(0);
    provider.sent.at(-1)?.answer(DECLINES);
    await trial;
    expect(gate.room).toBeGreaterThan(1);
    expect(timesBack()).toBe(2);
  });
});

test('a question that is claimed again while it waits is asked once, and its answer is that of the last claim', async () => {
  const provider = new Provider();
  const { dispatcher, reports } = dispatcherTo(provider);
  const asked = (calls: number): Attempt => sendingAttempt({ state: 'unknown', calls });
  for (const calls of [3, 4, 5]) dispatcher.take(asked(calls), 'inquire');
  expect(provider.sent).toHaveLength(1);
  provider.sent[0]?.answer(KNOWS_NOTHING);
  await vi.waitUntil(() => reports.length > 0, PATIENCE);
  expect(reports).toMatchObject([{ begunAs: 3, call: 5, result: { kind: 'not_found' } }]);
  await dispatcher.stop();
});

test('a charge does not leave after its deadline', async () => {
  const provider = new Provider();
  const { dispatcher, reports } = dispatcherTo(provider);
  const now = systemClock.now();
  dispatcher.take(sendingAttempt({ deadlineAt: now, sendBefore: now + 60_000 }), 'charge');
  await vi.waitUntil(() => reports.length > 0, PATIENCE);
  expect(reports).toMatchObject([{ result: { kind: 'too_late' } }]);
  expect(provider.sent).toEqual([]);
  await dispatcher.stop();
});
