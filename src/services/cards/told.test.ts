import { expect, test } from 'vitest';
import type { Outcome } from './authorize-card-transaction.ts';
import type { CardTransaction } from './card-transaction.ts';
import { isWaitingForSettlement, type Told } from './told.ts';

const OUTCOMES = {
  decided: { kind: 'decided', cardTransaction: {} as CardTransaction },
  repeated: { kind: 'repeated', cardTransaction: {} as CardTransaction },
  late: { kind: 'late' },
  contested: { kind: 'contested' },
  card: { kind: 'locked', what: 'card' },
  settlement: { kind: 'locked', what: 'settlement' },
} as const satisfies Record<string, Outcome>;

function told(...names: readonly (keyof typeof OUTCOMES)[]): Told[] {
  return names.map((name) => ({ outcome: OUTCOMES[name] }) as Told);
}

test.each([
  [['settlement'], true],
  [['settlement', 'card'], true],
  [['settlement', 'decided'], false],
  [['card'], false],
  // What needs no settlement account tells nothing about whether it can be done without.
  [['settlement', 'repeated'], true],
  [['settlement', 'late', 'contested'], true],
  [['repeated', 'late'], false],
  [[], false],
] as const)(
  'C3: a settlement account is waited for when nothing can be decided without it: %j, %s',
  (names, waits) => {
    expect(isWaitingForSettlement(told(...names))).toBe(waits);
  },
);
