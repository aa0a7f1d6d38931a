/** The command line, read; and what is done when nothing is asked. */
import { parseArgs } from 'node:util';
import { SCENARIOS } from './chapters.ts';
import type { BenchOptions } from './options.ts';

const NAMES = SCENARIOS.map(({ name }) => name);
/** What a full run measures, and a quick one. */
const FULL_SCENARIOS = SCENARIOS.filter(({ runs }) => runs !== 'named').map(({ name }) => name);
const QUICK_SCENARIOS = SCENARIOS.filter(({ runs }) => runs === 'always').map(({ name }) => name);
const NAMED_SCENARIOS = SCENARIOS.filter(({ runs }) => runs === 'named').map(({ name }) => name);

export type ParsedOptions =
  | { readonly ok: true; readonly value: BenchOptions }
  | { readonly ok: false; readonly fault: string };

export const USAGE = `lastro bench [options]

  --quick             a few seconds a scenario, few accounts; asserts correctness, not speed
  --scenario <list>   of ${NAMES.join(', ')}
                      (default: all but ${NAMED_SCENARIOS.join(', ')}; quick ${QUICK_SCENARIOS.join(', ')})
  --seconds <n>       a scenario's load (default 60; quick 3)
  --connections <n>   requests in flight (default 200; quick 20)
  --rate <n>          requests a second in the open loops, of payments, cards and entries (default 2000; quick 200)
  --gateway-rate <n>  payments a second while a provider fails (default 500; quick 50)
  --pairs <n>         of measurements without and with what is compared (default 6; quick 1)
  --wallets <n>       paying accounts (default 10000; quick 200)
  --services <n>      paid accounts (default 500; quick 20)
  --no-yardsticks     without the plain-SQL ceiling
  --peers             also the durable-execution peer, installed on first use
  --fill <n>          first store n payments, and tell what one costs the more there are
  --seed <n>          of accounts, amounts and keys (default: from the clock)
  --data-dir <path>   data folder to use and to keep (default: a scratch folder)
  --database-url <u>  a PostgreSQL to use instead of the embedded one
`;

const FULL = {
  seconds: 60,
  connections: 200,
  rate: 2000,
  gatewayRate: 500,
  pairs: 6,
  wallets: 10_000,
  services: 500,
  plainSql: 100_000,
};
const QUICK = {
  seconds: 3,
  connections: 20,
  rate: 200,
  gatewayRate: 50,
  pairs: 1,
  wallets: 200,
  services: 20,
  plainSql: 4000,
};

const OPTION_TYPES = {
  quick: { type: 'boolean' },
  scenario: { type: 'string' },
  seconds: { type: 'string' },
  connections: { type: 'string' },
  rate: { type: 'string' },
  'gateway-rate': { type: 'string' },
  pairs: { type: 'string' },
  wallets: { type: 'string' },
  services: { type: 'string' },
  'no-yardsticks': { type: 'boolean' },
  peers: { type: 'boolean' },
  fill: { type: 'string' },
  seed: { type: 'string' },
  'data-dir': { type: 'string' },
  'database-url': { type: 'string' },
} as const;

/** `seed`: used when none is given. */
export function parseOptions(args: readonly string[], seed: number): ParsedOptions {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTION_TYPES });
    const quick = values.quick ?? false;
    const defaults = quick ? QUICK : FULL;
    return {
      ok: true,
      value: {
        quick,
        scenarios: parseScenarios(values.scenario, quick ? QUICK_SCENARIOS : FULL_SCENARIOS),
        seconds: countOf('seconds', values.seconds, { fallback: defaults.seconds, max: 3600 }),
        connections: countOf('connections', values.connections, {
          fallback: defaults.connections,
          max: 5000,
        }),
        rate: countOf('rate', values.rate, { fallback: defaults.rate, max: 100_000 }),
        gatewayRate: countOf('gateway-rate', values['gateway-rate'], {
          fallback: defaults.gatewayRate,
          max: 100_000,
        }),
        pairs: countOf('pairs', values.pairs, { fallback: defaults.pairs, max: 100 }),
        wallets: countOf('wallets', values.wallets, { fallback: defaults.wallets, max: 1_000_000 }),
        services: countOf('services', values.services, { fallback: defaults.services, max: 1_000_000 }),
        plainSqlPayments: values['no-yardsticks'] === true ? 0 : defaults.plainSql,
        peers: values.peers ?? false,
        fill:
          values.fill === undefined
            ? undefined
            : countOf('fill', values.fill, { fallback: 0, max: 100_000_000 }),
        seed: countOf('seed', values.seed, { fallback: seed, max: 2 ** 31 - 1 }),
        dataDir: values['data-dir'],
        databaseUrl: values['database-url'],
      },
    };
  } catch (error) {
    return { ok: false, fault: error instanceof Error ? error.message : String(error) };
  }
}

function countOf(name: string, given: string | undefined, bounds: { fallback: number; max: number }): number {
  const value = given === undefined ? bounds.fallback : Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= bounds.max) return value;
  throw new Error(`--${name} takes a whole number from 1 to ${bounds.max}, not ${given}`);
}

function parseScenarios(given: string | undefined, fallback: readonly string[]): readonly string[] {
  if (given === undefined) return fallback;
  return given.split(',').map((name) => {
    const known = NAMES.find((scenario) => scenario === name.trim());
    if (known === undefined) throw new Error(`there is no scenario ${name}; there are ${NAMES.join(', ')}`);
    return known;
  });
}
