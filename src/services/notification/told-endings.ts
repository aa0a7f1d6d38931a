/** Which events are told of, and which of them take an earlier one back. */
import { SAGAS } from '#sagas/definitions.ts';

/** With version 2 since payments are made through providers too. */
const OF_TWO_VERSIONS: ReadonlySet<string> = new Set([
  'payment.completed',
  'payment.declined',
  'payment.failed',
  'payment.rejected',
]);

/** Every ending of every saga, each with the newest version that is read. */
export const TOLD_ENDINGS: ReadonlyMap<string, number> = new Map(
  SAGAS.flatMap(({ endings }) => Object.keys(endings)).map((type) => [
    type,
    OF_TWO_VERSIONS.has(type) ? 2 : 1,
  ]),
);

/** A payment that was told to be completed, and is undone after all: who heard the one has to hear the other. */
const CORRECTIONS: ReadonlyMap<string, string> = new Map([['payment.compensated', 'payment.completed']]);

/** The ending that telling of this one takes back, if it was told. */
export function correctedBy(type: string): string | undefined {
  return CORRECTIONS.get(type);
}
