import { expect, test } from 'vitest';
import { NoTurn, readingTenant } from '#platform/postgres/read-turns.ts';
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

test('a look that had no turn to read is made again', async () => {
  const answers = [() => Promise.reject(new NoTurn('no turn', { transient: true })), async () => DONE];
  const seen: (string | undefined)[] = [];
  const states = new FinalStates(
    () => {
      seen.push(readingTenant.getStore());
      return (answers.shift() as () => Promise<typeof DONE>)();
    },
    (status) => status === 'completed',
  );
  expect(await states.wait('acme', 'uuid', 5000)).toBe(DONE);
  expect(seen).toEqual(['acme', 'acme']);
});

const DONE = { status: 'completed' };
