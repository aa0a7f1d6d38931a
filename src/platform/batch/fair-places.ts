/**
 * Places that tenants share, and may keep for long: requests under way, what waits for its turn in memory. As much as one has
 * stays free for the others, so there is room for who comes next however many hold theirs: one alone gets half of it all, two get
 * a third each.
 */
import { Tally } from '#kernel/tally.ts';

export class FairPlaces {
  readonly #taken = new Tally<string>();
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  get free(): number {
    return this.#free;
  }

  /** How many more one by one would be the tenant's. What takes several at once may go beyond its share by them. */
  roomOf(tenant: string): number {
    return Math.max(0, Math.ceil((this.#free - this.#taken.of(tenant)) / 2));
  }

  take(tenant: string, places = 1): void {
    this.#free -= places;
    this.#taken.add(tenant, places);
  }

  giveBack(tenant: string, places = 1): void {
    this.#free += places;
    this.#taken.subtract(tenant, places);
  }
}
