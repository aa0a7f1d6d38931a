import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HubDesk } from './hub-desk.ts';
import { LastroHome } from './lastro-home.ts';

/** Each takes the evaluation half a second or more, and is told from the others by its number. */
const LOOPS = 100;

let home: LastroHome;

beforeAll(async () => {
  home = await LastroHome.open();
});
afterAll(() => home.remove());

test('H8: a process that is told to stop does not wait for expressions that loop', async () => {
  const process = await home.start({});
  const hub = new HubDesk(process.url);
  const loops = Array.from({ length: LOOPS }, (_, loop) => `loop-${loop}`);
  for (const [index, loop] of loops.entries())
    await hub.putConnector(loop, {
      entry: { type: 'api' },
      rules: [{ when: `(${index}; $f := function($n) { $f($n + 1) }; $f(0))`, refuse: 'never' }],
      destinations: { main: { type: 'payment', body: '{}' } },
    });
  const accepted = await Promise.all(loops.map((loop) => hub.send(loop, { a: 1 })));
  expect(new Set(accepted.map(({ status }) => status))).toEqual(new Set([202]));
  await delay(3000);
  process.kill('SIGTERM');
  const { code } = (await Promise.race([process.ended, delay(10_000)])) ?? { code: 'still there' };
  expect(code).toBe(0);
});
