/** The shape of a connector, as it is put. */
import { Type } from 'typebox';
import { closed } from '#platform/http/schemas.ts';
import { SECRET_NAME_PATTERN } from '#platform/vault/routes.ts';
import { CONNECTOR_NAME_PATTERN } from './connector.ts';

/** Enough for any rule that people can still read. */
const EXPRESSION_MAX = 8192;
const LIST_MAX = 50;
const HEADER = "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$";

export const ConnectorName = Type.String({ pattern: CONNECTOR_NAME_PATTERN });
const Secret = Type.String({ pattern: SECRET_NAME_PATTERN, description: 'The name of a secret.' });
const Header = Type.String({ pattern: HEADER, description: 'The name of a header.' });
const Member = Type.String({ pattern: '^(?!__proto__$|constructor$)[A-Za-z_][A-Za-z0-9_]{0,63}$' });
const Username = Type.String({ minLength: 1, maxLength: 255, pattern: '^[^:\\u0000-\\u001f]+$' });
const Expression = Type.String({
  minLength: 1,
  maxLength: EXPRESSION_MAX,
  description: 'A JSONata expression over the message.',
});
const Url = Type.String({ minLength: 8, maxLength: 2048, pattern: '^https?://[^\\s]+$' });
const Timeout = Type.Integer({ minimum: 100, maximum: 30_000 });
const JsonSchema = Type.Unsafe<Record<string, never>>({
  type: 'object',
  additionalProperties: true,
  description: 'A JSON Schema (2020-12) of the message.',
});

const Signature = Type.Union([
  closed({ scheme: Type.Literal('standard_webhooks'), secret: Secret }),
  closed({ scheme: Type.Literal('timestamped_hmac'), secret: Secret, header: Header }),
  closed({
    scheme: Type.Literal('hmac'),
    secret: Secret,
    header: Header,
    encoding: Type.Union([Type.Literal('hex'), Type.Literal('base64')]),
    prefix: Type.Optional(Type.String({ maxLength: 32 })),
  }),
  closed({ scheme: Type.Literal('basic'), username: Username, secret: Secret }),
  closed({ scheme: Type.Literal('api_key'), header: Header, secret: Secret }),
]);

const EntryShape = Type.Union([
  closed({ type: Type.Literal('api'), schema: Type.Optional(JsonSchema) }),
  closed({
    type: Type.Literal('webhook'),
    schema: Type.Optional(JsonSchema),
    signature: Signature,
    id_header: Type.Optional(Header),
  }),
]);

const RuleShape = closed({
  when: Type.Optional(Expression),
  refuse: Type.Optional(Type.String({ minLength: 1, maxLength: 500 })),
  set: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      type: 'object',
      minProperties: 1,
      maxProperties: LIST_MAX,
      propertyNames: Member,
      additionalProperties: Expression,
    }),
  ),
  route: Type.Optional(ConnectorName),
});

const AuthenticationShape = Type.Union([
  closed({ type: Type.Literal('bearer'), secret: Secret }),
  closed({ type: Type.Literal('basic'), username: Username, secret: Secret }),
  closed({ type: Type.Literal('header'), name: Header, secret: Secret }),
]);

const lookUp = {
  key: Expression,
  into: Member,
  missing: Type.Optional(Type.Union([Type.Literal('refuse'), Type.Literal('null')])),
};

const EnrichmentShape = Type.Union([
  closed({ type: Type.Literal('table'), table: ConnectorName, ...lookUp }),
  closed({
    type: Type.Literal('http'),
    url: Type.String({
      minLength: 8,
      maxLength: 2048,
      pattern: '^https?://[^\\s]*\\{key\\}[^\\s]*$',
      description: 'With `{key}` in it.',
    }),
    authentication: Type.Optional(AuthenticationShape),
    timeout_ms: Type.Optional(Timeout),
    cache_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400_000 })),
    ...lookUp,
  }),
]);

const call = {
  method: Type.Union(['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => Type.Literal(method))),
  url: Url,
  headers: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      type: 'object',
      maxProperties: 20,
      propertyNames: { pattern: HEADER },
      additionalProperties: { type: 'string', maxLength: 1024, pattern: '^[\\t\\u0020-\\u007e]*$' },
      description: 'Sent as they are; a secret belongs into `authentication`.',
    }),
  ),
  body: Type.Optional(Expression),
  authentication: Type.Optional(AuthenticationShape),
  timeout_ms: Type.Optional(Timeout),
};

const DestinationShape = Type.Union([
  closed({
    type: Type.Literal('http'),
    ...call,
    attempts: Type.Optional(Type.Integer({ minimum: 1, maximum: 20 })),
    give_up_ms: Type.Optional(Type.Integer({ minimum: 1000, maximum: 7 * 86_400_000 })),
    automatic_replay: Type.Optional(Type.Boolean()),
    undo: Type.Optional(closed(call)),
  }),
  closed({ type: Type.Literal('payment'), body: Expression }),
  closed({ type: Type.Literal('card_top_up'), body: Expression }),
  closed({ type: Type.Literal('cash_entry'), body: Expression }),
]);

export const ConnectorBody = closed(
  {
    entry: EntryShape,
    rules: Type.Optional(Type.Array(RuleShape, { maxItems: LIST_MAX })),
    tables: Type.Optional(
      Type.Unsafe<Record<string, Record<string, never>>>({
        type: 'object',
        maxProperties: 10,
        propertyNames: ConnectorName,
        additionalProperties: { type: 'object', maxProperties: 5000, additionalProperties: true },
      }),
    ),
    enrichment: Type.Optional(Type.Array(EnrichmentShape, { maxItems: 10 })),
    destinations: Type.Unsafe<Record<string, never>>({
      type: 'object',
      minProperties: 1,
      maxProperties: 20,
      propertyNames: ConnectorName,
      additionalProperties: DestinationShape,
    }),
    default_route: Type.Optional(ConnectorName),
    name: Type.Optional(
      Type.Unsafe<string>({ ...ConnectorName, description: 'As it was read; the path says which is put.' }),
    ),
    version: Type.Optional(
      Type.Integer({ minimum: 0, description: 'As it was read; which version is replaced, If-Match says.' }),
    ),
  },
  'A connector.',
);

/** With the name and the version that it has got. */
export const ConnectorDocument = Type.Object(
  { name: ConnectorName, version: Type.Integer({ description: 'Also the ETag.' }) },
  { additionalProperties: true },
);
