import { expect, test } from 'vitest';
import { Fault } from '#kernel/fault.ts';
import { inHalves } from './in-halves.ts';

/** Works on what is given but for the items at fault; what was worked on, and what has failed alone. */
async function halve(items: readonly number[], atFault: readonly number[]) {
  const worked: number[] = [];
  const failed: number[] = [];
  let tries = 0;
  const succeeded = await inHalves(items, {
    async work(some) {
      tries += 1;
      if (some.some((item) => atFault.includes(item))) throw new Fault('at fault', { transient: false });
      worked.push(...some);
    },
    onFailed: (item) => void failed.push(item),
  });
  return { succeeded, worked, failed, tries };
}

test('what is sound is worked on at once', async () => {
  expect(await halve([1, 2, 3], [])).toEqual({ succeeded: 3, worked: [1, 2, 3], failed: [], tries: 1 });
});

test('nothing is nothing to work on', async () => {
  expect(await halve([], [])).toMatchObject({ succeeded: 0, tries: 0 });
});

test('R6: each that is at fault stands alone, and keeps none of the others from it', async () => {
  const items = Array.from({ length: 9 }, (_, index) => index);
  expect(await halve(items, [0, 4, 8])).toMatchObject({
    succeeded: 6,
    worked: [1, 2, 3, 5, 6, 7],
    failed: [0, 4, 8],
  });
});

test('a transient fault is thrown, and nobody has failed by it', async () => {
  const failed: number[] = [];
  const halving = inHalves([1, 2], {
    work: () => Promise.reject(new Fault('away', { transient: true })),
    onFailed: (item) => void failed.push(item),
  });
  await expect(halving).rejects.toThrow('away');
  expect(failed).toEqual([]);
});
