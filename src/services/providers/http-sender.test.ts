/** Which failures say that a request never left. */
import { describe, expect, test } from 'vitest';
import { isConnectingFailed } from './http-sender.ts';

/** As the operating system’s failures come. */
function failureOf(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { syscall, code, errno: -1 });
}

describe('a failure of the operating system', () => {
  test.each(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT'])(
    '%s says so of making the connection alone',
    (code) => {
      expect(isConnectingFailed(failureOf('connect', code))).toBe(true);
      for (const syscall of ['read', 'write', 'writev', 'shutdown'])
        expect(isConnectingFailed(failureOf(syscall, code))).toBe(false);
      expect(isConnectingFailed(Object.assign(new Error(code), { code }))).toBe(false);
    },
  );

  test('to find the address says so', () => {
    for (const code of ['ENOTFOUND', 'EAI_AGAIN'])
      expect(isConnectingFailed(failureOf('getaddrinfo', code))).toBe(true);
  });
});

test('of several addresses all have to have failed so', () => {
  const refused = failureOf('connect', 'ECONNREFUSED');
  expect(isConnectingFailed(new AggregateError([refused, refused]))).toBe(true);
  expect(isConnectingFailed(new AggregateError([refused, failureOf('read', 'ECONNRESET')]))).toBe(false);
  expect(isConnectingFailed(new AggregateError([]))).toBe(false);
});

test('whatever is not known says nothing', () => {
  for (const error of [
    undefined,
    'ECONNREFUSED',
    new Error('x'),
    Object.assign(new Error('x'), { code: 'UND_ERR_SOCKET' }),
  ])
    expect(isConnectingFailed(error)).toBe(false);
});
