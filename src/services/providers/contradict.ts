/** A provider that says something else than it said before. Pure. */
import type { Attempt } from './attempt.ts';
import { attemptData } from './attempts.ts';
import type { Case } from './decision-context.ts';

/** D3; the same contradiction again adds nothing. */
export function contradict({ attempts, attempt }: Case, told: string, change: Partial<Attempt>): void {
  if (attempt.contradictions.includes(told)) return;
  const contradictions = [...attempt.contradictions, told];
  const contradicted = attempts.change(attempt, { ...change, contradictions });
  attempts.tell(contradicted, 'provider.contradicted', {
    ...attemptData(contradicted),
    told,
    known: attempt.state,
  });
  attempts.follow(contradicted, 'provider.contradicted');
}
