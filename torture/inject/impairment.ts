/** Which of the two processes could take a payment just now, as far as the faults under way let them. */
import type { Target } from '../plan/fault-kinds.ts';

/** Whom a fault of that target keeps from taking payments. */
const IMPAIRED: Readonly<Partial<Record<Target, readonly ('a' | 'b')[]>>> = {
  'process-a': ['a'],
  'wire-a': ['a'],
  'process-b': ['b'],
  'wire-b': ['b'],
  postgres: ['a', 'b'],
  disk: ['a', 'b'],
};

export class Impairment {
  readonly #faults = { a: 0, b: 0 };

  begin(target: Target): void {
    for (const side of IMPAIRED[target] ?? []) this.#faults[side] += 1;
  }

  /** Whether intake was impossible until now, and is possible from now on. */
  end(target: Target): boolean {
    const wasImpossible = this.#isImpossible();
    for (const side of IMPAIRED[target] ?? []) this.#faults[side] -= 1;
    return wasImpossible && !this.#isImpossible();
  }

  #isImpossible(): boolean {
    return this.#faults.a > 0 && this.#faults.b > 0;
  }
}
