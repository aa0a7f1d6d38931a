import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findFreePort } from '#platform/processes/free-port.ts';
import { LastroHome } from './lastro-home.ts';
import { type HttpAnswer, http } from './lastro-process.ts';

let home: LastroHome;

beforeAll(async () => {
  home = await LastroHome.open();
});
afterAll(() => home.remove());

test('D1: the first who is let into a new sandbox finds all that it is seeded with', async () => {
  const port = await findFreePort();
  // A sandbox that is seeded slowly.
  const settings = { HOST: '127.0.0.1', PORT: String(port), SERVICES: 'cards,ledger', RATE_LIMIT: '2' };
  const starting = home.start(settings);
  const [first] = await Promise.all([firstAnswer(`http://127.0.0.1:${port}/v1/cards/123`), starting]);
  expect(first.json()).toMatchObject({ account: '123', balances: { FOOD: 100_000 } });
});

async function firstAnswer(url: string): Promise<HttpAnswer> {
  for (;;) {
    const answer = await http(url).catch(() => undefined);
    if (answer !== undefined) return answer;
    await delay(5);
  }
}
