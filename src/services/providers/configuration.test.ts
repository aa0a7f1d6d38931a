import { describe, expect, test } from 'vitest';
import {
  NO_PROVIDERS,
  parseProvidersFile,
  renderConfigurationFaults,
  sandboxConfiguration,
} from './configuration.ts';
import { choose, type Routing, routingOf } from './routing.ts';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const ALFA = { url: 'https://alfa.example/v2/', api_key: 'k-1', webhook_secret: SECRET };
const DEFAULTS = { timeoutMs: 2000 };

function parse(document: unknown) {
  return parseProvidersFile(typeof document === 'string' ? document : JSON.stringify(document), DEFAULTS);
}

describe('the providers file', () => {
  test('becomes providers and routes, with what it does not say filled in', () => {
    const parsed = parse({
      providers: {
        alfa: ALFA,
        beta: { ...ALFA, timeout_ms: 500, concurrency: 9, void: false, settles_within_ms: 60_000 },
      },
      routes: [{ currency: ['USD'], max_amount: 500, providers: ['beta'] }, { providers: ['alfa', 'beta'] }],
    });
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        providers: [
          { name: 'alfa', url: 'https://alfa.example/v2', timeoutMs: 2000, canVoid: true },
          { name: 'beta', timeoutMs: 500, concurrency: 9, canVoid: false, settlesWithinMs: 60_000 },
        ],
        routes: [
          { currencies: ['USD'], minAmount: 1, maxAmount: 500, providers: ['beta'] },
          { currencies: null, minAmount: 1, maxAmount: Number.MAX_SAFE_INTEGER, providers: ['alfa', 'beta'] },
        ],
      },
    });
  });

  test.each<[string, unknown, readonly string[]]>([
    ['no JSON', '{', ['']],
    ['a name twice', '{"providers":{},"providers":{},"routes":[]}', ['/providers']],
    ['neither', {}, ['/providers', '/routes']],
    ['a misspelt member', { providers: {}, routes: [], rutes: [] }, ['/rutes']],
    [
      'a provider without a key',
      { providers: { alfa: { ...ALFA, api_key: undefined } }, routes: [] },
      ['/providers/alfa/api_key'],
    ],
    [
      'an address that is none',
      { providers: { alfa: { ...ALFA, url: 'alfa' } }, routes: [] },
      ['/providers/alfa/url'],
    ],
    [
      'an address with a port that there is not',
      { providers: { alfa: { ...ALFA, url: 'https://alfa.example:99999' } }, routes: [] },
      ['/providers/alfa/url'],
    ],
    [
      'a secret that is short',
      { providers: { alfa: { ...ALFA, webhook_secret: 'whsec_x' } }, routes: [] },
      ['/providers/alfa/webhook_secret'],
    ],
    [
      'a route to nobody, in no currency, for less than nothing',
      {
        providers: { alfa: ALFA },
        routes: [{ currency: ['XXX'], min_amount: 9, max_amount: 8, providers: ['gamma'] }],
      },
      ['/routes/0/providers/0', '/routes/0/currency/0', '/routes/0/min_amount'],
    ],
    [
      'a provider that is called like nobody',
      { providers: { none: ALFA }, routes: [{ providers: ['none'] }] },
      ['/providers/none'],
    ],
    ['a route without providers', { providers: {}, routes: [{ providers: [] }] }, ['/routes/0/providers']],
  ])('%s is told with its place', (_what, document, places) => {
    const parsed = parse(document);
    expect(parsed.ok ? [] : parsed.faults.map(({ place }) => place)).toEqual(places);
    if (!parsed.ok) expect(renderConfigurationFaults(parsed.faults)).not.toContain(SECRET);
  });

  test('that is no JSON is said to be none', () => {
    const parsed = parse('{');
    expect(parsed.ok ? '' : renderConfigurationFaults(parsed.faults)).toBe(
      'the document is not valid JSON: the first fault is at position 1.',
    );
  });
});

describe('a route', () => {
  const states = { isAvailable: () => true, hasRoom: () => true, isAwaited: () => true };
  const everything = { currencies: null, minAmount: 1, maxAmount: 1000 };

  test.each([
    ['the first that matches', { amount: 100, currency: 'USD' }, ['alfa']],
    ['below its least', { amount: 99, currency: 'USD' }, ['beta']],
    ['at its most', { amount: 500, currency: 'USD' }, ['alfa']],
    ['above its most', { amount: 501, currency: 'USD' }, ['beta']],
    ['another currency', { amount: 100, currency: 'EUR' }, ['beta']],
    ['none', { amount: 1001, currency: 'EUR' }, []],
  ])('%s', (_what, terms, expected) => {
    const routes = [
      { currencies: ['USD'], minAmount: 100, maxAmount: 500, providers: ['alfa'] },
      { ...everything, providers: ['beta'] },
    ];
    expect(routingOf({ ...NO_PROVIDERS, routes }, states).routeOf(terms)).toEqual(expected);
  });

  test('of the sandbox is one, for everything; of nobody there is none', () => {
    const running = ['alfa', 'beta'].map((name) => ({ name, url: '', apiKey: '', webhookSecret: '' }));
    const routing = routingOf(sandboxConfiguration(running, DEFAULTS), states);
    expect(routing.routeOf({ amount: 1, currency: 'JPY' })).toEqual(['alfa', 'beta']);
    expect(
      routingOf(sandboxConfiguration([], DEFAULTS), states).routeOf({ amount: 1, currency: 'USD' }),
    ).toEqual([]);
  });

  test.each<[string, string[], string[], string]>([
    ['the first that has room', ['beta'], ['alfa', 'beta'], 'beta'],
    ['the first that answers, if none has', [], ['beta'], 'beta'],
    ['the first, if none answers', [], [], 'alfa'],
  ])('is tried at %s', (_what, room, available, expected) => {
    const routing: Routing = {
      routeOf: () => [],
      termsOf: () => undefined,
      hasRoom: (name) => room.includes(name),
      isAvailable: (name) => available.includes(name),
      isAwaited: () => true,
    };
    expect(choose(['alfa', 'beta'], routing)?.provider).toBe(expected);
    expect(choose([], routing)).toBeUndefined();
  });
});
