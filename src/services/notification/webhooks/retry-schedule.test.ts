import { describe, expect, test } from 'vitest';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import {
  type AttemptEnded,
  DISABLE_AFTER_MS,
  decideAfterAttempt,
  RETRY_DELAYS_MS,
} from './retry-schedule.ts';

const NOW = 1_000_000;
const answered = (status: number) => ({
  detail: '',
  latencyMs: 5,
  answer: { status, headers: {}, body: Buffer.alloc(0), isCut: false, isBrokenOff: false },
});
const FAILED: EgressOutcome = { kind: 'transient', ...answered(503) };

function decide(more: Partial<AttemptEnded>) {
  return decideAfterAttempt({
    outcome: FAILED,
    failures: 0,
    failingSince: null,
    canBeDisabled: true,
    now: NOW,
    random: 0,
    ...more,
  });
}

describe('U10: a delivery that failed', () => {
  test('is tried ten times, in the specification’s intervals', () => {
    const SECONDS = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
    expect(RETRY_DELAYS_MS).toEqual(SECONDS.map((seconds) => seconds * 1000));
    RETRY_DELAYS_MS.forEach((delay, failures) => {
      expect(decide({ failures }).step).toEqual({ kind: 'retry', at: NOW + delay, counts: true });
    });
    expect(decide({ failures: RETRY_DELAYS_MS.length }).step).toEqual({ kind: 'exhausted' });
  });

  test('comes back within a tenth of its wait, so that what failed together does not come together', () => {
    expect(decide({ random: 0.999_999 }).step).toMatchObject({ at: NOW + 5500 });
  });

  test('waits as long as its receiver asks for, a day at most', () => {
    const after = (retryAfterMs: number) =>
      decide({ outcome: { kind: 'transient', ...answered(503), retryAfterMs } }).step;
    expect(after(60_000)).toMatchObject({ at: NOW + 60_000 });
    expect(after(1000)).toMatchObject({ at: NOW + 5000 });
    expect(after(10 * 86_400_000)).toMatchObject({ at: NOW + 86_400_000 });
  });

  test.each<[string, EgressOutcome]>([
    ['a redirection', { kind: 'permanent', ...answered(302) }],
    ['a 404', { kind: 'permanent', ...answered(404) }],
    ['no answer', { kind: 'unknown', detail: '', latencyMs: 15_000 }],
  ])('by %s is tried again too', (_what, outcome) => {
    expect(decide({ outcome })).toMatchObject({ step: { kind: 'retry', counts: true }, disables: undefined });
  });

  test('by nobody’s fault but ours is tried again soon, and is not counted', () => {
    const outcome: EgressOutcome = { kind: 'not_called', detail: '', latencyMs: 0, retryAfterMs: 250 };
    expect(decide({ outcome, failures: 9 }).step).toEqual({ kind: 'retry', at: NOW + 250, counts: false });
  });
});

describe('an endpoint', () => {
  test('that says 410 is disabled, and what waits for it is kept', () => {
    const gone: EgressOutcome = { kind: 'permanent', ...answered(410) };
    expect(decide({ outcome: gone })).toMatchObject({ disables: 'gone', step: { kind: 'retry' } });
  });

  test('at which nothing has succeeded for days is disabled', () => {
    const since = (ms: number) => decide({ failingSince: NOW - ms }).disables;
    expect([since(DISABLE_AFTER_MS - 1), since(DISABLE_AFTER_MS)]).toEqual([undefined, 'failing']);
    expect(
      decide({ failingSince: 0, outcome: { kind: 'delivered', ...answered(200) } }).disables,
    ).toBeUndefined();
  });

  test('that stands for a callback is never disabled, which nobody could undo: 410 ends the delivery', () => {
    const gone: EgressOutcome = { kind: 'permanent', ...answered(410) };
    expect(decide({ outcome: gone, canBeDisabled: false })).toEqual({
      step: { kind: 'exhausted' },
      disables: undefined,
    });
    expect(decide({ failingSince: 0, canBeDisabled: false }).disables).toBeUndefined();
  });
});
