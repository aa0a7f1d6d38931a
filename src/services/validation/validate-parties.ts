import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type AccountGlance, accountRef } from '#services/ledger/contract.ts';
import type { ValidationProblemCode } from './problems.ts';

/** Of a payment or of a refund; which of the two is for the sentences alone. */
export interface Parties {
  readonly of: 'payment' | 'refund';
  readonly walletId: string;
  readonly serviceId: string;
  readonly currency: string;
}

/**
 * The rules that both must meet before money is touched, in this order: both accounts exist, are open, and have the
 * currency; the wallet before the service.
 */
export function validateParties(
  accounts: ReadonlyMap<string, AccountGlance>,
  tenant: string,
  { of, walletId, serviceId, currency }: Parties,
): Decision<'valid', Problem<ValidationProblemCode>> {
  const roles = [
    { role: 'wallet', id: walletId },
    { role: 'service', id: serviceId },
  ];
  for (const { role, id } of roles) {
    const account = accounts.get(accountRef({ tenant, id }));
    if (account === undefined)
      return refused(problem('validation.account_not_found', `There is no ${role} account ${id}.`));
    if (account.status === 'closed')
      return refused(problem('validation.account_closed', `The ${role} account ${id} is closed.`));
    if (account.currency !== currency) {
      const detail = `The ${role} account ${id} is in ${account.currency}, the ${of} in ${currency}.`;
      return refused(problem('validation.currency_mismatch', detail));
    }
  }
  return accepted('valid');
}
