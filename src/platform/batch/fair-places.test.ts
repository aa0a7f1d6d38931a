import { expect, test } from 'vitest';
import { FairPlaces } from './fair-places.ts';

function takeAll(places: FairPlaces, tenant: string): number {
  let taken = 0;
  for (; places.roomOf(tenant) > 0; taken++) places.take(tenant);
  return taken;
}

test('one tenant alone gets half, two a third each, and there is always room for the next', () => {
  const places = new FairPlaces(120);
  expect(takeAll(places, 'a')).toBe(60);
  expect(takeAll(places, 'b')).toBe(30);
  expect(takeAll(places, 'c')).toBe(15);
  places.giveBack('a', 60);
  expect(takeAll(places, 'b')).toBeGreaterThan(0);
});

test('the room is what can be taken one by one', () => {
  for (const [size, has] of [
    [10, 0],
    [11, 0],
    [10, 3],
    [11, 4],
    [10, 5],
  ] as const) {
    const places = new FairPlaces(size);
    places.take('a', has);
    const room = places.roomOf('a');
    expect(takeAll(places, 'a')).toBe(room);
  }
});

test('what is given back is free again', () => {
  const places = new FairPlaces(8);
  places.take('a', 6);
  expect([places.free, places.roomOf('a'), places.roomOf('b')]).toEqual([2, 0, 1]);
  places.giveBack('a', 6);
  expect([places.free, places.roomOf('a')]).toEqual([8, 4]);
});
