import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFaultFinder } from '#platform/http/validation.ts';
import { parseHeader, readLines } from './import-lines.ts';
import { LineCutter, LineTooLong } from './line-cutter.ts';
import { CashEntryBody } from './schemas.ts';

const findFaults = createFaultFinder(CashEntryBody);
const COLUMNS = ['account_id', 'direction', 'amount', 'occurred_on', 'description', 'category'];

function read(text: string | Buffer, columns: readonly string[] = COLUMNS, accountId: string | null = null) {
  return readLines(
    { firstLine: 2, content: Buffer.from(text as string) },
    { columns, accountId },
    findFaults,
  );
}

describe('the first line', () => {
  test('names the columns in any order, with a byte order mark, quotes and spaces', () => {
    const header = Buffer.from('\uFEFFamount, "direction" ,description,occurred_on,account_id\r');
    expect(
      parseHeader(Buffer.from('\uFEFFamount,"direction",description ,occurred_on,account_id\r'), undefined),
    ).toEqual({
      ok: true,
      value: ['amount', 'direction', 'description', 'occurred_on', 'account_id'],
    });
    expect(parseHeader(header, undefined).ok).toBe(false);
  });

  test.each([
    ['an unknown name', 'account_id,direction,amount,occurred_on,description,colour', undefined],
    ['a name twice', 'account_id,direction,amount,occurred_on,description,amount', undefined],
    ['a name that is missing', 'account_id,direction,occurred_on,description', undefined],
    ['no account at all', 'direction,amount,occurred_on,description', undefined],
    ['the account twice', 'account_id,direction,amount,occurred_on,description', 'book'],
    ['no CSV', '"account_id,direction', undefined],
    ['nothing', '', undefined],
  ])('with %s is refused', (_what, line, accountId) => {
    expect(parseHeader(Buffer.from(line), accountId)).toMatchObject({
      ok: false,
      problem: { code: 'cashflow.malformed_csv' },
    });
  });

  test('with other separators is refused, and says which are meant', () => {
    expect(parseHeader(Buffer.from('direction;amount;occurred_on;description'), 'book')).toMatchObject({
      problem: { detail: expect.stringContaining('separated by commas') as string },
    });
  });

  test('that is no UTF-8 is refused', () => {
    expect(parseHeader(Buffer.from([0x61, 0xff]), undefined).ok).toBe(false);
  });
});

describe('a line', () => {
  test('in another encoding is refused as that', () => {
    const { errors } = read(Buffer.from('book,credit,100,2026-11-19,Caf\u00e9,Food', 'latin1'));
    expect(errors).toMatchObject([
      { code: 'cashflow.malformed_line', detail: expect.stringContaining('another encoding') as string },
    ]);
  });

  test('is an entry, whatever its quotes, its ending and the blank lines about it', () => {
    const text = [
      'book,credit,100,2026-11-19,"Coffee, ""black""",Food\r',
      '',
      '  ',
      'book,debit,9007199254740991,2026-11-18,Rent,',
    ].join('\n');
    const { entries, errors } = read(text);
    expect(errors).toEqual([]);
    expect(entries).toEqual([
      {
        line: 2,
        terms: {
          account_id: 'book',
          direction: 'credit',
          amount: 100,
          occurred_on: '2026-11-19',
          description: 'Coffee, "black"',
          category: 'Food',
        },
      },
      {
        line: 5,
        terms: {
          account_id: 'book',
          direction: 'debit',
          amount: 9_007_199_254_740_991,
          occurred_on: '2026-11-18',
          description: 'Rent',
        },
      },
    ]);
  });

  test('without a column of the account is of the one that the query names', () => {
    const { entries } = read('credit,1,2026-11-19,x', COLUMNS.slice(1, 5), 'till');
    expect(entries[0]?.terms.account_id).toBe('till');
  });

  const GOOD = 'book,credit,1,2026-11-19,x,';
  test.each<[string, string | Buffer, string, string | undefined]>([
    ['a value too few', 'book,credit,1,2026-11-19,x', 'cashflow.malformed_line', undefined],
    ['a value too many', 'book,credit,1,2026-11-19,x,y,z', 'cashflow.malformed_line', undefined],
    ['a quote in the middle', 'book,credit,1,2026-11-19,x"y,', 'cashflow.malformed_line', undefined],
    ['a quote that is not closed', 'book,credit,1,2026-11-19,"x,', 'cashflow.malformed_line', undefined],
    ['text behind a quote', 'book,credit,1,2026-11-19,"x"y,', 'cashflow.malformed_line', undefined],
    ['a NUL', 'book,credit,1,2026-11-19,x\0,', 'cashflow.malformed_line', undefined],
    ['bytes that are no UTF-8', Buffer.from([0x62, 0xff, 0x2c]), 'cashflow.malformed_line', undefined],
    ['no amount', 'book,credit,,2026-11-19,x,', 'request.invalid', '/amount'],
    ['an amount of nothing', 'book,credit,0,2026-11-19,x,', 'request.invalid', '/amount'],
    ['a negative amount', 'book,credit,-1,2026-11-19,x,', 'request.invalid', '/amount'],
    ['a fraction', 'book,credit,1.5,2026-11-19,x,', 'request.invalid', '/amount'],
    [
      'an amount that is not exact',
      'book,credit,9007199254740992,2026-11-19,x,',
      'request.invalid',
      '/amount',
    ],
    ['a day that is none', 'book,credit,1,2026-02-29,x,', 'request.invalid', '/occurred_on'],
    ['another direction', 'book,in,1,2026-11-19,x,', 'request.invalid', '/direction'],
    ['no description', 'book,credit,1,2026-11-19,,', 'request.invalid', '/description'],
    [
      'a category of 65 characters',
      `book,credit,1,2026-11-19,x,${'c'.repeat(65)}`,
      'request.invalid',
      '/category',
    ],
    ['an account that cannot be', '-book,credit,1,2026-11-19,x,', 'request.invalid', '/account_id'],
  ])('with %s is told of, and spoils no other', (_what, line, code, pointer) => {
    const text = Buffer.concat([
      Buffer.from(`${GOOD}\n`),
      Buffer.from(line as string),
      Buffer.from(`\n${GOOD}\n`),
    ]);
    const { entries, errors } = read(text);
    expect(entries.map((each) => each.line)).toEqual([2, 4]);
    expect(errors).toMatchObject([{ line: 3, code }]);
    expect(errors[0]?.errors?.[0]?.pointer).toBe(pointer);
  });
});

describe('a file is cut between lines', () => {
  function cut(pieces: readonly Buffer[]) {
    const cutter = new LineCutter();
    const chunks = pieces.flatMap((piece) => [...cutter.feed(piece)]);
    const last = cutter.end();
    return { chunks: last === undefined ? chunks : [...chunks, last], lines: cutter.lines };
  }

  test('however its bytes come, nothing is lost and every chunk knows its first line', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 900 }),
        fc.integer({ min: 1, max: 5000 }),
        fc.boolean(),
        (lengths, size, ends) => {
          const text = Buffer.from(
            lengths.map((length) => 'x'.repeat(length)).join('\n') + (ends ? '\n' : ''),
          );
          const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
            text.subarray(index * size, (index + 1) * size),
          );
          const { chunks } = cut(pieces);
          expect(text.equals(Buffer.concat(chunks.map(({ content }) => content)))).toBe(true);
          let line = 1;
          for (const { firstLine, content } of chunks) {
            expect(firstLine).toBe(line);
            const lines = content.toString().split('\n').length - 1;
            expect(lines).toBeLessThanOrEqual(250);
            expect(content.length).toBeLessThanOrEqual(64 * 1024);
            line += lines;
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('at 250 lines, or 64 KiB', () => {
    const many = cut([Buffer.from('x\n'.repeat(600))]);
    expect(many.chunks.map(({ firstLine }) => firstLine)).toEqual([1, 251, 501]);
    expect(many.lines).toBe(600);
    const long = cut([Buffer.from(`${'x'.repeat(40_000)}\n`.repeat(3))]);
    expect(long.chunks.map(({ firstLine }) => firstLine)).toEqual([1, 2, 3]);
  });

  test('a line that fits into no chunk is refused before it is there', () => {
    const cutter = new LineCutter();
    const piece = Buffer.from('x'.repeat(32 * 1024));
    expect(() => {
      for (let times = 0; times < 3; times++) Array.from(cutter.feed(piece));
    }).toThrow(LineTooLong);
  });
});
