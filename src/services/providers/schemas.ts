import { Type } from 'typebox';
import { Instant, nullable } from '#platform/http/schemas.ts';

const Nullable = nullable(Type.String());

export const AttemptDocument = Type.Object({
  id: Type.String({ description: '`att_…`, the idempotency key at the provider.' }),
  kind: Type.Enum(['charge', 'refund']),
  purpose: Type.Enum(['payment', 'refund', 'compensation', 'unexpected']),
  number: Type.Integer(),
  provider: Type.String(),
  state: Type.String(),
  amount: Type.Integer(),
  currency: Type.String(),
  charge_id: Nullable,
  provider_reference: Nullable,
  created_at: Instant,
  updated_at: Instant,
  deadline_at: Instant,
  next_step_at: Nullable,
});
