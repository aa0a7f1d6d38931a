import { type Static, Type } from 'typebox';
import { closed, Instant, MAX_PAGE_LIMIT, nullable, pageOf, pageQuery, Reason } from '../http/schemas.ts';
import { type DeadLetterState, STATES } from './dead-letter.ts';

const State = Type.Unsafe<DeadLetterState>({ type: 'string', enum: [...STATES] });
const Open = (description: string) => Type.Object({}, { additionalProperties: true, description });

const Why = Reason('Kept in the audit.');
const Name = (description: string) => Type.String({ minLength: 1, maxLength: 200, description });

export const Params = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });

const summary = {
  id: Type.String({ description: '`dlt_…`' }),
  group: Type.String({ description: 'The consumer group that could not handle the event.' }),
  state: State,
  event_id: Type.String({ description: '`topic/partition/position`' }),
  topic: Type.String(),
  type: Type.String(),
  version: Type.Integer(),
  subject: Type.String(),
  target: nullable(
    Type.String({
      description:
        'Of a call or a delivery that was given up: the name of its connector, or the id of its webhook endpoint; `callbacks` of an answer that a request asked for. Null of an event that the group could not handle.',
    }),
  ),
  work_id: nullable(Type.String({ description: 'What was given up: `int_…` or `dlv_…`.' })),
  error: Type.Object({
    code: Type.String({ description: 'An SQLSTATE, the name of what was thrown, or a code of the service.' }),
    status: nullable(Type.Integer({ description: 'With which HTTP status the destination answered last.' })),
    detail: Type.String({
      description: 'What was thrown. Of an SQLSTATE a fixed sentence: the log of the process has the words.',
    }),
  }),
  attempts: Type.Integer(),
  edited: Type.Boolean({ description: 'Whether it was replayed with other data.' }),
  replayed_as: nullable(Type.String({ description: 'The integration or the delivery that took its place.' })),
  replayed_at_return: Type.Boolean({
    description: 'Whether it is replayed by itself, once, when its destination answers again.',
  }),
  order: nullable(Type.Object({ action: Type.String(), requested_by: Type.String(), requested_at: Instant })),
  failed_first_at: Instant,
  failed_last_at: Instant,
  resolved_at: nullable(Instant),
};

export const DeadLetterDocument = Type.Object(summary);

export const DeadLetterDetail = Type.Object({
  ...summary,
  event: nullable(Open('The event as its log has it, a CloudEvent 1.0; null if the log lacks it.')),
  edited_data: nullable(Open('With what it was replayed.')),
  work: nullable(Open('What was given up: what was to be sent, every try, and what was answered.')),
  parked: Type.Object(
    { count: Type.Integer(), first: Type.Array(Type.String()) },
    { description: 'Events that wait behind it: how many, and the identities of the first ones.' },
  ),
  actions: Type.Array(
    Type.Object({
      at: Instant,
      action: Type.String(),
      actor: Type.String({ description: 'An API key’s id; of what the program did, the group.' }),
      reason: nullable(Type.String()),
      data_before: nullable(Open('What was edited.')),
      data_after: nullable(Open('Into what.')),
      detail: nullable(
        Type.String({
          description:
            'Of `passed_behind`: the identities of the events. Of what was given up: why, and why a replay of it was not possible.',
        }),
      ),
    }),
  ),
});

export const DeadLetterPage = pageOf(DeadLetterDocument);

export const GroupList = Type.Object({
  data: Type.Array(
    Type.Object({
      group: Type.String(),
      target: nullable(Type.String()),
      error: Type.Object({ code: Type.String(), status: nullable(Type.Integer()) }),
      count: Type.Integer(),
      first_failed_at: Instant,
      last_failed_at: Instant,
      example: Type.String({ description: 'The newest of them: `dlt_…`' }),
    }),
  ),
  complete: Type.Boolean({
    description: 'Whether all that match were counted: the newest 100 000, in 200 groups at most.',
  }),
});

const filter = {
  group: Type.Optional(Name('Of this consumer group.')),
  type: Type.Optional(Name('Of events of this type.')),
  subject: Type.Optional(Name('Of events about this payment, refund or account.')),
  target: Type.Optional(Name('Given up at this connector or webhook endpoint.')),
  error_code: Type.Optional(Name('That failed with this.')),
};

export const GroupQuery = closed({
  ...filter,
  topic: Type.Optional(Name('Of events of this log.')),
  state: Type.Optional(State),
  failed_from: Type.Optional(Type.String({ format: 'date-time', description: 'Last failed then or later.' })),
  failed_to: Type.Optional(Type.String({ format: 'date-time', description: 'Last failed before.' })),
});
export type GroupQuery = Static<typeof GroupQuery>;

export const ListQuery = closed({ ...GroupQuery.properties, ...pageQuery });
export type ListQuery = Static<typeof ListQuery>;

/** May be left out. */
export const ReplayBody = nullable(
  closed({
    data: Type.Optional(
      Open(
        'Instead of the event’s own data: it keeps the event’s contract, and its amounts, methods and ids. Of a call of a connector: the message, in the place of the one that it began with.',
      ),
    ),
    reason: Type.Optional(Why),
  }),
);

export const GiveUpBody = closed({ reason: Why });

const set = {
  ...filter,
  ids: Type.Optional(Type.Array(Name('Of a dead letter.'), { minItems: 1, maxItems: MAX_PAGE_LIMIT })),
};

/** May be left out. */
export const ReplaySetBody = nullable(closed({ ...set, reason: Type.Optional(Why) }));

/** Names something beside the reason: nobody gives up all there is by a slip. */
export const DiscardSetBody = Type.Object(
  { ...set, reason: Why },
  { additionalProperties: false, minProperties: 2, description: 'At least one filter, or `ids`.' },
);

const progress = {
  id: Type.String({ description: '`rpl_…`' }),
  state: Type.Union([Type.Literal('running'), Type.Literal('done')]),
  total: Type.Integer(),
  failed: Type.Integer({ description: 'Those that are open still.' }),
  requested_by: Type.String(),
  requested_at: Instant,
};
export const ReplayDocument = Type.Object({ ...progress, replayed: Type.Integer() });
export const DiscardDocument = Type.Object({ ...progress, discarded: Type.Integer() });
