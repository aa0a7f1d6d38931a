/** What can be asked of the torture, and what it does when nothing is asked. */
import { parseArgs } from 'node:util';
import { type FaultKind, KINDS } from './plan/fault-kinds.ts';

export interface TortureOptions {
  readonly faults: number;
  /** Of which they are drawn. */
  readonly kinds: readonly FaultKind[];
  /** In which the faults come, and callers with them. */
  readonly seconds: number;
  readonly seed: number;
  /** Scenarios begun a second, most of them one payment. */
  readonly rate: number;
  readonly json: boolean;
  /** Keeps the folder also when nothing is wrong. */
  readonly keep: boolean;
}

export type ParsedOptions =
  | { readonly ok: true; readonly value: TortureOptions }
  | { readonly ok: false; readonly fault: string };

const DEFAULTS = { faults: 60, seconds: 90, rate: 40 };
const SEED_MAX = 2 ** 31 - 1;

export const USAGE = `lastro torture [options]

  --faults <n>    how many, drawn from the seed (default ${DEFAULTS.faults})
  --seconds <n>   in what time (default ${DEFAULTS.seconds}); settling and judging come after it
  --seed <n>      repeats the faults and the callers of a run (default: from the clock)
  --rate <n>      scenarios begun a second (default ${DEFAULTS.rate})
  --kinds <list>  of ${KINDS.join(', ')}
                  (default: all)
  --json          the report as JSON
  --keep          keep the folder with logs and history also when nothing is wrong
`;

const OPTION_TYPES = {
  faults: { type: 'string' },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  rate: { type: 'string' },
  kinds: { type: 'string' },
  json: { type: 'boolean' },
  keep: { type: 'boolean' },
} as const;

/** `seed`: used when none is given. */
export function parseOptions(args: readonly string[], seed: number): ParsedOptions {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTION_TYPES });
    return {
      ok: true,
      value: {
        faults: countOf('faults', values.faults, { fallback: DEFAULTS.faults, max: 100_000 }),
        kinds: values.kinds === undefined ? KINDS : values.kinds.split(',').map(kindOf),
        seconds: countOf('seconds', values.seconds, { fallback: DEFAULTS.seconds, max: 86_400 }),
        seed: countOf('seed', values.seed, { fallback: seed, max: SEED_MAX }),
        rate: countOf('rate', values.rate, { fallback: DEFAULTS.rate, max: 2000 }),
        json: values.json ?? false,
        keep: values.keep ?? false,
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

function kindOf(given: string): FaultKind {
  const known = KINDS.find((kind) => kind === given.trim());
  if (known === undefined)
    throw new Error(`there is no kind of fault ${given}; there are ${KINDS.join(', ')}`);
  return known;
}
