import { createPublicKey, verify } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { newSecret, signatureHeaders, signingKeyOf, verifierOf } from './signature.ts';

const NOW = Date.now();
const MESSAGE = { id: 'msg_1', body: '{"type":"payment.completed"}' };
/** Of an Ed25519 public key as SPKI (RFC 8410 §4), up to the key. */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

describe('U18: v1', () => {
  test('is verified by the official library, and the time is the attempt’s', () => {
    const secret = newSecret('v1');
    const headers = signatureHeaders(MESSAGE, [signingKeyOf({ secret, until: null })], NOW);
    expect(new Webhook(secret).verify(MESSAGE.body, headers)).toEqual({ type: 'payment.completed' });
    expect(headers['webhook-timestamp']).toBe(String(Math.floor(NOW / 1000)));
    expect(() => new Webhook(secret).verify(`${MESSAGE.body} `, headers)).toThrow();
    expect(() => new Webhook(newSecret('v1')).verify(MESSAGE.body, headers)).toThrow();
  });

  test('of the specification’s own example', () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' };
    expect(
      signatureHeaders(message, [signingKeyOf({ secret, until: null })], 1_614_265_330_000),
    ).toMatchObject({
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  test('a secret that was replaced signs beside the new one until its time is over', () => {
    const [old, present] = [newSecret('v1'), newSecret('v1')];
    const secrets = [
      { secret: present, until: null },
      { secret: old, until: NOW + 1000 },
    ].map(signingKeyOf);
    const during = signatureHeaders(MESSAGE, secrets, NOW);
    for (const secret of [old, present])
      expect(() => new Webhook(secret).verify(MESSAGE.body, during)).not.toThrow();
    const after = signatureHeaders(MESSAGE, secrets, NOW + 1000);
    expect(after['webhook-signature']?.split(' ')).toHaveLength(1);
  });
});

test('U18: v1a is verified by the public key, and the private one is in nothing that is shown', () => {
  const secret = newSecret('v1a');
  const shown = verifierOf(secret);
  const raw = Buffer.from(shown.slice('whpk_'.length), 'base64');
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: 'der', type: 'spki' });
  const headers = signatureHeaders(MESSAGE, [signingKeyOf({ secret, until: null })], NOW);
  const [scheme, signature = ''] = (headers['webhook-signature'] ?? '').split(',');
  const content = Buffer.from(`${MESSAGE.id}.${headers['webhook-timestamp']}.${MESSAGE.body}`);
  expect(scheme).toBe('v1a');
  expect(verify(null, content, key, Buffer.from(signature, 'base64'))).toBe(true);
  expect(shown).not.toContain(secret.slice('whsk_'.length));
});
