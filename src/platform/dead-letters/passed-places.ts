/** What a group's positions have passed: nothing else is handed to it (redeliverer.ts, D3). Pure. */
import type { EventPlace } from '../log/events-at.ts';
import type { HeldPositions, ParkedPlace } from './order-store.ts';

export function hasPassed(positions: HeldPositions, { topic, position }: EventPlace): boolean {
  return (positions.get(topic) ?? 0) >= position;
}

/** The first ones of those that wait, up to one that the positions have not passed. */
export function placesPassed(
  places: readonly ParkedPlace[],
  positions: HeldPositions,
): readonly ParkedPlace[] {
  const ahead = places.findIndex((place) => !hasPassed(positions, place));
  return ahead === -1 ? places : places.slice(0, ahead);
}
