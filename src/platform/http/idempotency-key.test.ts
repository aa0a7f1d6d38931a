import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIdempotencyKey, requireIdempotencyKey } from './idempotency-key.ts';

/** A request as Node has it once its headers were read from the wire, where bytes are Latin-1. */
function requestWith(headers: readonly (readonly [string, string])[]): IncomingMessage {
  const request = new IncomingMessage(new Socket());
  for (const [name, value] of headers) {
    const wire = Buffer.from(value).toString('latin1');
    request.rawHeaders.push(name, wire);
    const known = request.headers[name];
    request.headers[name] = typeof known === 'string' ? `${known}, ${wire}` : wire;
    request.headersDistinct[name] = [...(request.headersDistinct[name] ?? []), wire];
  }
  return request;
}

const keyOf = (...headers: readonly (readonly [string, string])[]) => {
  const decision = parseIdempotencyKey(requestWith(headers));
  return decision.ok ? decision.value : decision.problem.code;
};

const INVALID = 'request.invalid_idempotency_key';

test('a request without the header has no key', () => {
  expect(keyOf()).toBeUndefined();
});

test.each([
  ['idempotency-key', '8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ['idempotency-key', '"8e03978e"', '8e03978e'],
  ['x-idempotent-key', '8e03978e', '8e03978e'],
  ['x-idempotent-key', '"8e03978e"', '8e03978e'],
  ['idempotency-key', 'a, b', 'a, b'],
  ['idempotency-key', '"a, b"', 'a, b'],
  ['idempotency-key', 'a b', 'a b'],
  ['idempotency-key', '  k  ', 'k'],
  ['idempotency-key', '"\\"\\\\"', '"\\'],
  ['idempotency-key', 'a"b', 'a"b'],
  ['idempotency-key', 'pedido-ação-😀', 'pedido-ação-😀'],
  ['idempotency-key', 'k'.repeat(255), 'k'.repeat(255)],
  ['idempotency-key', '😀'.repeat(255), '😀'.repeat(255)],
])('D1: %s: %s is the key %s', (name, header, key) => {
  expect(keyOf([name, header])).toBe(key);
});

test.each([
  '',
  '""',
  '"',
  '"a',
  'a\tb',
  '"a\tb"',
  '"a"b',
  '"a\\b"',
  '"a";x=1',
  'k'.repeat(256),
  '😀'.repeat(256),
  '\u0085',
])('%j is refused', (header) => {
  expect(keyOf(['idempotency-key', header])).toBe(INVALID);
});

test('bytes that are not UTF-8 are refused', () => {
  const request = requestWith([]);
  request.headers['idempotency-key'] = 'a\xff';
  expect(parseIdempotencyKey(request)).toMatchObject({ problem: { code: INVALID } });
});

describe('several headers', () => {
  test('that agree, in whatever form, are one key', () => {
    expect(keyOf(['idempotency-key', 'k'], ['x-idempotent-key', '"k"'])).toBe('k');
    expect(keyOf(['idempotency-key', 'k'], ['idempotency-key', '"k"'])).toBe('k');
    expect(keyOf(['idempotency-key', 'a, b'], ['x-idempotent-key', 'a, b'])).toBe('a, b');
  });

  test('that differ are refused', () => {
    expect(keyOf(['idempotency-key', 'a'], ['x-idempotent-key', 'b'])).toBe(INVALID);
    expect(keyOf(['idempotency-key', 'a'], ['idempotency-key', 'b'])).toBe(INVALID);
    expect(keyOf(['x-idempotent-key', 'a'], ['x-idempotent-key', 'a ,b'])).toBe(INVALID);
  });

  test('of which one is malformed are refused', () => {
    expect(keyOf(['idempotency-key', 'a'], ['x-idempotent-key', ''])).toBe(INVALID);
  });
});

test('where a key is required, its absence is named', () => {
  expect(requireIdempotencyKey(requestWith([]))).toMatchObject({
    problem: { code: 'request.missing_idempotency_key', errors: [{ pointer: '/header/idempotency-key' }] },
  });
  expect(requireIdempotencyKey(requestWith([['x-idempotent-key', 'k']]))).toEqual({ ok: true, value: 'k' });
});

test('every printable key comes back from its quoted form', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[!-~](?:[ -~]{0,100}[!-~])?$/), (key) => {
      const quoted = `"${key.replace(/["\\]/g, '\\$&')}"`;
      expect(keyOf(['idempotency-key', quoted])).toBe(key);
    }),
  );
});
