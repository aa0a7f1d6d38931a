/**
 * What something costs, by measuring without and with it in pairs whose order alternates: the machine's mood of the minute
 * is in both arms. The first arm of a pair tends to be the faster one, so an even number of pairs is the fair one.
 */
import { NOT_KNOWN } from '../report-format.ts';
import { type Spread, spreadOf } from './spread.ts';

export const ARMS = ['without', 'with'] as const;
export type ArmKind = (typeof ARMS)[number];

export interface Pair<Arm> {
  readonly first: ArmKind;
  readonly without: Arm;
  readonly with: Arm;
}

export async function runPairs<Arm>(
  count: number,
  run: (kind: ArmKind, index: number) => Promise<Arm>,
): Promise<readonly Pair<Arm>[]> {
  const pairs: Pair<Arm>[] = [];
  for (let index = 0; index < count; index += 1) {
    const first: ArmKind = index % 2 === 0 ? 'without' : 'with';
    const one = await run(first, index);
    const other = await run(first === 'without' ? 'with' : 'without', index);
    pairs.push(
      first === 'without' ? { first, without: one, with: other } : { first, without: other, with: one },
    );
  }
  return pairs;
}

/** Every arm, pair by pair, `without` first. */
export function armsOf<Arm>(pairs: readonly Pair<Arm>[]): Arm[] {
  return pairs.flatMap((pair) => [pair.without, pair.with]);
}

/** With by without, of each pair of which both are known: 1 is no difference. */
export function ratioOf<Arm>(
  pairs: readonly Pair<Arm>[],
  figure: (arm: Arm) => number | null,
): Spread | undefined {
  const ratios = pairs.flatMap((pair) => {
    const [without, withIt] = [figure(pair.without), figure(pair.with)];
    return without === null || withIt === null || without === 0 ? [] : [withIt / without];
  });
  return spreadOf(ratios);
}

/** What is missing to no difference, in per cent; below zero, the arms with it were the faster ones. */
export function renderSlowing(ratio: Spread | undefined): string {
  if (ratio === undefined) return NOT_KNOWN;
  const slowed = (value: number): string => ((1 - value) * 100).toFixed(1);
  const { median, least, most, count } = ratio;
  return `${slowed(median)} % (${slowed(most)} to ${slowed(least)}, ${count} pairs)`;
}
