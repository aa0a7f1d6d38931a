import { accepted, type Decision, refused } from '#kernel/decision.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import { type AccountGlance, accountRef } from '#services/ledger/contract.ts';
import type { PaymentTerms } from './events.ts';
import type { ValidationProblemCode } from './problems.ts';

/**
 * The rules a payment must meet before money is touched, in this order: both accounts exist, are open, and have the
 * payment's currency; the wallet before the service.
 */
export function validatePayment(
  accounts: ReadonlyMap<string, AccountGlance>,
  tenant: string,
  terms: PaymentTerms,
): Decision<'valid', Problem<ValidationProblemCode>> {
  const parties = [
    {
      role: 'wallet',
      id: terms.wallet_id,
      account: accounts.get(accountRef({ tenant, id: terms.wallet_id })),
    },
    {
      role: 'service',
      id: terms.service_id,
      account: accounts.get(accountRef({ tenant, id: terms.service_id })),
    },
  ];
  for (const { role, id, account } of parties) {
    if (account === undefined)
      return refused(problem('validation.account_not_found', `There is no ${role} account ${id}.`));
    if (account.status === 'closed')
      return refused(problem('validation.account_closed', `The ${role} account ${id} is closed.`));
    if (account.currency !== terms.currency) {
      const detail = `The ${role} account ${id} is in ${account.currency}, the payment in ${terms.currency}.`;
      return refused(problem('validation.currency_mismatch', detail));
    }
  }
  return accepted('valid');
}
