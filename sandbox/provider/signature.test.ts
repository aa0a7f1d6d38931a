import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { parseSecret, signedHeaders } from './signature.ts';

test('the example of the Standard Webhooks specification', () => {
  const key = parseSecret('whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD');
  const message = {
    webhookId: 'msg_27UH4WbU6Z5A5EzD8u03UvzRbpk',
    sentAt: 1649367553 * 1000,
    body: '{"email":"test@example.com","username":"test_user"}',
  };
  expect(signedHeaders(message, key)['webhook-signature']).toBe(
    'v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=',
  );
});

test('the official library accepts what was signed, and nothing that was changed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 24, maxLength: 64 }), fc.json(), (bytes, body) => {
      const secret = `whsec_${Buffer.from(bytes).toString('base64')}`;
      const headers = signedHeaders({ webhookId: 'msg_1', sentAt: Date.now(), body }, parseSecret(secret));
      const webhook = new Webhook(secret);
      expect(webhook.verify(body, { ...headers })).toEqual(JSON.parse(body));
      expect(() => webhook.verify(`${body} `, { ...headers })).toThrow();
      expect(() => webhook.verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow();
    }),
    { numRuns: 50 },
  );
});

test.each([23, 65])('a secret of %d bytes is refused, of 24 to 64 accepted', (bytes) => {
  expect(() => parseSecret(`whsec_${randomBytes(bytes).toString('base64')}`)).toThrow('24 to 64 bytes');
  for (const allowed of [24, 64])
    expect(parseSecret(`whsec_${randomBytes(allowed).toString('base64')}`)).toHaveLength(allowed);
  expect(() => parseSecret(randomBytes(32).toString('base64'))).toThrow('whsec_');
});
