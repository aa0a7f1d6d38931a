/** Every problem of the product, and how it becomes an answer. */
import type { Problem, ProblemRegistry } from '#kernel/problem.ts';
import { problem } from '#kernel/problem.ts';
import { deadLetterProblems } from '#platform/dead-letters/problems.ts';
import { edgeProblems, mergeProblems } from '#platform/http/problems.ts';
import { renderProblem } from '#platform/http/render-problem.ts';
import type { Answer } from '#platform/idempotency/idempotency.ts';
import { vaultProblems } from '#platform/vault/problems.ts';
import { accessProblems } from '#services/access/contract.ts';
import { cardProblems } from '#services/cards/contract.ts';
import { cashflowProblems } from '#services/cashflow/contract.ts';
import { consolidationProblems } from '#services/consolidation/contract.ts';
import { hubProblems } from '#services/hub/contract.ts';
import { checkpointProblems } from '#services/integrity/checkpoints/problems.ts';
import { integrityProblems } from '#services/integrity/problems.ts';
import { ledgerProblems } from '#services/ledger/problems.ts';
import { webhookProblems } from '#services/notification/webhooks/problems.ts';
import { paymentProblems } from '#services/payments/problems.ts';
import { providerProblems } from '#services/providers/problems.ts';
import { validationProblems } from '#services/validation/problems.ts';

export const SERVICE_PROBLEMS = mergeProblems(
  accessProblems,
  cardProblems,
  cashflowProblems,
  deadLetterProblems,
  checkpointProblems,
  hubProblems,
  consolidationProblems,
  integrityProblems,
  ledgerProblems,
  paymentProblems,
  providerProblems,
  validationProblems,
  vaultProblems,
  webhookProblems,
);

/** Every code that the product can answer or put into a payment's failure. */
export const PROBLEMS: ProblemRegistry = mergeProblems(edgeProblems, SERVICE_PROBLEMS);

export function renderAnswer(refusal: Problem): Answer {
  const { status, body } = renderProblem(PROBLEMS, refusal);
  return { status, body };
}

/** U1: the same key with another body, naming the fields that differ. */
export function keyReusedOf(topic: string): (pointers: readonly string[]) => Answer {
  return (pointers) => {
    const errors = pointers.map((pointer) => ({
      pointer,
      code: 'differs',
      detail: 'differs from the first request',
    }));
    const detail = 'The key was used before with a body that differs.';
    return renderAnswer(problem(`${topic}.idempotency_key_reused`, detail, { errors }));
  };
}
