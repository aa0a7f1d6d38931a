/** What can be done to the references that payments hold (U2); see damages.ts. */
import { type Damage, some, toOne } from './damage.ts';

/** The row of the reference that one payment of the installation holds. */
const HELD = `r.reference = 'invoice-7'`;

export const TO_REFERENCES: readonly Damage[] = [
  toOne(
    'pay',
    'a deleted reference',
    `delete from payments.payment_references r where ${HELD} returning r.payment_id`,
    [['references', 'missing_reference']],
  ),
  toOne(
    'pay',
    'a reference given to another payment, seen from the one that named it',
    `update payments.payment_references r set payment_id = ${some('completed')}
     from payments.payments p where ${HELD} and p.reference = r.reference returning p.id`,
    [['references', 'different_reference']],
  ),
  toOne(
    'pay',
    'a reference given to another payment, seen from that one',
    `update payments.payment_references r set payment_id = ${some('completed')} where ${HELD} returning r.payment_id`,
    [['references', 'extra_reference']],
  ),
  toOne(
    'pay',
    'an edited reference',
    `update payments.payment_references r set reference = 'invoice-70' where ${HELD} returning r.payment_id`,
    [
      ['references', 'missing_reference'],
      ['references', 'extra_reference'],
    ],
  ),
  toOne(
    'pay',
    'a reference of no payment',
    `insert into payments.payment_references select tenant, wallet_id, service_id, 'smuggled', gen_random_uuid()
     from payments.payments limit 1 returning payment_id`,
    [['references', 'extra_reference']],
  ),
  ...['declined', 'failed'].map((status) =>
    toOne(
      'pay',
      `a reference that a payment holds although it ${status === 'failed' ? status : `was ${status}`}`,
      `insert into payments.payment_references select tenant, wallet_id, service_id, reference, id
       from payments.payments where status = '${status}' and reference is not null returning payment_id`,
      [['references', 'extra_reference']],
    ),
  ),
];
