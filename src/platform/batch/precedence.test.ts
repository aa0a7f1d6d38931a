import { describe, expect, test } from 'vitest';
import { Precedence } from './precedence.ts';

/** Notes the same every 10 ms for a while. */
function noted(
  precedence: Precedence,
  part: number,
  { from, forMs }: { from: number; forMs: number },
): number {
  for (let at = from; at < from + forMs; at += 10) precedence.note(part, at);
  return from + forMs;
}

describe('K5: who has a deadline goes first', () => {
  test('nobody is slowed while they have time', () => {
    const precedence = new Precedence();
    expect(precedence.delayMs(0)).toBe(0);
    const at = noted(precedence, 0.49, { from: 0, forMs: 5000 });
    expect(precedence.delayMs(at)).toBe(0);
  });

  test('where they are nearly late the others wait, longer and longer, to a bound (V2)', () => {
    const precedence = new Precedence();
    const delays = [1, 2, 3, 4, 5, 6].map((step) => {
      const at = noted(precedence, 0.9, { from: step * 30, forMs: 30 });
      return precedence.delayMs(at);
    });
    expect(delays).toEqual([20, 30, 45, 67.5, 100, 100]);
  });

  test('one that was slow among many that were not counts', () => {
    const precedence = new Precedence();
    precedence.note(0.1, 0);
    precedence.note(0.9, 10);
    precedence.note(0.1, 20);
    precedence.note(0.1, 60);
    expect(precedence.delayMs(60)).toBe(20);
  });

  test('a slow batch is one reason to wait longer, not one for each batch that follows from it', () => {
    const precedence = new Precedence();
    noted(precedence, 0.9, { from: 0, forMs: 30 });
    expect(precedence.delayMs(30)).toBe(20);
  });

  test('where it helps the delay stays; where they have time again it ends, more slowly than it came', () => {
    const precedence = new Precedence();
    const grown = noted(precedence, 0.9, { from: 0, forMs: 300 });
    const settled = noted(precedence, 0.4, { from: grown, forMs: 100 });
    const delayMs = precedence.delayMs(settled);
    const steady = noted(precedence, 0.4, { from: settled, forMs: 5000 });
    expect(precedence.delayMs(steady)).toBe(delayMs);
    const later = noted(precedence, 0.1, { from: steady, forMs: 300 });
    expect(precedence.delayMs(later)).toBeLessThan(delayMs);
    expect(precedence.delayMs(later)).toBeGreaterThan(delayMs / 3);
    const end = noted(precedence, 0.1, { from: later, forMs: 3000 });
    expect(precedence.delayMs(end)).toBe(0);
  });

  test('beside them a batch takes a part of those that wait, so that it is soon over; of few, all', () => {
    const precedence = new Precedence();
    expect(precedence.takes(1000, 0)).toBe(1000);
    const at = noted(precedence, 0.9, { from: 0, forMs: 100 });
    expect([10, 100, 1000].map((waiting) => precedence.takes(waiting, at))).toEqual([32, 32, 250]);
  });

  test('who is not there any more slows nobody, and does not when he comes back (V1)', () => {
    const precedence = new Precedence();
    const at = noted(precedence, 1, { from: 0, forMs: 2000 });
    expect(precedence.delayMs(at)).toBe(100);
    expect(precedence.delayMs(at + 600)).toBe(0);
    precedence.note(0.1, at + 1000);
    expect(precedence.delayMs(at + 1000)).toBe(0);
  });
});
