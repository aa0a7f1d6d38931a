import { describe, expect, test } from 'vitest';
import { correlationIdOf, isCorrelationId, newCorrelationId } from './correlation-id.ts';
import { isId } from './ids.ts';

describe('a correlation id (U17)', () => {
  test.each([
    'a',
    '7b3f',
    'cor_01h455vb4pex5vsknk084sn02q',
    'order#7:{x}/~!',
    '8e03978e-40d5-43dd',
    'x'.repeat(128),
  ])('%j of the caller is kept', (text) => {
    expect(correlationIdOf(text)).toBe(text);
  });

  test.each([
    undefined,
    '',
    'x'.repeat(129),
    'a b',
    'a, b',
    'a"b',
    "a'b",
    String.raw`a\b`,
    'a\r\nb',
    'a\n',
    'a\t',
    'a\0',
    'a\x7f',
    'ção',
  ])('%j gets a new one', (text) => {
    const id = correlationIdOf(text);
    expect(isId('cor', id)).toBe(true);
    expect(isCorrelationId(id)).toBe(true);
  });

  test('is another one each time', () => {
    expect(newCorrelationId()).not.toBe(newCorrelationId());
  });
});
