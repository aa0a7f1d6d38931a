import { expect, test } from 'vitest';
import { parseTraceparent } from './traceparent.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

test.each([
  [`00-${TRACE}-${PARENT}-01`, '01'],
  [`00-${TRACE}-${PARENT}-00`, '00'],
  [`00-${TRACE}-${PARENT}-ff`, '01'],
  [`00-${TRACE}-${PARENT}-02`, '00'],
  [`01-${TRACE}-${PARENT}-01`, '01'],
  [`cc-${TRACE}-${PARENT}-03-what-comes-later`, '01'],
])('%s is handed on, with no flag but sampled', (header, flags) => {
  expect(parseTraceparent(header)).toBe(`00-${TRACE}-${PARENT}-${flags}`);
});

test.each([
  '',
  'garbage',
  `00-${TRACE}-${PARENT}`,
  `00-${TRACE}-${PARENT}-01-more`,
  `00-${TRACE}-${PARENT}-1`,
  `00-${TRACE.toUpperCase()}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `ff-${TRACE}-${PARENT}-01`,
  `cc-${TRACE}-${PARENT}-01.`,
  `0-${TRACE}-${PARENT}-01`,
  ` 00-${TRACE}-${PARENT}-01`,
])('%j is ignored: a bad trace never fails a request', (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test('no header and several are no trace', () => {
  expect(parseTraceparent(undefined)).toBeUndefined();
  expect(parseTraceparent([`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`])).toBeUndefined();
});
