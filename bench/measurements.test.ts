import { expect, test } from 'vitest';
import { runUntilFailure } from './measurements.ts';

test('what fails is told, and what came before it stands', async () => {
  const ran: string[] = [];
  const step = (name: string, run: () => void = () => undefined) => ({
    name,
    run: async () => {
      run();
      ran.push(name);
    },
  });
  const broken = step('hot', () => {
    throw new Error('it is gone');
  });
  expect(await runUntilFailure([step('uniform'), broken, step('open')])).toMatch(/^hot: Error: it is gone/);
  expect(ran).toEqual(['uniform']);
  expect(await runUntilFailure([step('uniform')])).toBeUndefined();
});
