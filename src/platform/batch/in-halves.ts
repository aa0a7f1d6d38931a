import { isTransient } from '../postgres/faults.ts';

export interface Halving<Item> {
  /** Of all of them, or of none: a transaction. */
  readonly work: (items: readonly Item[]) => Promise<unknown>;
  /** Of one that has failed alone, by what is in it. */
  readonly onFailed: (item: Item, error: unknown) => Promise<void> | void;
}

/**
 * R6: works on all of them together, and in halves where that fails by what is in them, until the one at fault stands alone:
 * it keeps none of the others from being worked on. A transient fault is none of theirs, and is thrown. How many succeeded.
 */
export async function inHalves<Item>(items: readonly Item[], halving: Halving<Item>): Promise<number> {
  const [first] = items;
  if (first === undefined) return 0;
  try {
    await halving.work(items);
    return items.length;
  } catch (error) {
    if (isTransient(error)) throw error;
    if (items.length === 1) {
      await halving.onFailed(first, error);
      return 0;
    }
  }
  const middle = Math.ceil(items.length / 2);
  const succeeded = await inHalves(items.slice(0, middle), halving);
  return succeeded + (await inHalves(items.slice(middle), halving));
}
