import { expect, test } from 'vitest';
import { FinalStates } from './final-states.ts';

test('who waits for an end when the process stops is told soon that it has not come', async () => {
  const states = new FinalStates(
    () => Promise.resolve(undefined),
    () => true,
  );
  const waiting = states.wait('acme', '0198a2b4-0000-7000-8000-000000000001', 3_600_000);
  states.stop();
  expect(await waiting).toBeUndefined();
  expect(await states.wait('acme', '0198a2b4-0000-7000-8000-000000000002', 3_600_000)).toBeUndefined();
});
