/**
 * A careful operator who sees to what waits for a person: has the charge's keys voided at the providers' own desks, reads
 * their books, and says what is there. After that it cannot come to be otherwise.
 */
import type { BookEntry } from '../history/history.ts';
import type { Provider } from '../product/provider.ts';
import type { HttpCaller } from './http-caller.ts';
import { changeOrder } from './world.ts';

interface Waiting {
  readonly id: string;
  readonly failure: { readonly code: string } | null;
}

interface Attempt {
  readonly id: string;
  readonly kind: string;
  readonly provider: string;
}

export class Person {
  /** How often something was said. */
  said = 0;
  readonly #caller: HttpCaller;
  readonly #providers: readonly Provider[];

  constructor(caller: HttpCaller, providers: readonly Provider[]) {
    this.#caller = caller;
    this.#providers = providers;
  }

  async seeToAll(): Promise<void> {
    const waiting = await this.#caller.list<Waiting>('/v1/payments?status=reconciliation_required');
    if (waiting.length === 0) return;
    for (const payment of waiting) await this.#voidKeys(payment.id);
    const books = await Promise.all(
      this.#providers.map(async (provider) => ({ provider, entries: await provider.book() })),
    );
    for (const payment of waiting) await this.#resolve(payment, books);
  }

  async #voidKeys(id: string): Promise<void> {
    const answer = await this.#caller.read<{ data: Attempt[] }>(`/v1/payments/${id}/attempts`);
    for (const attempt of answer?.data ?? []) {
      const provider = this.#providers.find(({ name }) => name === attempt.provider);
      if (attempt.kind === 'charge') await provider?.void(attempt.id);
    }
  }

  /** What stands in a book is charged; a compensation that failed is given back at the provider's desk. */
  async #resolve(
    { id, failure }: Waiting,
    books: readonly { readonly provider: Provider; readonly entries: readonly BookEntry[] }[],
  ): Promise<void> {
    const isCompensation = failure?.code === 'payments.compensation_failed';
    const standing = books.flatMap(({ provider, entries }) =>
      standingCharges(id, entries).map((charge) => ({ provider, charge })),
    );
    if (isCompensation)
      for (const { provider, charge } of standing) await provider.refund(charge, `by-hand-${charge.key}`);
    const outcome = standing.length > 0 && !isCompensation ? 'charged' : 'not_charged';
    this.said += 1;
    const body = { outcome, reason: 'The book says so.' };
    await this.#caller.order(changeOrder('resolution', `person-${this.said}`, { payment: id, body }));
  }
}

function standingCharges(payment: string, entries: readonly BookEntry[]): BookEntry[] {
  return entries.filter(
    (charge) =>
      charge.kind === 'charge' &&
      charge.reference === payment &&
      charge.status === 'approved' &&
      !entries.some(
        (entry) => entry.kind === 'refund' && entry.charge === charge.key && entry.status !== 'failed',
      ),
  );
}
