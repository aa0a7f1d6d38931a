/** What has a saga, as the routes about its verdict, its timeline and its receipt name it. */
import { Type } from 'typebox';
import { problem } from '#kernel/problem.ts';

export interface Resource {
  readonly path: string;
  readonly tag: string;
  readonly name: string;
  readonly prefix: 'pay' | 'ref';
  readonly idMember: 'payment_id' | 'refund_id';
  readonly notFound: string;
}

export const RESOURCES: readonly Resource[] = [
  {
    path: '/v1/payments/:id',
    tag: 'payments',
    name: 'payment',
    prefix: 'pay',
    idMember: 'payment_id',
    notFound: 'payments.not_found',
  },
  {
    path: '/v1/refunds/:id',
    tag: 'refunds',
    name: 'refund',
    prefix: 'ref',
    idMember: 'refund_id',
    notFound: 'refunds.not_found',
  },
];

export const ResourceParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

export function notFound({ name, notFound: code }: Resource, id: string) {
  return problem(code, `There is no ${name} ${id}.`);
}
