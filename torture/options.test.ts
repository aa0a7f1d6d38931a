import { expect, test } from 'vitest';
import { parseOptions } from './options.ts';
import { KINDS } from './plan/fault-kinds.ts';

test('without a word: the short run, with the seed of the clock', () => {
  expect(parseOptions([], 42)).toEqual({
    ok: true,
    value: { faults: 60, seconds: 90, seed: 42, rate: 40, kinds: KINDS, json: false, keep: false },
  });
});

test('a seed that is given is taken', () => {
  expect(parseOptions(['--seed', '7', '--faults', '1000', '--json'], 42)).toMatchObject({
    value: { seed: 7, faults: 1000, json: true },
  });
});

test.each([['--faults', '0'], ['--faults', 'many'], ['--seed', '-1'], ['--kinds', 'flood'], ['--unknown']])(
  'refused: %s %s',
  (...args) => {
    expect(
      parseOptions(
        args.filter((arg) => arg !== ''),
        42,
      ),
    ).toMatchObject({ ok: false });
  },
);
