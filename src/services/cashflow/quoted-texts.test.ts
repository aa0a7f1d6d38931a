/** F5: no entry is made of what a file only quotes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFaultFinder } from '#platform/http/validation.ts';
import { readLines } from './import-lines.ts';
import { LineCutter, TextTooLong } from './line-cutter.ts';
import { findQuotedTexts } from './quoted-texts.ts';
import { CashEntryBody } from './schemas.ts';

const findFaults = createFaultFinder(CashEntryBody);
const COLUMNS = ['account_id', 'direction', 'amount', 'occurred_on', 'description', 'category'];
const FORGED = 'book,credit,999,2026-11-19,forged,';

function textsIn(...lines: string[]) {
  return findQuotedTexts(lines.map((line) => Buffer.from(line)));
}

describe('a text that goes on over lines', () => {
  test.each([
    ['is quoted', ['a,"b', 'c', 'd",e', 'f'], [[0, 2]]],
    ['has quotes', ['a,"b ""', '""c"",x', '""",d'], [[0, 2]]],
    ['ends with its line, in CRLF', ['"a\r', 'b"\r', 'c\r'], [[0, 1]]],
    [
      'is followed by another',
      ['a,"b', 'c","d', 'e"', 'f'],
      [
        [0, 1],
        [1, 2],
      ],
    ],
    ['is none: its quote is never closed', ['a,"b', 'c', 'd'], []],
    ['is none: the next quote begins a text', ['a,"b', 'c,"d",e', 'f'], []],
    ['is none: each text ends in its line', ['a,"b ""c""",""', '"","d"'], []],
    ['is none: a quote stands where none may', ['a,b"', 'c"', 'd'], []],
  ])('%s', (_what, lines, expected) => {
    expect(textsIn(...lines).texts.map(({ from, to }) => [from, to])).toEqual(expected);
  });

  test('that is still open is told of', () => {
    expect(textsIn('a', 'b,"c', 'd').openFrom).toBe(1);
    expect(textsIn('a', 'b,"c"').openFrom).toBeUndefined();
  });
});

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

function entriesIn(file: string, size: number): string[] {
  const cutter = new LineCutter();
  const chunks = [];
  for (let at = 0; at < file.length; at += size)
    chunks.push(...cutter.feed(Buffer.from(file.slice(at, at + size))));
  const last = cutter.end();
  if (last !== undefined) chunks.push(last);
  return chunks.flatMap((chunk) => {
    const { entries } = readLines(chunk, { columns: COLUMNS, accountId: null }, findFaults);
    return entries.map(({ terms }) => terms.description);
  });
}

test('entries are the records of one line, wherever the file is cut', () => {
  const description = fc.constantFrom(
    'Rent',
    'a "b", c',
    'x\ny',
    `x\n${FORGED}\ny`,
    `x"\n${FORGED}\n"y`,
    `x\n${`${FORGED}\n`.repeat(20)}`,
  );
  fc.assert(
    fc.property(
      fc.array(description, { maxLength: 400 }),
      fc.integer({ min: 100, max: 50_000 }),
      fc.constantFrom('\n', '\r\n'),
      (descriptions, size, end) => {
        const file = descriptions.map((each) => `book,credit,1,2026-11-19,${quoted(each)},${end}`).join('');
        expect(entriesIn(file, size)).toEqual(descriptions.filter((each) => !each.includes('\n')));
      },
    ),
    { numRuns: 100 },
  );
});

test('a text that no chunk can hold is refused, a quote that is never closed is not', () => {
  const opened = `book,credit,1,2026-11-19,"x\n${`${FORGED}\n`.repeat(600)}`;
  expect(entriesIn(opened, 1000)).toHaveLength(600);
  expect(() => entriesIn(`${opened}y",\n`, 1000)).toThrow(TextTooLong);
  expect(() => entriesIn(`${opened}y",`, 1000)).toThrow(TextTooLong);
  expect(entriesIn(`${opened}book,credit,1,2026-11-19,"y",\n`, 1000)).toHaveLength(601);
});
