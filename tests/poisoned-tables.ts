/**
 * Events that a group cannot handle although nothing is wrong with them: a constraint refuses what would follow from them,
 * with an SQLSTATE of the data's class. Dropping it is the mending.
 */
import { ask } from './redelivery.ts';

/** What a payment of this amount would lead to is refused. */
export const POISON_AMOUNT = 666_013;

/** Where each group leaves what follows from a payment. */
const EFFECTS = {
  validation: ['validation.events', `data not like '%"amount":${POISON_AMOUNT},%'`],
  authorization: ['"authorization".events', `data not like '%"amount":${POISON_AMOUNT},%'`],
  notification: ['notification.notifications', `payload::text !~ '"amount": ?${POISON_AMOUNT}'`],
  payments: ['payments.payments', `amount <> ${POISON_AMOUNT} or status = 'pending'`],
} as const;

export type PoisonedGroup = keyof typeof EFFECTS;

/** What was written before stays. */
export async function poison(url: string, group: PoisonedGroup): Promise<void> {
  const [table, condition] = EFFECTS[group];
  await ask(url, `alter table ${table} add constraint poisoned check (${condition}) not valid`);
}

export async function mend(url: string, group: PoisonedGroup): Promise<void> {
  const [table] = EFFECTS[group];
  await ask(url, `alter table ${table} drop constraint poisoned`);
}
