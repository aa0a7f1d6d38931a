import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isAuthentic } from './webhook-signature.ts';

/** The published example of Standard Webhooks (STANDARDS §7). */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const MESSAGE = {
  id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  timestamp: '1614265330',
  signature: 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  body: Buffer.from('{"test": 2432232314}'),
};
const NOW = 1_614_265_330_000;

test('the example of the specification is authentic', () => {
  expect(isAuthentic(MESSAGE, SECRET, NOW)).toBe(true);
});

test('one of several signatures is enough', () => {
  const signature = `v1a,AAAA v1,AAAA ${MESSAGE.signature}`;
  expect(isAuthentic({ ...MESSAGE, signature }, SECRET, NOW)).toBe(true);
});

test('what was signed is not read as another time and body by an id with a dot', () => {
  const body = '{"note": ".1614265330.{}"}';
  const signed = `${MESSAGE.id}.${MESSAGE.timestamp}.${body}`;
  const signature = `v1,${createHmac('sha256', Buffer.from(SECRET.slice('whsec_'.length), 'base64'))
    .update(signed)
    .digest('base64')}`;
  const message = { ...MESSAGE, signature, body: Buffer.from(body) };
  expect(isAuthentic(message, SECRET, NOW)).toBe(true);
  const id = signed.slice(0, signed.lastIndexOf('.1614265330.'));
  const shifted = { ...message, id, body: Buffer.from('{}"}') };
  expect(isAuthentic(shifted, SECRET, NOW)).toBe(false);
});

describe('not authentic is', () => {
  const signed = (body: string) =>
    `v1,${createHmac('sha256', 'another').update(`${MESSAGE.id}.${MESSAGE.timestamp}.${body}`).digest('base64')}`;

  test.each<[string, object]>([
    ['another body', { body: Buffer.from('{"test": 2432232315}') }],
    ['another id', { id: 'msg_x' }],
    ['another timestamp', { timestamp: '1614265331' }],
    ['another secret', { signature: signed('{"test": 2432232314}') }],
    ['no id', { id: undefined }],
    ['an empty id', { id: '' }],
    ['no timestamp', { timestamp: undefined }],
    ['no number as timestamp', { timestamp: '1614265330.5' }],
    ['no signature', { signature: undefined }],
    ['an empty signature', { signature: '' }],
    ['a version that is not v1', { signature: MESSAGE.signature.replace('v1,', 'v2,') }],
    ['a signature cut short', { signature: MESSAGE.signature.slice(0, -8) }],
  ])('%s', (_what, change) => {
    expect(isAuthentic({ ...MESSAGE, ...change }, SECRET, NOW)).toBe(false);
  });

  test.each([
    [-300_001, false],
    [-300_000, true],
    [300_000, true],
    [300_001, false],
  ])('a message %i ms off: %s', (offMs, expected) => {
    expect(isAuthentic(MESSAGE, SECRET, NOW + offMs)).toBe(expected);
  });
});
