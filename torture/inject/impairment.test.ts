import { expect, test } from 'vitest';
import { Impairment } from './impairment.ts';

test('with one process left intake is possible all the time', () => {
  const impairment = new Impairment();
  impairment.begin('process-a');
  impairment.begin('wire-a');
  expect(impairment.end('wire-a')).toBe(false);
  expect(impairment.end('process-a')).toBe(false);
});

test('with none left it is possible again when the first of them is whole', () => {
  const impairment = new Impairment();
  impairment.begin('process-a');
  impairment.begin('wire-b');
  expect(impairment.end('wire-b')).toBe(true);
  expect(impairment.end('process-a')).toBe(false);
});

test('PostgreSQL is both', () => {
  const impairment = new Impairment();
  impairment.begin('postgres');
  expect(impairment.end('postgres')).toBe(true);
  impairment.begin('alfa');
  expect(impairment.end('alfa')).toBe(false);
});
