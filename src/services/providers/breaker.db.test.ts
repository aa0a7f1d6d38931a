import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#kernel/clock.ts';
import { type ProviderProcess, ProvidersFixture } from '../../../tests/providers-fixture.ts';
import { sendingAttempt } from '../../../tests/sending-attempt.ts';
import { httpSender } from './http-sender.ts';
import { ProviderGate } from './provider-gate.ts';

let world: ProvidersFixture;

beforeAll(async () => {
  world = await ProvidersFixture.open();
});

afterEach(() => world.stopProcesses());

afterAll(() => world.close());

function breakerOf({ providers }: ProviderProcess, name: string): string | undefined {
  return providers.statuses().find((status) => status.name === name)?.breaker;
}

test('a provider that stops answering is left within 5 s, asked by no payment while it is away, and comes back by itself', async () => {
  const process = world.process({ timeoutMs: 1000 });
  world.alfa.conduct = () => ({ acts: false, answers: 'never' });
  const stoppedAt = performance.now();
  const during: string[] = [];
  while (breakerOf(process, 'alfa') === 'closed') {
    during.push(await world.authorize());
    await world.waitUntil(async () => (await world.rows(during.at(-1) ?? '')).length > 0);
  }
  expect(performance.now() - stoppedAt).toBeLessThan(5000);

  const asked = world.alfa.count('charge');
  const elsewhere = await Promise.all(Array.from({ length: 10 }, () => world.authorize()));
  for (const payment of elsewhere)
    expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.approved']);
  await world.waitUntil(() => world.alfa.count('inquire') > 0);
  expect(world.alfa.count('charge')).toBe(asked);

  world.alfa.conduct = () => undefined;
  await world.waitUntil(() => breakerOf(process, 'alfa') === 'closed');
  // Who waited for it goes first; whoever comes before that is seen to goes to the other one.
  await world.waitUntil(async () => {
    const payment = await world.authorize();
    await world.hears(payment, 'provider.approved');
    return (await world.rows(payment))[0]?.provider === 'alfa';
  });
});

test('while nobody answers a charge waits without being tried, and goes to whoever answers first', async () => {
  const process = world.process({ timeoutMs: 300 });
  world.alfa.conduct = () => ({ acts: false, answers: 'never' });
  world.beta.conduct = () => ({ acts: false, answers: 'never' });
  const isEveryoneAway = (): boolean =>
    breakerOf(process, 'alfa') !== 'closed' && breakerOf(process, 'beta') !== 'closed';
  while (!isEveryoneAway()) {
    const payment = await world.authorize();
    await world.waitUntil(async () => (await world.rows(payment)).length > 0);
  }
  const payment = await world.authorize();
  await world.waitUntil(async () => (await world.rows(payment))[0]?.state === 'waiting');
  // Of some looks none finds it due.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(await world.rows(payment)).toMatchObject([{ state: 'waiting', calls: 0, provider: 'alfa' }]);

  world.beta.conduct = () => undefined;
  expect(await world.hears(payment, 'provider.approved')).toEqual(['provider.closed', 'provider.approved']);
  expect((await world.rows(payment)).at(-1)?.provider).toBe('beta');
});

test('one whose charges hang while it answers questions gets one charge at a time after each pause', async () => {
  const process = world.process({ timeoutMs: 300 });
  world.alfa.conduct = ({ operation }) =>
    operation === 'charge' ? { acts: false, answers: 'never' } : undefined;
  const opened = async (): Promise<void> => {
    while (breakerOf(process, 'alfa') === 'closed') {
      const payment = await world.authorize();
      await world.waitUntil(async () => (await world.rows(payment)).length > 0);
    }
  };
  await opened();
  await world.waitUntil(() => breakerOf(process, 'alfa') === 'closed');
  const asked = world.alfa.count('charge');
  await opened();
  expect(world.alfa.count('charge') - asked).toBe(1);
});

test('P3: after a pause there is room for one charge alone', async () => {
  const terms = world.configuration({ timeoutMs: 300 }).providers[0];
  if (terms === undefined) throw new Error('no provider');
  const gate = new ProviderGate({
    terms,
    sender: httpSender(terms),
    clock: systemClock,
    onBack: () => undefined,
    onCalled: () => undefined,
  });
  world.alfa.conduct = ({ operation }) =>
    operation === 'charge' ? { acts: false, answers: 500 } : undefined;
  while (gate.status.breaker === 'closed') await gate.charge(sendingAttempt(), () => undefined);
  expect(gate.room).toBe(0);
  await world.waitUntil(() => gate.status.breaker === 'closed');
  expect(gate.room).toBe(1);
  await gate.close();
});
