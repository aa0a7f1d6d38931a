/** The shapes of the hub's API, beside the connector's own (connector-schemas.ts). */
import { type Static, Type } from 'typebox';
import { closed, Instant, nullable, pageOf, pageQuery, Reason } from '#platform/http/schemas.ts';
import { ConnectorName } from './connector-schemas.ts';
import { INTEGRATION_STATUSES, type IntegrationStatus } from './integration.ts';

const Status = Type.Unsafe<IntegrationStatus>({ type: 'string', enum: [...INTEGRATION_STATUSES] });

export const ConnectorParams = Type.Object({ connector: ConnectorName });
export const ConnectorNameParams = Type.Object({ name: ConnectorName });
export const IdParams = Type.Object({
  id: Type.String({
    minLength: 1,
    maxLength: 64,
    description: '`int_…` of an integration, `hok_…` of a webhook.',
  }),
});
export const HookParams = Type.Object({
  tenant: Type.String({ minLength: 1, maxLength: 64 }),
  connector: Type.String({ minLength: 1, maxLength: 64 }),
});

export const ConnectorQuery = closed({
  version: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 999_999_999, description: 'An earlier one; default the newest.' }),
  ),
});

/** Whatever JSON there is: the connector says what it takes. */
export const MessageBody = Type.Unsafe<unknown>({ description: 'The message, as the connector takes it.' });

const INTEGRATION = {
  id: Type.String({ description: '`int_…`' }),
  status: Status,
  connector: Type.String(),
  connector_version: Type.Integer(),
  entry: Type.Union([Type.Literal('api'), Type.Literal('webhook')]),
  correlation_id: Type.String(),
  reference: nullable(Type.String({ description: 'What the destination calls what came of it.' })),
  failure: nullable(Type.Object({ step: Type.String(), code: Type.String(), detail: Type.String() })),
  replay_of: nullable(Type.String()),
  created_at: Instant,
  updated_at: Instant,
};

export const IntegrationDocument = Type.Object(INTEGRATION);
export const IntegrationPage = pageOf(IntegrationDocument);

export const DescribedIntegrationDocument = Type.Object({
  ...INTEGRATION,
  verdict: Type.Union([Type.Literal('running'), Type.Literal('complete'), Type.Literal('broken')], {
    description: 'From the log alone, by the definition of the flow.',
  }),
  stages: Type.Array(Type.Object({ stage: Type.String(), event: Type.String(), at: Instant })),
  findings: Type.Array(Type.String()),
  calls: Type.Array(Type.Object({}, { additionalProperties: true }), {
    description: 'What was called, with its last tries.',
  }),
  timeline: Type.Array(Type.Object({}, { additionalProperties: true }), {
    description: 'Its events, oldest first.',
  }),
});

export const IntegrationListQuery = closed({
  ...pageQuery,
  connector: Type.Optional(ConnectorName),
  status: Type.Optional(Status),
  correlation_id: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
});
export type IntegrationListQuery = Static<typeof IntegrationListQuery>;

/** May be left out. */
export const ReplayBody = nullable(
  closed(
    {
      message: Type.Optional(Type.Unsafe<unknown>({ description: 'Instead of the one that it began with.' })),
    },
    'Through the newest version of the connector, from the beginning.',
  ),
);

export const UndoBody = closed({ reason: Reason('For people.') }, 'Why what was delivered is to be undone.');

export const HookDocument = Type.Object({
  id: Type.String({ description: '`hok_…`' }),
  connector: Type.String(),
  verdict: Type.Union([Type.Literal('valid'), Type.Literal('invalid'), Type.Literal('stale')]),
  headers: Type.Object({}, { additionalProperties: { type: 'string' } }),
  body: Type.String({ description: 'As text.' }),
  integration_id: nullable(Type.String()),
  correlation_id: Type.String(),
  received_at: Instant,
});
export const HookPage = pageOf(HookDocument);
export const HookListQuery = closed({
  ...pageQuery,
  connector: Type.Optional(ConnectorName),
  verdict: Type.Optional(Type.Union([Type.Literal('valid'), Type.Literal('invalid'), Type.Literal('stale')])),
});
export type HookListQuery = Static<typeof HookListQuery>;

export const HookAnswer = Type.Object({
  status: Type.Union([Type.Literal('accepted'), Type.Literal('duplicate')]),
  integration_id: Type.String(),
  correlation_id: Type.String(),
});
