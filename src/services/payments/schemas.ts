import { type Static, Type } from 'typebox';
import { ACCOUNT_ID_PATTERN } from '#kernel/account-id.ts';
import { Metadata } from '#platform/http/metadata.ts';
import { Amount, closed, Instant, nullable, pageOf, pageQuery, Reason } from '#platform/http/schemas.ts';
import { PAYMENT_STATUSES, type PaymentStatus } from './payment.ts';
import { REFUND_STATUSES, type RefundStatus } from './refund.ts';

const AccountIdText = Type.String({ pattern: ACCOUNT_ID_PATTERN, description: 'The id of an account.' });
/** Three capital letters; whether ISO 4217 knows them is decided with the payment. */
const CurrencyText = Type.String({ minLength: 1, maxLength: 8, description: 'ISO 4217, such as BRL.' });

/** Answers render what was not given as null, and callers send it back so. */
const absentOrNull = <T extends Parameters<typeof nullable>[0]>(schema: T) => Type.Optional(nullable(schema));

export const PaymentOrderBody = closed(
  {
    wallet_id: AccountIdText,
    service_id: AccountIdText,
    amount: Amount,
    currency: CurrencyText,
    method: Type.Union([Type.Literal('balance'), Type.Literal('gateway')]),
    reference: absentOrNull(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: 'Unique per wallet and service, whatever the amount.',
      }),
    ),
    description: absentOrNull(Type.String({ minLength: 1, maxLength: 500 })),
    metadata: absentOrNull(Metadata),
  },
  'A payment from a wallet to a service.',
);

const Status = Type.Unsafe<PaymentStatus>({ type: 'string', enum: [...PAYMENT_STATUSES] });

export const PaymentDocument = Type.Object({
  id: Type.String({ description: '`pay_…`' }),
  status: Status,
  wallet_id: Type.String(),
  service_id: Type.String(),
  amount: Type.Integer(),
  currency: Type.String(),
  method: Type.String(),
  reference: nullable(Type.String()),
  description: nullable(Type.String()),
  metadata: nullable(Metadata),
  refunded: Type.Integer({ description: 'Minor units given back so far.' }),
  failure: nullable(Type.Object({ code: Type.String(), detail: Type.String() })),
  created_at: Instant,
  updated_at: Type.String({
    format: 'date-time',
    description: 'When its status or failure changed last. Its refunds have times of their own.',
  }),
});

export const PaymentPage = pageOf(PaymentDocument);

export const PaymentListQuery = closed({
  ...pageQuery,
  status: Type.Optional(Status),
  wallet_id: Type.Optional(AccountIdText),
  service_id: Type.Optional(AccountIdText),
  reference: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  created_from: Type.Optional(Instant),
  created_to: Type.Optional(Instant),
});
export type PaymentListQuery = Static<typeof PaymentListQuery>;

export const PaymentParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

/** Either may be left out, as `curl -X POST` does: no body at all is null to who checks shapes. */
export const RefundOrderBody = nullable(
  closed(
    {
      amount: Type.Optional(Amount),
      currency: Type.Optional(CurrencyText),
      reason: absentOrNull(Type.String({ minLength: 1, maxLength: 500, description: 'For people.' })),
    },
    'Money of the payment to give back; without an amount, all that is left.',
  ),
);

export const CancelBody = nullable(closed({}, 'Nothing is to be said.'));

export const ResolutionBody = closed(
  {
    outcome: Type.Union([Type.Literal('charged'), Type.Literal('not_charged')], {
      description: 'What you found out about the charge.',
    }),
    reason: Reason('How you know; kept with the payment.'),
    regarding: Type.Optional(
      Type.Union([Type.Literal('charge'), Type.Literal('completion')], {
        description:
          '`completion` undoes a payment that is completed. `charge`, the default, does not, if it was completed meanwhile.',
      }),
    ),
  },
  'What a person says of a charge.',
);

export const RefundDocument = Type.Object({
  id: Type.String({ description: '`ref_…`' }),
  payment_id: Type.String({ description: '`pay_…`' }),
  status: Type.Unsafe<RefundStatus>({ type: 'string', enum: [...REFUND_STATUSES] }),
  amount: Type.Integer(),
  currency: Type.String(),
  reason: nullable(Type.String()),
  failure: nullable(Type.Object({ code: Type.String(), detail: Type.String() })),
  created_at: Instant,
  updated_at: Instant,
});

export const RefundPage = pageOf(RefundDocument);

export const RefundListQuery = closed(pageQuery);
export type RefundListQuery = Static<typeof RefundListQuery>;

export const AllRefundsQuery = closed({
  ...pageQuery,
  status: Type.Optional(
    Type.Literal('reconciliation_required', { description: 'Those that wait for a person.' }),
  ),
});
export type AllRefundsQuery = Static<typeof AllRefundsQuery>;
