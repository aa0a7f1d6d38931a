/**
 * Tenants take turns at work that one transaction takes a piece of: who had its piece is passed over until the others had theirs, so that
 * one with thousands waiting holds up nobody else. Of one process; several share the rows by their locks.
 */
export class TenantRounds {
  readonly #served = new Set<string>();

  /** What `take` finds of a tenant that was not served in this round, or else of any, which begins the next. */
  async next<Row>(take: (served: readonly string[]) => Promise<Row | undefined>): Promise<Row | undefined> {
    const found = await take([...this.#served]);
    if (found !== undefined || this.#served.size === 0) return found;
    this.#served.clear();
    return take([]);
  }

  serve(tenant: string): void {
    this.#served.add(tenant);
  }
}
