/** The shapes of the webhooks' API. */
import { Type } from 'typebox';
import { closed, Instant, nullable, pageOf, pageQuery } from '#platform/http/schemas.ts';
import { EVENT_PATTERN } from './event-patterns.ts';

const URL_MAX = 2048;
const PATTERNS_MAX = 50;
const DESCRIPTION_MAX = 500;

const Url = Type.String({
  minLength: 1,
  maxLength: URL_MAX,
  description: 'https; in the sandbox also http, and addresses of this machine.',
});
const Events = Type.Array(Type.String({ pattern: EVENT_PATTERN, maxLength: 64 }), {
  minItems: 1,
  maxItems: PATTERNS_MAX,
  description: 'Types (`payment.completed`), kinds (`payment.*`), or `*`.',
});
const Description = Type.String({ maxLength: DESCRIPTION_MAX });
const AutomaticReplay = Type.Boolean({
  description:
    'Whether what is given up from then on, because nothing answered or with 5xx, is sent by itself, once, when something is delivered there again within three days. Default true.',
});
const SignatureScheme = Type.Union([Type.Literal('v1'), Type.Literal('v1a')], {
  description: 'Of Standard Webhooks: `v1` HMAC-SHA256 by a shared secret, `v1a` Ed25519.',
});

export const CreateEndpointBody = closed(
  {
    url: Url,
    events: Events,
    description: Type.Optional(Description),
    signature: Type.Optional(SignatureScheme),
    automatic_replay: Type.Optional(AutomaticReplay),
  },
  'An endpoint.',
);

export const ChangeEndpointBody = closed(
  {
    url: Type.Optional(Url),
    events: Type.Optional(Events),
    description: Type.Optional(nullable(Description)),
    automatic_replay: Type.Optional(AutomaticReplay),
    status: Type.Optional(
      Type.Union([Type.Literal('enabled'), Type.Literal('disabled')], {
        description: 'Enabled again, it gets what has been waiting for it.',
      }),
    ),
  },
  'What is changed; the rest stays.',
);

const IdText = Type.String({ minLength: 1, maxLength: 64 });
export const EndpointParams = Type.Object({ id: IdText });
export const DeliveryParams = Type.Object({ id: IdText, delivery: IdText });
export const ReplayParams = Type.Object({ id: IdText, replay: IdText });
export const PageQuery = closed(pageQuery);

const ENDPOINT = {
  id: Type.String({ description: '`whe_…`' }),
  url: Type.String(),
  events: Type.Array(Type.String()),
  description: nullable(Type.String()),
  signature: SignatureScheme,
  automatic_replay: AutomaticReplay,
  status: Type.Enum(['enabled', 'disabled']),
  disabled_reason: nullable(
    Type.String({ description: '`requested`, `gone` (410), or `failing` for days.' }),
  ),
  failing_since: nullable(Instant),
  created_at: Instant,
  updated_at: Instant,
};
const SECRET = {
  secret: Type.String({
    description: 'Shown this once. `whsec_…`; of `v1a` the public key, `whpk_…`: ours is never shown.',
  }),
};

export const EndpointDocument = Type.Object(ENDPOINT);
export const CreatedEndpointDocument = Type.Object({ ...ENDPOINT, ...SECRET });
export const EndpointPage = pageOf(EndpointDocument);
export const SecretDocument = Type.Object(SECRET);

const AttemptDocument = Type.Object({
  number: Type.Integer(),
  started_at: Instant,
  finished_at: nullable(Instant),
  outcome: nullable(
    Type.String({
      description:
        '`delivered`, `transient`, `permanent`, `unknown`, `not_called`; null if it is under way, or nobody knows.',
    }),
  ),
  status: nullable(Type.Integer({ description: 'HTTP.' })),
  latency_ms: nullable(Type.Integer()),
  detail: nullable(Type.String()),
  answer: nullable(Type.String({ description: 'Its first kilobyte.' })),
});

export const DeliveryDocument = Type.Object({
  id: Type.String({ description: '`dlv_…`' }),
  endpoint_id: Type.String(),
  message_id: Type.String({ description: 'The `webhook-id`: the same for each attempt and each repeat.' }),
  event: Type.String({ description: 'What it tells of, by its id in the log.' }),
  type: Type.String(),
  subject: Type.String(),
  sequence: Type.Integer({ description: "Of the subject's events at this endpoint: 1, 2, 3 …" }),
  status: Type.Enum(['pending', 'delivered', 'exhausted', 'skipped']),
  next_attempt_at: nullable(Instant),
  repeats: nullable(Type.String({ description: 'The delivery that it repeats: `dlv_…`' })),
  correlation_id: Type.String(),
  created_at: Instant,
  finished_at: nullable(Instant),
  attempts: Type.Array(AttemptDocument),
});
export const DeliveryPage = pageOf(DeliveryDocument);
export const DeliveryListQuery = closed({
  ...pageQuery,
  status: Type.Optional(Type.Enum(['pending', 'delivered', 'exhausted', 'skipped'])),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
});

export const QueuedDocument = Type.Object({
  id: Type.String({ description: '`dlv_…`, of the delivery.' }),
  status: Type.Literal('pending'),
});

export const ReplayBody = closed(
  {
    from: Type.String({ format: 'date-time', description: 'Deliveries that were queued then or later.' }),
    to: Type.String({ format: 'date-time', description: 'And before.' }),
    events: Type.Optional(Events),
    subject: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
  },
  'Which deliveries are sent again. The set is fixed when it is asked for.',
);
export const ReplayDocument = Type.Object({
  id: Type.String({ description: '`whr_…`' }),
  endpoint_id: Type.String(),
  status: Type.Enum(['running', 'completed']),
  from: Instant,
  to: Instant,
  events: nullable(Type.Array(Type.String())),
  subject: nullable(Type.String()),
  total: Type.Integer(),
  queued: Type.Integer({ description: 'How many of them have been queued again.' }),
  created_at: Instant,
  finished_at: nullable(Instant),
});
