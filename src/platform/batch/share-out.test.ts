import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareOut } from './share-out.ts';

interface Item {
  readonly owner: string;
  readonly weight: number;
  readonly at: number;
}

const COST = { weightOf: ({ weight }: Item) => weight, ownerOf: ({ owner }: Item) => owner };

function itemsOf(...counts: readonly [owner: string, count: number, weight: number][]): Item[] {
  return counts
    .flatMap(([owner, count, weight]) => Array.from({ length: count }, () => ({ owner, weight })))
    .map((item, at) => ({ ...item, at }));
}

function ownersOf(items: readonly Item[]): Record<string, number> {
  return Object.fromEntries(
    [...Map.groupBy(items, ({ owner }) => owner)].map(([owner, own]) => [owner, own.length]),
  );
}

test('who comes behind a great many of somebody else’s is in the next batch', () => {
  const waiting = itemsOf(['bulk', 300, 10], ['other', 1, 1], ['third', 2, 1]);
  expect(ownersOf(shareOut(waiting, { items: 1000, weight: 100 }, COST))).toEqual({
    bulk: 9,
    other: 1,
    third: 2,
  });
});

test('an only owner fills a batch, in the order of its items', () => {
  const waiting = itemsOf(['bulk', 300, 10]);
  expect(shareOut(waiting, { items: 1000, weight: 100 }, COST)).toEqual(waiting.slice(0, 10));
  expect(shareOut(waiting, { items: 4, weight: 100 }, COST)).toEqual(waiting.slice(0, 4));
});

test('what is larger than a batch has one for itself', () => {
  const waiting = itemsOf(['bulk', 2, 500], ['other', 1, 1]);
  expect(shareOut(waiting, { items: 1000, weight: 100 }, COST)).toEqual(waiting.slice(0, 1));
});

test('whatever waits: some of it goes, within the room, and of each owner what came first', () => {
  const waiting = fc.array(
    fc.record({ owner: fc.constantFrom('a', 'b', 'c'), weight: fc.integer({ min: 1, max: 60 }) }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(waiting, fc.integer({ min: 1, max: 30 }), (given, most) => {
      const items = given.map((item, at) => ({ ...item, at }));
      const chosen = shareOut(items, { items: most, weight: 100 }, COST);
      expect(chosen.length).toBeGreaterThan(0);
      expect(chosen.length).toBeLessThanOrEqual(most);
      expect(chosen.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(100);
      for (const own of Map.groupBy(chosen, ({ owner }) => owner).values()) {
        const first = items.filter(({ owner }) => owner === own[0]?.owner).slice(0, own.length);
        expect(own).toEqual(first);
      }
    }),
  );
});
