/** The building blocks of the API's schemas. Services compose theirs from these and typebox's own. */
import type { FastifyTypeProvider } from 'fastify';
import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { MAX_REASON_LENGTH } from '#kernel/reason.ts';

/** Gives handlers the types of their schemas: `app.withTypeProvider<SchemaTypes>()`; `createHttpApp` returns it so. */
export interface SchemaTypes extends FastifyTypeProvider {
  readonly validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
  readonly serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown;
}

const CLOSED = { additionalProperties: false } as const;

/** An object that has these members and no others: what a body, and a query, must be. */
export function closed<Members extends TProperties>(
  members: Members,
  description?: string,
): TObject<Members> {
  return Type.Object(members, {
    ...CLOSED,
    ...(description === undefined ? {} : { description }),
  });
}

export function nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Union([schema, Type.Null()]);
}

export const Instant = Type.String({ format: 'date-time' });

/** The most an amount may be: what every JSON reader keeps exactly (DESIGN §5). */
export const MAX_AMOUNT_MINOR = Number.MAX_SAFE_INTEGER;

/** An amount of money: a JSON integer of minor units, 1 … 2^53−1. */
export const Amount = Type.Integer({
  minimum: 1,
  maximum: MAX_AMOUNT_MINOR,
  description:
    'In minor units of the currency: 1230 is 12.30 USD. A JSON integer; a fraction or a string is refused.',
});

/** The page size when the caller names none, and the most there is (DESIGN §6). */
export const DEFAULT_PAGE_LIMIT = 50;
export const MAX_PAGE_LIMIT = 500;

/** The query members of every list; spread them into the list's own. */
export const pageQuery = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: MAX_PAGE_LIMIT, description: `Default ${DEFAULT_PAGE_LIMIT}.` }),
  ),
  cursor: Type.Optional(
    Type.String({ minLength: 1, maxLength: 512, description: 'The `next_cursor` of the page before.' }),
  ),
};

/** A page of a list (DESIGN §6). */
export function pageOf<Item extends TSchema>(item: Item) {
  return Type.Object({
    data: Type.Array(item),
    next_cursor: Type.Union([Type.String(), Type.Null()], {
      description: 'Where the next page starts; null on the last one.',
    }),
  });
}

/** Why a person does it: `isReason`, which the command line asks, in a schema. */
export function Reason(description: string) {
  return Type.String({
    minLength: 1,
    maxLength: MAX_REASON_LENGTH,
    format: 'visible',
    description: `${description} Something of it is visible.`,
  });
}

/** What every refusal looks like (RFC 9457). */
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ description: 'The page that explains the problem.' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.String({ description: 'Stable: decide by it.' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'A JSON pointer (RFC 6901).' }),
          code: Type.String(),
          detail: Type.String(),
        }),
      ),
    ),
  },
  { additionalProperties: true, description: 'Why a request was refused (RFC 9457).' },
);
