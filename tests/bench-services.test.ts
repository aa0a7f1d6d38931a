/** A comparison of the bench leaves out one service, and runs every other: its list cannot be imported from the product. */
import { expect, test } from 'vitest';
import { SERVICES as BENCHED, servicesBut } from '../bench/product/services.ts';
import { SERVICES } from '../src/topology.ts';

test('the bench knows every service, but the one that every process runs', () => {
  expect(['access', ...BENCHED].toSorted()).toEqual(SERVICES.toSorted());
});

test('all but one are all but one', () => {
  const all = servicesBut(undefined).LASTRO_SERVICES.split(',');
  expect(all).toEqual(BENCHED);
  expect(servicesBut('integrity').LASTRO_SERVICES.split(',')).toEqual(
    all.filter((service) => service !== 'integrity'),
  );
});
