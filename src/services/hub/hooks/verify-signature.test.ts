/** U18: what is not signed as the connector asks for, or too long ago, is not taken; ours agrees with the reference library. */
import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { TOLERANCE_MS } from '#platform/http/webhook-signature.ts';
import type { SignatureScheme } from '../connector.ts';
import { type HookHeaders, idOfHook, verdictOf } from './verify-signature.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const SECRET = `whsec_${Buffer.from('a secret of enough bytes').toString('base64')}`;
const BODY = Buffer.from('{"type":"order.paid","note":"açaí"}');

function verdict(scheme: SignatureScheme, headers: HookHeaders, body = BODY, secret = SECRET) {
  return verdictOf({ headers, body }, scheme, { secret, now: NOW });
}

/** Of base64: a digit whose last bits no decoder looks at. */
const next = (digit: string) => String.fromCodePoint((digit.codePointAt(0) ?? 0) + 1);

describe('Standard Webhooks', () => {
  const scheme = { scheme: 'standard_webhooks', secret: 'shop' } as const;
  const signed = (at: number): HookHeaders => ({
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(at / 1000),
    'webhook-signature': `v1,unknown ${new Webhook(SECRET).sign('msg_1', new Date(at), BODY.toString())}`,
  });

  test('what the reference library signs is valid, five minutes long in both directions', () => {
    for (const offset of [0, -TOLERANCE_MS, TOLERANCE_MS])
      expect(verdict(scheme, signed(NOW + offset))).toBe('valid');
    for (const offset of [-TOLERANCE_MS - 1000, TOLERANCE_MS + 1000])
      expect(verdict(scheme, signed(NOW + offset))).toBe('stale');
  });

  test('one byte, another id, another secret or no signature at all is not', () => {
    const headers = signed(NOW);
    expect(verdict(scheme, headers, Buffer.from(`${BODY.toString()} `))).toBe('invalid');
    expect(verdict(scheme, { ...headers, 'webhook-id': 'msg_2' })).toBe('invalid');
    expect(verdict(scheme, headers, BODY, `whsec_${Buffer.from('another').toString('base64')}`)).toBe(
      'invalid',
    );
    expect(verdict(scheme, { ...headers, 'webhook-signature': undefined })).toBe('invalid');
    const signature = new Webhook(SECRET).sign('msg_1', new Date(NOW), BODY.toString());
    for (const tampered of [
      `${signature}x`,
      signature.replace(/(.)=$/, (_all, last: string) => `${next(last)}=`),
    ])
      expect(verdict(scheme, { ...headers, 'webhook-signature': tampered })).toBe('invalid');
    expect(verdict(scheme, {})).toBe('invalid');
  });

  test('a secret that is no base64 verifies nothing: its key would be empty, and everybody has that', () => {
    const signature = createHmac('sha256', '')
      .update(`msg_1.${NOW / 1000}.`)
      .update(BODY)
      .digest('base64');
    const headers = { ...signed(NOW), 'webhook-signature': `v1,${signature}` };
    expect(verdict(scheme, headers, BODY, 'whsec_!')).toBe('invalid');
  });
});

describe('the other schemes', () => {
  const hmac = (text: string | Buffer) => createHmac('sha256', SECRET).update(text);

  test('t=…,v1=… is over time and body, and has a window', () => {
    const scheme = { scheme: 'timestamped_hmac', secret: 'shop', header: 'X-Signature' } as const;
    const at = (ms: number) => {
      const seconds = String(ms / 1000);
      const v1 = hmac(Buffer.concat([Buffer.from(`${seconds}.`), BODY])).digest('hex');
      return { 'x-signature': `t=${seconds},v0=00,v1=${v1}` };
    };
    expect(verdict(scheme, at(NOW))).toBe('valid');
    expect(verdict(scheme, at(NOW - TOLERANCE_MS - 1000))).toBe('stale');
    expect(verdict(scheme, at(NOW), Buffer.from('{}'))).toBe('invalid');
    expect(verdict(scheme, { 'x-signature': 't=x,v1=' })).toBe('invalid');
  });

  test.each([
    ['hex', 'sha256='],
    ['base64', ''],
  ] as const)('a plain HMAC in %s is over the body, behind its prefix', (encoding, prefix) => {
    const scheme = { scheme: 'hmac', secret: 'shop', header: 'X-Hub', encoding, prefix } as const;
    const signature = hmac(BODY).digest(encoding);
    expect(verdict(scheme, { 'x-hub': `${prefix}${signature}` })).toBe('valid');
    expect(verdict(scheme, { 'x-hub': `${prefix}${signature}` }, Buffer.from('{}'))).toBe('invalid');
    expect(verdict(scheme, { 'x-hub': prefix })).toBe('invalid');
    expect(verdict(scheme, { 'x-hub': `${prefix}${signature}zz` })).toBe('invalid');
  });

  test('a user with a password, and an API key, are compared whole', () => {
    const basic = { scheme: 'basic', username: 'shop', secret: 'shop' } as const;
    const header = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    expect(verdict(basic, header(`shop:${SECRET}`))).toBe('valid');
    expect(verdict(basic, header('shop:'))).toBe('invalid');
    const lower = header(`shop:${SECRET}`).authorization.replace('Basic', 'basic');
    expect(verdict(basic, { authorization: lower })).toBe('valid');
    const key = { scheme: 'api_key', header: 'X-Key', secret: 'shop' } as const;
    expect(verdict(key, { 'x-key': SECRET })).toBe('valid');
    expect(verdict(key, { 'x-key': `${SECRET} ` })).toBe('invalid');
    expect(verdict(key, {})).toBe('invalid');
  });
});

test.each([
  ['of 255 characters', 'a'.repeat(255), true],
  ['of 256', 'a'.repeat(256), false],
  ['that is empty', '', false],
  ['that cannot be stored', 'a\0', false],
])('an id %s', (_what, id, isTaken) => {
  const scheme = { scheme: 'standard_webhooks', secret: 'shop' } as const;
  const found = idOfHook({ headers: { 'webhook-id': id }, body: BODY }, scheme, undefined);
  expect(found).toBe(isTaken ? id : undefined);
});
