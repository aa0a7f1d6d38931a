import fc from 'fast-check';
import { expect, test } from 'vitest';
import { idOf } from '#kernel/ids.ts';
import {
  malformedCursor,
  NamedList,
  parseCursor,
  parseCursorOf,
  parseIdCursor,
  renderCursor,
  renderPage,
  rowsFor,
} from './cursor.ts';

const storable = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0') && text.length < 50);

test('a cursor comes back as the key that it was made of', () => {
  fc.assert(
    fc.property(fc.array(storable, { minLength: 1, maxLength: 3 }), (key) => {
      const cursor = renderCursor(key);
      expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(parseCursor(cursor, key.length)).toEqual({ ok: true, value: key });
      expect(parseCursor(cursor, key.length + 1).ok).toBe(false);
    }),
  );
});

test('a list whose keys could be those of another takes no cursor but its own', () => {
  expect(parseCursorOf('accounts', renderCursor(['accounts', 'a']), 1)).toEqual({ ok: true, value: ['a'] });
  expect(parseCursorOf('accounts', undefined, 1)).toEqual({ ok: true, value: undefined });
  for (const key of [['connectors', 'a'], ['a'], ['accounts'], ['accounts', 'a', 'a']])
    expect(parseCursorOf('accounts', renderCursor(key), 1).ok).toBe(false);
});

test('a list by names follows the pages that it has made', () => {
  const list = new NamedList('accounts');
  const { data, next_cursor } = list.page(['a', 'b', 'c'], 2, (name) => name);
  expect(data).toEqual(['a', 'b']);
  expect(list.keyIn(next_cursor ?? undefined)).toEqual({ ok: true, value: 'b' });
  expect(list.keyIn(undefined)).toEqual({ ok: true, value: undefined });
  expect(new NamedList('connectors').keyIn(next_cursor ?? undefined).ok).toBe(false);
});

test('the place in a log of 256 partitions is read back, however far each of them is', () => {
  const place = Array.from({ length: 256 }, (_, partition) => String(2 ** 40 + partition));
  expect(parseCursor(renderCursor(place), place.length)).toEqual({ ok: true, value: place });
});

test('the cursor of a list of ids is read as the uuid, and no other id’s is taken', () => {
  const uuid = '0198c0de-0000-7000-8000-000000000001';
  const cursor = renderCursor([idOf('pay', uuid)]);
  expect(parseIdCursor('pay', cursor)).toEqual({ ok: true, value: uuid });
  expect(parseIdCursor('pay', undefined)).toEqual({ ok: true, value: undefined });
  for (const wrong of [renderCursor([idOf('ref', uuid)]), renderCursor([uuid]), renderCursor([]), '!'])
    expect(parseIdCursor('pay', wrong)).toEqual({ ok: false, problem: malformedCursor() });
});

test('what is wrong with a cursor is said of the parameter that holds it', () => {
  expect(malformedCursor().errors).toMatchObject([{ pointer: '/query/cursor' }]);
  expect(malformedCursor('after').errors).toMatchObject([{ pointer: '/query/after' }]);
});

test('no text whatever makes reading a cursor throw', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.json().map((text) => Buffer.from(text).toString('base64url')),
      ),
      (text) => {
        const decision = parseCursor(text, 2);
        expect(decision.ok || decision.problem.code).toBe('request.invalid_parameter');
      },
    ),
  );
});

test('no cursor starts at the beginning', () => {
  expect(parseCursor(undefined, 2)).toEqual({ ok: true, value: undefined });
});

test('a page has a next one only if the store had a row more than it', () => {
  const cursorOf = (row: number) => [String(row)];
  expect(rowsFor(2)).toBe(3);
  expect(renderPage([1, 2, 3], 2, cursorOf)).toEqual({ data: [1, 2], next_cursor: renderCursor(['2']) });
  expect(renderPage([1, 2], 2, cursorOf)).toEqual({ data: [1, 2], next_cursor: null });
  expect(renderPage([], 2, cursorOf)).toEqual({ data: [], next_cursor: null });
});
