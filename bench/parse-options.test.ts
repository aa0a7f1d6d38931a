import { describe, expect, it } from 'vitest';
import { parseOptions } from './parse-options.ts';

describe('parseOptions', () => {
  it('measures everything for a minute each when nothing is asked', () => {
    expect(parseOptions([], 7)).toMatchObject({
      ok: true,
      value: {
        quick: false,
        scenarios: [
          'uniform',
          'hot',
          'open',
          'gateway',
          'hung-provider',
          'failover',
          'integrity',
          'cards',
          'cards-hot',
          'cards-open',
          'cards-beside',
          'integrations',
          'webhooks',
          'cash-entries',
          'cash-open',
          'consolidation',
          'daily-balances',
        ],
        pairs: 6,
        seconds: 60,
        connections: 200,
        peers: false,
        seed: 7,
      },
    });
  });

  it('is short when quick, except where told otherwise', () => {
    expect(parseOptions(['--quick', '--rate', '50', '--scenario', 'open, hot'], 1)).toMatchObject({
      ok: true,
      value: { quick: true, seconds: 3, rate: 50, scenarios: ['open', 'hot'] },
    });
  });

  it('pays by providers when quick, and leaves out what takes its time', () => {
    expect(parseOptions(['--quick'], 1)).toMatchObject({
      ok: true,
      value: {
        scenarios: [
          'uniform',
          'hot',
          'open',
          'gateway',
          'cards',
          'cards-hot',
          'cards-open',
          'cards-beside',
          'cash-entries',
          'cash-open',
          'daily-balances',
        ],
      },
    });
    expect(parseOptions(['--quick', '--scenario', 'failover', '--gateway-rate', '20'], 1)).toMatchObject({
      ok: true,
      value: { scenarios: ['failover'], gatewayRate: 20 },
    });
  });

  it('leaves the yardsticks out when asked', () => {
    expect(parseOptions(['--no-yardsticks'], 1)).toMatchObject({ ok: true, value: { plainSqlPayments: 0 } });
  });

  it.each([
    ['an unknown option', ['--qick']],
    ['an unknown scenario', ['--scenario', 'uniform,cold']],
    ['no load', ['--seconds', '0']],
    ['no pair', ['--pairs', '0']],
    ['half a connection', ['--connections', '1.5']],
    ['a word for a number', ['--fill', 'many']],
  ])('refuses %s', (_, args) => {
    expect(parseOptions(args, 1).ok).toBe(false);
  });
});
