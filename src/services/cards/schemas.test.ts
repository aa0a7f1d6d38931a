import { expect, test } from 'vitest';
import { createFaultFinder } from '#platform/http/validation.ts';
import { CardTransactionBody } from './schemas.ts';

test('K6: the API document takes a card transaction by either of its names, and not without one', () => {
  const findFaults = createFaultFinder(CardTransactionBody, { strictRequired: false });
  const faultsOf = (members: object) => findFaults({ mcc: '5811', merchant: 'PADARIA', ...members }, '');
  expect(faultsOf({ account: '123', totalAmount: 100 })).toEqual([]);
  expect(faultsOf({ accountId: '123', amount: 100 })).toEqual([]);
  expect(faultsOf({ account: '123', amount: 100, network: 'any' })).toEqual([]);
  expect(faultsOf({ account: '123' })).not.toEqual([]);
  expect(faultsOf({ totalAmount: 100 })).not.toEqual([]);
});
