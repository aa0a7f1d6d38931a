/**
 * Receipts as an installation gave them, and what forgers make of them. The fixtures are never made anew: what was given out
 * as a receipt of version 1 is proved for ever.
 */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PublicKeys, parsePublicKeys } from './public-keys.ts';
import type { ReceiptCheckpoint, ReceiptEvent } from './receipt-document.ts';
import { verifyReceipt } from './verify-receipt.ts';

function fixture(name: string): string {
  return readFileSync(new URL(`./fixtures/${name}.json`, import.meta.url), 'utf8');
}

interface Receipt {
  format: string;
  payment_id: string;
  events: ReceiptEvent[];
  checkpoints: ReceiptCheckpoint[];
}

const TEXT = JSON.stringify(JSON.parse(fixture('receipt')));
const KEYS = parsePublicKeys(fixture('keys'));

function parsed(name = 'receipt'): Receipt {
  return JSON.parse(fixture(name)) as Receipt;
}

function faultOf(receipt: unknown, keys: PublicKeys = KEYS): string {
  const verdict = verifyReceipt(typeof receipt === 'string' ? receipt : JSON.stringify(receipt), keys);
  return verdict.ok ? 'none' : verdict.fault;
}

/** The receipt with the member of one event changed. */
function withEvent(index: number, change: (event: ReceiptEvent) => object): Receipt {
  const receipt = parsed();
  const event = receipt.events[index] as ReceiptEvent;
  receipt.events[index] = { ...event, ...change(event) };
  return receipt;
}

function withCheckpoint(change: (checkpoint: ReceiptCheckpoint) => object): Receipt {
  const receipt = parsed();
  receipt.checkpoints = receipt.checkpoints.map((checkpoint) => ({ ...checkpoint, ...change(checkpoint) }));
  return receipt;
}

const OTHER_DIGEST = 'ab'.repeat(32);

test('what the API answered in its place is named', () => {
  const refusal = { type: '/problems/integrity.receipt_pending', code: 'integrity.receipt_pending' };
  expect(faultOf(refusal)).toBe(
    'it is a refusal of the API, integrity.receipt_pending, and not a receipt of the format lastro.receipt.v1',
  );
  expect(faultOf({ code: '\u001b[2J.x' })).toBe('it is not a receipt of the format lastro.receipt.v1');
});

test('a receipt proves each event, where it stands, and when that was signed', () => {
  const verdict = verifyReceipt(TEXT, KEYS);
  if (!verdict.ok) throw new Error(verdict.fault);
  expect(verdict.events.map(({ type }) => type)).toEqual([
    'payment.requested',
    'payment.validated',
    'payment.authorized',
    'entry.posted',
    'payment.completed',
    'notification.queued',
  ]);
  expect(verdict.subject).toBe(parsed().payment_id);
  expect(verdict.checkpoints).toHaveLength(1);
});

test('it is the same receipt, however its JSON is laid out', () => {
  expect(faultOf(JSON.stringify(parsed(), null, 2))).toBe('none');
});

test('no byte of it can be another one', () => {
  fc.assert(
    fc.property(fc.nat(TEXT.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
      const character = String.fromCharCode(code);
      fc.pre(TEXT[at] !== character);
      expect(faultOf(TEXT.slice(0, at) + character + TEXT.slice(at + 1))).not.toBe('none');
    }),
    { numRuns: 1500 },
  );
});

describe('it is refused', () => {
  const another = parsed('other-receipt');

  test.each<[string, () => unknown, RegExp]>([
    ['an empty file', () => '', /not JSON/],
    ['another format', () => ({ ...parsed(), format: 'lastro.receipt.v2' }), /not a receipt of the format/],
    ['a member that is not proved', () => ({ ...parsed(), amount: 5 }), /not a receipt of the format/],
    ['a payment_id that is none', () => ({ ...parsed(), payment_id: 'pay_1' }), /not the id of a payment/],
    [
      'a refund_id in the place of the payment_id',
      () => {
        const { payment_id, ...rest } = parsed();
        return { ...rest, refund_id: payment_id };
      },
      /not the id of a refund/,
    ],
    ['the id of another payment', () => ({ ...parsed(), payment_id: another.payment_id }), /is about pay_/],
    ['no events', () => ({ ...parsed(), events: [] }), /not a receipt of the format/],
    [
      'an event of another payment, with its proof',
      () => ({
        ...parsed(),
        events: [...parsed().events.slice(1), ...another.events],
        checkpoints: [...parsed().checkpoints, ...another.checkpoints],
      }),
      /is about pay_|is there twice/,
    ],
    [
      'an event of another payment in the place of its own',
      () => withEvent(4, () => another.events[4] as object),
      /is about pay_/,
    ],
    [
      'an event that is there twice',
      () => ({ ...parsed(), events: [...parsed().events, ...parsed().events.slice(5)] }),
      /an event is there twice/,
    ],
    [
      'an event left out that another one followed from',
      () => ({ ...parsed(), events: parsed().events.filter((_, index) => index !== 2) }),
      /followed from authorization\/\d+\/\d+, which is not there/,
    ],
    [
      'its beginning left out',
      () => ({ ...parsed(), events: parsed().events.slice(1) }),
      /0 events payment\.requested/,
    ],
    [
      'another position',
      () => withEvent(0, ({ position }) => ({ position: position + 1 })),
      /at this position/,
    ],
    [
      'another partition',
      () => withEvent(5, ({ partition }) => ({ partition: partition + 1 })),
      /not with its log/,
    ],
    ['another log', () => withEvent(5, () => ({ topic: 'ledger' })), /./],
    [
      'a batch that begins elsewhere, with the position',
      () =>
        withEvent(0, ({ position, batch }) => ({
          position: position + 1,
          batch: { ...batch, first: batch.first + 1 },
        })),
      /outside of what|not among those|which is not there/,
    ],
    [
      'another amount',
      () => withEvent(0, ({ data }) => ({ data: data.replace('100', '900') })),
      /at this position/,
    ],
    [
      'another instant',
      () => withEvent(1, () => ({ occurred_at: '2026-01-01T00:00:00.000Z' })),
      /at this position/,
    ],
    [
      'an instant that is none',
      () => withEvent(1, () => ({ occurred_at: '2026-02-30T00:00:00.000Z' })),
      /no instant/,
    ],
    ['another tenant', () => withEvent(1, () => ({ tenant: 'other' })), /different tenants/],
    [
      'another root of a batch',
      () => withEvent(3, ({ batch }) => ({ batch: { ...batch, root: OTHER_DIGEST } })),
      /at this position/,
    ],
    [
      'another chain value',
      () => withEvent(3, ({ batch }) => ({ batch: { ...batch, chain: OTHER_DIGEST } })),
      /not among those/,
    ],
    [
      'a longer path',
      () => withEvent(0, ({ path }) => ({ path: [...path, OTHER_DIGEST] })),
      /at this position/,
    ],
    [
      'a shorter path',
      () => withEvent(0, ({ batch_path }) => ({ batch_path: batch_path.slice(1) })),
      /not among those/,
    ],
    [
      'another index of a batch',
      () => withEvent(0, ({ batch_index }) => ({ batch_index: batch_index + 1 })),
      /not among those/,
    ],
    [
      'another checkpoint',
      () => withEvent(0, ({ checkpoint }) => ({ checkpoint: checkpoint + 1 })),
      /is not there/,
    ],
    [
      'a body that was not signed',
      () => withCheckpoint(({ body }) => ({ body: body.replace('"logs":', '"logs":1') })),
      /has not signed this body/,
    ],
    ['a body with a space', () => withCheckpoint(({ body }) => ({ body: `${body} ` })), /canonical form/],
    [
      'another signature',
      () =>
        withCheckpoint(({ signature }) => ({
          signature: signature.replace(/^../, (two) => (two === '00' ? '01' : '00')),
        })),
      /has not signed this body/,
    ],
    [
      'another name of the key',
      () => withCheckpoint(({ body }) => ({ body: body.replace(/"kid":"./, '"kid":"_') })),
      /is not known/,
    ],
    [
      'a checkpoint twice',
      () => ({ ...parsed(), checkpoints: [...parsed().checkpoints, ...parsed().checkpoints] }),
      /is there twice/,
    ],
    [
      'a checkpoint that proves none of its events',
      () => ({ ...parsed(), checkpoints: [...parsed().checkpoints, ...another.checkpoints] }),
      /prove none of its events|is there twice/,
    ],
    [
      'another standing of a log',
      () =>
        withCheckpoint(({ logs }) => ({ logs: logs.map((log) => ({ ...log, verified: log.verified + 1 })) })),
      /does not cover/,
    ],
    ['a lone surrogate', () => withEvent(0, () => ({ key: '\ud800' })), /half a surrogate pair/],
  ])('%s', (_what, forge, fault) => {
    expect(faultOf(forge())).toMatch(fault);
  });

  test('signed by a key that is not among those given', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(faultOf(parsed(), parsePublicKeys(pem))).toMatch(/which is not known/);
  });

  test('signed by a key that is given under the name of another', () => {
    const [kid] = KEYS.keys();
    const { x } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const forged = { keys: [{ kty: 'OKP', crv: 'Ed25519', x, kid }] };
    expect(faultOf(parsed(), parsePublicKeys(JSON.stringify(forged)))).toMatch(/which is not known/);
  });
});

test('it does not prove that there were no later events: what nothing followed from can be left out', () => {
  const receipt = parsed();
  receipt.events = receipt.events.filter(({ type }) => type !== 'notification.queued');
  const topics = new Set(receipt.events.map(({ topic }) => topic));
  receipt.checkpoints = receipt.checkpoints.map((checkpoint) => ({
    ...checkpoint,
    logs: checkpoint.logs.filter(({ topic }) => topics.has(topic)),
  }));
  expect(faultOf(receipt)).toBe('none');
});

describe('public keys are read', () => {
  const [key] = KEYS.values();
  const { keys: jwks } = JSON.parse(fixture('keys')) as { keys: object[] };

  test.each<[string, string]>([
    ['from one JWK', JSON.stringify(jwks[0])],
    ['from PEM', key === undefined ? '' : key.export({ type: 'spki', format: 'pem' }).toString()],
    [
      'beside keys of another kind',
      JSON.stringify({ keys: [{ kty: 'RSA', n: 'x', e: 'AQAB' }, null, ...jwks] }),
    ],
  ])('%s', (_what, text) => {
    expect([...parsePublicKeys(text).keys()]).toEqual([...KEYS.keys()]);
  });

  test.each(['', '{}', '{"keys":[]}', '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}', 'a key'])(
    'and refused: %j',
    (text) => {
      expect(() => parsePublicKeys(text)).toThrow();
    },
  );
});

test.each([
  ['before', '"data":', (genuine: string) => `"data":"forged",${genuine}`],
  ['before, its name escaped', '"data":', (genuine: string) => `"d\\u0061ta":"forged",${genuine}`],
])('a forged member %s the genuine one of its name proves nothing', (_, member, forge) => {
  const forged = TEXT.replace(member, forge);
  expect(forged).not.toBe(TEXT);
  expect(faultOf(forged)).toBe('/events/0/data stands twice in one object');
});

test.each(['null', '[]', '7', '"receipt"'])('%s is no receipt, and that is what is said', (text) => {
  expect(faultOf(text)).toMatch(/^it is not a receipt/);
});
