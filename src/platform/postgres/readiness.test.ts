import { expect, test } from 'vitest';
import { DatabaseFault } from './faults.ts';
import { databaseLack } from './readiness.ts';

const readerOf = (answer: () => Promise<unknown[]>) => ({
  query: <Row>() => answer() as Promise<Row[]>,
});

/** As a session gives what a server said to who connects: its state is the cause's. */
const refusal = (code: string) =>
  new DatabaseFault('password authentication failed for user "lastro"', {
    transient: true,
    state: undefined,
    cause: Object.assign(new Error('password authentication failed for user "lastro"'), { code }),
  });

test.each([
  ['28P01', 'does not let this process in (SQLSTATE 28P01)'],
  ['28000', 'does not let this process in (SQLSTATE 28000)'],
  ['3D000', 'is not on its server (SQLSTATE 3D000)'],
  ['53300', 'has no room for this process (SQLSTATE 53300)'],
  ['57P03', 'is starting or stopping'],
  ['58030', 'cannot be reached (SQLSTATE 58030)'],
  ['25006', 'takes no writes'],
  ['ECONNREFUSED', 'cannot be reached'],
])('a server that answers %s: %s', async (code, lack) => {
  expect(await databaseLack(readerOf(() => Promise.reject(refusal(code))))).toBe(lack);
});

test('a server that reads is ready if it writes as well', async () => {
  const reader = (value: string) => readerOf(async () => [{ transaction_read_only: value }]);
  expect(await databaseLack(reader('off'))).toBeUndefined();
  expect(await databaseLack(reader('on'))).toBe('takes no writes');
});
