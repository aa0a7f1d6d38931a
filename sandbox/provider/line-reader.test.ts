import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineReader } from './line-reader.ts';

function read(chunks: readonly Buffer[]): { lines: [string, number][]; wholeBytes: number } {
  const lines: [string, number][] = [];
  const reader = new LineReader((line, number) => lines.push([line, number]));
  for (const chunk of chunks) reader.push(chunk);
  return { lines, wholeBytes: reader.wholeBytes };
}

test('J3: a torn last line is no line, and is told from what is whole', () => {
  expect(read([Buffer.from('{"a":1}\n{"b":2}\n{"c"')])).toEqual({
    lines: [
      ['{"a":1}', 1],
      ['{"b":2}', 2],
    ],
    wholeBytes: 16,
  });
});

test('nothing is nothing, and one torn line is all of it', () => {
  expect(read([])).toEqual({ lines: [], wholeBytes: 0 });
  expect(read([Buffer.from('{"a')])).toEqual({ lines: [], wholeBytes: 0 });
});

test('however the bytes come, the lines are the same, also where a letter is cut in two', () => {
  const line = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\n'));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(), { maxLength: 10 }), (lines, cuts) => {
      const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
      const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
      const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
      expect(read(chunks)).toEqual({
        lines: lines.map((text, index) => [text, index + 1]),
        wholeBytes: bytes.length,
      });
    }),
  );
});
