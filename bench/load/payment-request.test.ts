import { describe, expect, it } from 'vitest';
import { PaymentRequest, type PaymentRequestOptions, serviceId, walletId } from './payment-request.ts';
import { Random } from './random.ts';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('PaymentRequest', () => {
  it('renders an authenticated payment with a key, accounts and an amount of its own each time', () => {
    const request = create({ seed: 7 });
    const seen = Array.from({ length: 1000 }, () => parse(request.next()));
    expect(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(1000);
    for (const { line, headers, body, bodyLength } of seen) {
      expect(line).toBe('POST /v1/payments HTTP/1.1');
      expect(headers['authorization']).toBe('Bearer lk_key');
      expect(headers['idempotency-key']).toMatch(UUID_V4);
      expect(headers['content-length']).toBe(String(bodyLength));
      expect(headers['prefer']).toBeUndefined();
      expect(body['amount']).toBeGreaterThanOrEqual(1000);
      expect(body['amount']).toBeLessThanOrEqual(9999);
    }
  });

  it('chooses among all accounts and no others', () => {
    const request = create({ wallets: 3, services: 2 });
    const seen = Array.from({ length: 200 }, () => parse(request.next()).body);
    expect(new Set(seen.map((body) => body['wallet_id']))).toEqual(new Set([0, 1, 2].map(walletId)));
    expect(new Set(seen.map((body) => body['service_id']))).toEqual(new Set([0, 1].map(serviceId)));
  });

  it('is the same from the same seed and another from another', () => {
    const first = create({ seed: 1 }).next().toString();
    expect(create({ seed: 1 }).next().toString()).toBe(first);
    expect(create({ seed: 2 }).next().toString()).not.toBe(first);
  });

  it('pays by the method it is told', () => {
    const { body, headers, bodyLength } = parse(create({ method: 'gateway' }).next());
    expect(body['method']).toBe('gateway');
    expect(headers['content-length']).toBe(String(bodyLength));
  });

  it('asks for the final state when it is to wait', () => {
    expect(parse(create({ waitSeconds: 10 }).next()).headers['prefer']).toBe('wait=10');
  });
});

function create({
  seed = 1,
  wallets = 10_000,
  services = 500,
  waitSeconds = 0,
  method = 'balance',
}: Partial<PaymentRequestOptions> & { seed?: number } = {}): PaymentRequest {
  const random = new Random(seed);
  return new PaymentRequest({
    host: '127.0.0.1:8080',
    apiKey: 'lk_key',
    method,
    wallets,
    services,
    random,
    waitSeconds,
  });
}

function parse(bytes: Buffer) {
  const [head = '', body = ''] = bytes.toString('latin1').split('\r\n\r\n');
  const [line, ...fields] = head.split('\r\n');
  const headers = Object.fromEntries(fields.map((field) => field.split(': ', 2))) as Record<string, string>;
  return { line, headers, body: JSON.parse(body) as Record<string, unknown>, bodyLength: body.length };
}
