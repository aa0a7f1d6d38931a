/**
 * Which of those that wait go into the next batch where all of them would be too much: nobody waits behind what somebody else has sent,
 * but for a batch. In the order they came, of one owner a part of the room as long as others wait; the first always.
 */

/** What an item takes of a batch, and whose it is. */
export interface Cost<Item> {
  readonly weightOf: (item: Item) => number;
  readonly ownerOf: (item: Item) => string;
}

/** Of the room, what one owner may take while others wait: an only one still fills it. */
const OWNER_PART = 0.25;

export function shareOut<Item>(
  waiting: readonly Item[],
  room: { readonly items: number; readonly weight: number },
  { weightOf, ownerOf }: Cost<Item>,
): Item[] {
  const chosen: Item[] = [];
  let weight = 0;
  const fits = (item: Item): boolean =>
    chosen.length === 0 || (chosen.length < room.items && weight + weightOf(item) <= room.weight);
  /** Takes of each owner what comes first, until one does not fit; the rest. */
  const pass = (items: readonly Item[], part: number): Item[] => {
    const taken = new Map<string, number>();
    const left: Item[] = [];
    for (const item of items) {
      const owner = ownerOf(item);
      const before = taken.get(owner) ?? 0;
      const own = before + weightOf(item);
      if ((own <= part || before === 0) && fits(item)) {
        taken.set(owner, own);
        chosen.push(item);
        weight += weightOf(item);
      } else {
        taken.set(owner, Number.POSITIVE_INFINITY);
        left.push(item);
      }
    }
    return left;
  };
  pass(pass(waiting, room.weight * OWNER_PART), room.weight);
  return chosen;
}
