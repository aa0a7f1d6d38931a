/**
 * Receipts as an installation gave them, and what forgers make of them. The fixtures are never made anew: what was given out
 * as a receipt of version 1 is proved for ever.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { merkleProof, merkleRoot } from '#kernel/merkle.ts';
import { type CheckpointClaims, leafOfLog } from './checkpoint-seal.ts';
import { type PublicKeys, parsePublicKeys } from './public-keys.ts';
import type { ReceiptCheckpoint, ReceiptEvent, ReceiptLog } from './receipt-document.ts';
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

function hexOf(bytes: Buffer): string {
  return bytes.toString('hex');
}

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
      'a log that proves none of its events',
      () => ({ ...parsed(), events: parsed().events.filter(({ type }) => type !== 'notification.queued') }),
      /prove none of its events/,
    ],
    [
      'a log twice',
      () => withCheckpoint(({ logs }) => ({ logs: [...logs, ...logs.slice(0, 1)] })),
      /names a log twice/,
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

describe('what a key of ours signs counts for what it covers, and no further:', () => {
  const signer = generateKeyPairSync('ed25519');
  const own = parsePublicKeys(signer.publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const keys: PublicKeys = new Map([...KEYS, ...own]);

  /** The second checkpoint, over these logs alone. */
  function signed(logs: readonly ReceiptLog[], more: Partial<CheckpointClaims> = {}): ReceiptCheckpoint {
    const [first] = parsed().checkpoints as [ReceiptCheckpoint];
    const claims = JSON.parse(first.body) as CheckpointClaims;
    const leaves = logs.map((log) =>
      leafOfLog({ ...log, chain: Buffer.from(log.chain, 'hex'), root: Buffer.from(log.root, 'hex') }),
    );
    const body = canonicalJson({
      ...claims,
      number: 2,
      kid: [...own.keys()].join(),
      logs: logs.length,
      logs_root: merkleRoot(leaves).toString('hex'),
      ...more,
    });
    return {
      body,
      signature: sign(null, Buffer.from(body), signer.privateKey).toString('hex'),
      logs: logs.map((log, index) => ({ ...log, index, path: merkleProof(leaves, index).map(hexOf) })),
    };
  }

  /** The first event, its log in the second checkpoint. */
  function moved(change: (batch: ReceiptEvent['batch']) => Partial<ReceiptLog>, more = {}): Receipt {
    const receipt = withEvent(0, () => ({ checkpoint: 2 }));
    const [{ topic, batch }] = receipt.events as [ReceiptEvent];
    const [first] = receipt.checkpoints as [ReceiptCheckpoint];
    const log = first.logs.find((each) => each.topic === topic) as ReceiptLog;
    const others = first.logs.filter((each) => each !== log);
    receipt.checkpoints = [{ ...first, logs: others }, signed([{ ...log, ...change(batch) }], more)];
    return receipt;
  }

  const around = ({ first, count }: ReceiptEvent['batch']) => ({
    from: first - 1,
    position: first + count - 1,
  });

  test.each<[string, (batch: ReceiptEvent['batch']) => Partial<ReceiptLog>, RegExp]>([
    ['its own stretch', around, /^none$/],
    [
      'no batch that began before it',
      (batch) => ({ ...around(batch), from: batch.first }),
      /outside of what/,
    ],
    [
      'no batch that ended after it',
      (batch) => ({ ...around(batch), position: batch.first + batch.count - 2 }),
      /outside of what/,
    ],
  ])('%s', (_what, change, fault) => {
    expect(faultOf(moved(change), keys)).toMatch(fault);
  });

  test('no other installation', () => {
    const installation = '00000000-0000-0000-0000-000000000000';
    expect(faultOf(moved(around, { installation }), keys)).toMatch(/different installations/);
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
