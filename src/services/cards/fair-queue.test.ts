import { describe, expect, test } from 'vitest';
import { FairQueue } from './fair-queue.ts';

function given(...items: readonly string[]): FairQueue<string> {
  const queue = new FairQueue<string>({
    keyOf: (item) => (item.startsWith('-') ? undefined : item[0]),
    isPatient: (item) => item.endsWith('~'),
  });
  queue.push(...items);
  return queue;
}

describe('what waits is taken', () => {
  test('in the order it came', () => {
    const queue = given('a1', 'b1', '-', 'a2');
    expect(queue.take(9, 0)).toEqual(['a1', 'b1', '-', 'a2']);
    expect(queue.size).toBe(0);
  });

  test('so that others come behind a part of one card, and the rest of it keeps its order', () => {
    const queue = given('a1', 'a2', 'a3', 'a4', 'a5', 'b1', '-1', '-2', '-3');
    expect(queue.take(4, 0)).toEqual(['a1', 'a2', 'b1', '-1']);
    expect(queue.take(9, 0)).toEqual(['a3', 'a4', 'a5', '-2', '-3']);
  });

  test('of one card as much as there is room for, where nobody else waits', () => {
    const queue = given('a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1');
    expect(queue.take(5, 0)).toEqual(['a1', 'a2', 'b1', 'a3', 'a4']);
  });

  test('without what was set aside, until then', () => {
    const queue = given('a1', 'b1', 'a2');
    queue.setAside('a0', 5);
    expect(queue.take(9, 4)).toEqual(['b1']);
    expect(queue.size).toBe(2);
    expect(queue.take(9, 5)).toEqual(['a1', 'a2']);
  });

  test('by what it is', () => {
    const queue = given('a1', 'b1', 'a2');
    expect(queue.takeHurried((item) => item.startsWith('a'))).toEqual(['a1', 'a2']);
    expect(queue.take(9, 0)).toEqual(['b1']);
  });

  test('K5: what has no time first, however much that has time came before it, which has a quarter left', () => {
    const patient = Array.from({ length: 5000 }, (_, index) => `-${index}~`);
    const queue = given(...patient, '-1', '-2', '-3', '-4');
    expect(queue.take(4, 0)).toEqual(['-1', '-2', '-3', '-0~']);
    expect([queue.hurried, queue.patient, queue.size]).toEqual([1, 4999, 5000]);
    expect(queue.take(4, 0)).toEqual(['-4', '-1~', '-2~', '-3~']);
  });
});
