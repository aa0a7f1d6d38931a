/** Why an order is refused. */
import { type Problem, problem } from '#kernel/problem.ts';
import { type Reach, refusalOfUrl } from '#platform/egress/reachable.ts';
import type { CardProblemCode } from './problems.ts';

export type CardProblem = Problem<CardProblemCode>;

export function cardNotFound(account: string): CardProblem {
  return problem('cards.card_not_found', `There is no card ${account}.`);
}

export function cardTransactionNotFound(id: string): CardProblem {
  return problem('cards.card_transaction_not_found', `There is no card transaction ${id}.`);
}

export function cardExists(account: string): CardProblem {
  return problem('cards.card_exists', `There is a card ${account}.`, {
    errors: [{ pointer: '/account', code: 'taken', detail: 'is taken' }],
  });
}

export function rulesChanged(present: number): CardProblem {
  return problem('cards.rules_changed', `The merchant rules are of version ${present}.`, {
    members: { version: present },
  });
}

export function rulesVersionRequired(): CardProblem {
  return problem('cards.rules_version_required', 'The request has no If-Match header.');
}

export function noSuchVersion(): CardProblem {
  return problem('cards.rules_changed', 'No version of the merchant rules has this ETag.');
}

export function ambiguousRule(index: number): CardProblem {
  const detail = 'is about the same name as a rule before it';
  return problem('cards.ambiguous_rule', `/rules/${index} ${detail}.`, {
    errors: [{ pointer: `/rules/${index}`, code: 'ambiguous', detail }],
  });
}

export function callbackRefusal(url: string | null | undefined, reach: Reach): CardProblem | undefined {
  const refusal = typeof url === 'string' ? refusalOfUrl(url, reach) : undefined;
  if (refusal === undefined) return undefined;
  return problem('cards.callback_refused', refusal, {
    errors: [{ pointer: '/callback_url', code: 'refused', detail: refusal }],
  });
}
