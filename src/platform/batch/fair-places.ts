/**
 * Places that tenants share, and may keep for long: requests under way, what waits for its turn in memory. As much as one has
 * stays free for the others, so there is room for who comes next however many hold theirs: one alone gets half of it all, two get
 * a third each.
 */
export class FairPlaces {
  readonly #taken = new Map<string, number>();
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  get free(): number {
    return this.#free;
  }

  /** How many more one by one would be the tenant's. What takes several at once may go beyond its share by them. */
  roomOf(tenant: string): number {
    return Math.max(0, Math.ceil((this.#free - (this.#taken.get(tenant) ?? 0)) / 2));
  }

  take(tenant: string, places = 1): void {
    this.#free -= places;
    this.#taken.set(tenant, (this.#taken.get(tenant) ?? 0) + places);
  }

  giveBack(tenant: string, places = 1): void {
    this.#free += places;
    const left = (this.#taken.get(tenant) ?? 0) - places;
    if (left > 0) this.#taken.set(tenant, left);
    else this.#taken.delete(tenant);
  }
}
