/** An operator who sees to what waits for a person: reads the providers' books, and says what is there. */
import type { GatewayHome } from './gateway-home.ts';
import type { PaymentReading } from './gateway-judge.ts';
import type { BookEntry } from './sandbox-desk.ts';

export class Person {
  /** What was said of which payment. */
  readonly said: string[] = [];
  readonly #home: GatewayHome;

  constructor(home: GatewayHome) {
    this.#home = home;
  }

  /** `isSeenTo`: whether this one is seen to now. */
  async seeTo(isSeenTo: (payment: PaymentReading) => boolean): Promise<void> {
    const { caller } = this.#home;
    const waiting = await caller.read<PaymentReading[]>(
      '/v1/payments?status=reconciliation_required&limit=100',
    );
    for (const payment of waiting.filter(isSeenTo)) await this.#resolve(payment);
  }

  /** What stands in a book is charged; a compensation that failed is given back at the provider's desk. */
  async #resolve({ id, failure }: PaymentReading): Promise<void> {
    const isCompensation = failure?.code === 'payments.compensation_failed';
    const standing = await this.#standingCharges(id);
    if (isCompensation) await Promise.all(standing.map((give) => give(`by-hand-${id}`)));
    const outcome = standing.length > 0 && !isCompensation ? 'charged' : 'not_charged';
    const key = `person-${id}-${this.said.length}`;
    const answer = await this.#home.caller.post(
      `/v1/payments/${id}/resolution`,
      { outcome, reason: 'The book says so.' },
      key,
    );
    this.said.push(`${id}: ${outcome} ${answer.status}`);
  }

  /** Each as what gives it back. */
  async #standingCharges(id: string): Promise<((key: string) => Promise<unknown>)[]> {
    const books = await Promise.all(this.#home.desks.map((desk) => desk.book()));
    return books.flatMap((book, index) =>
      book
        .filter(
          ({ kind, reference, status }) => kind === 'charge' && reference === id && status === 'approved',
        )
        .filter((charge) => !book.some((entry) => isGivingBack(entry, charge)))
        .map((charge) => (key: string) => this.#home.desks[index]?.refund(charge, key) ?? Promise.resolve()),
    );
  }
}

function isGivingBack(entry: BookEntry, { key }: BookEntry): boolean {
  return entry.kind === 'refund' && entry.charge === key && entry.status !== 'failed';
}
