import { expect, test } from 'vitest';
import { parseKeptCheckpoints } from './kept-checkpoints.ts';

const ONE = { number: 7, body: '{}' };

test('a page of checkpoints is read, and a single one', () => {
  expect(parseKeptCheckpoints(JSON.stringify({ data: [ONE, ONE], next_cursor: null }))).toEqual([ONE, ONE]);
  expect(parseKeptCheckpoints(JSON.stringify(ONE))).toEqual([ONE]);
});

test.each([
  ['null', 'it holds no checkpoints as the API gives them'],
  ['[]', 'it holds no checkpoints as the API gives them'],
  ['{"data":[],"next_cursor":null}', 'it holds no checkpoints as the API gives them'],
  ['{"data":[null]}', 'it holds no checkpoints as the API gives them'],
  ['{"number":0,"body":""}', 'it holds no checkpoints as the API gives them'],
  ['{"number":1.5,"body":""}', 'it holds no checkpoints as the API gives them'],
  ['', 'it is not JSON'],
  ['{"number":7,"body":"forged","body":"{}"}', '/body stands twice in one object'],
])('%s is refused: %s', (text, fault) => {
  expect(parseKeptCheckpoints(text)).toBe(fault);
});
