/** The API of findings and audits. */
import type { FastifyReply } from 'fastify';
import { type Static, Type } from 'typebox';
import { type Clock, systemClock, toRfc3339, toRfc3339OrNull } from '#kernel/clock.ts';
import type { Decision } from '#kernel/decision.ts';
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import { type Problem, problem } from '#kernel/problem.ts';
import type { AskedOnce } from '#platform/batch/kept-answers.ts';
import { answerOnce, refusalIn } from '#platform/http/answer-once.ts';
import { parseIdCursor, renderPage, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import {
  closed,
  DEFAULT_PAGE_LIMIT,
  Instant,
  nullable,
  ProblemDocument,
  pageOf,
  pageQuery,
  Reason,
} from '#platform/http/schemas.ts';
import { sendJsonText, sendProblem } from '#platform/http/send.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { Audit, AuditQueue } from './audit-queue.ts';
import type { StoredFinding } from './finding.ts';
import type { FindingDesk } from './finding-desk.ts';
import { type FindingReads, renderFinding, renderReading, renderStanding } from './finding-reads.ts';
import { lockFinding } from './finding-store.ts';
import { AUDIT_SCOPES } from './proof-port.ts';
import { acknowledge, resolve, type Settled } from './settle-finding.ts';

export interface FindingRoutes {
  readonly reads: FindingReads;
  readonly desk: FindingDesk;
  readonly audits: AuditQueue;
  /** Renders the refusal of an idempotency key that was used with another body. */
  readonly keyReused: AskedOnce['keyReused'];
  readonly clock?: Clock;
}

const READ = { scope: 'integrity:read' } as const;
const WRITE = { scope: 'integrity:write', idempotencyKey: 'optional' } as const;
const TAGS = ['integrity'];

const MaybeInstant = nullable(Instant);
const MaybeText = nullable(Type.String());
const Severity = Type.Enum(['critical', 'error', 'warning', 'info']);
const State = Type.Enum(['open', 'repairing', 'parked', 'acknowledged', 'repaired', 'resolved'], {
  description: '`parked`: waits for a person. `repaired` and `resolved` are closed.',
});

const members = {
  id: Type.String({ description: '`fnd_…`' }),
  kind: Type.String(),
  severity: Severity,
  subject: Type.String({ description: 'What it is about: `pay_…`, `tenant/account`.' }),
  detail: Type.String(),
  evidence: Type.Array(Type.String({ description: 'The identity of an event.' })),
  source: Type.String(),
  state: State,
  attempts: Type.Integer(),
  seen: Type.Integer(),
  first_seen_at: Instant,
  last_seen_at: Instant,
  next_attempt_at: MaybeInstant,
  closed_at: MaybeInstant,
  closed_by: MaybeText,
  reason: MaybeText,
};
const FindingDocument = Type.Object(members);
export const FindingPage = pageOf(FindingDocument);
export const FindingDetail = Type.Object({
  ...members,
  events: Type.Array(Type.Object({}, { additionalProperties: true, description: 'As in a timeline.' })),
  actions: Type.Array(
    Type.Object({ at: Instant, actor: Type.String(), action: Type.String(), detail: Type.String() }),
  ),
});

const FindingListQuery = closed({
  ...pageQuery,
  kind: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  severity: Type.Optional(Severity),
  state: Type.Optional(State),
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
});
type FindingListQuery = Static<typeof FindingListQuery>;

const Params = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const ReasonBody = closed({ reason: Reason('Why, for who reads it later.') });

export const StandingDocument = Type.Object({
  sagas: Type.Object(
    {
      complete: Type.Integer(),
      broken: Type.Integer(),
      running: Type.Integer({ description: 'Under way for more than some seconds.' }),
      counted_at: MaybeInstant,
    },
    { description: 'Payments and refunds by their verdict, as last counted: never by this request.' },
  ),
  verified_up_to: Type.Array(
    Type.Object({
      topic: Type.String(),
      at: Type.String({ format: 'date-time', description: 'What happened before is verified.' }),
      partitions: Type.Array(
        Type.Object({ partition: Type.Integer(), position: Type.Integer(), head: Type.Integer() }),
      ),
    }),
  ),
  open_findings: Type.Array(Type.Object({ kind: Type.String(), severity: Severity, count: Type.Integer() })),
  oldest_unresolved_age_ms: nullable(Type.Integer()),
  as_of: Instant,
});

export const AuditDocument = Type.Object({
  id: Type.String({ description: '`adt_…`' }),
  scope: Type.Enum([...AUDIT_SCOPES]),
  state: Type.Enum(['queued', 'running', 'completed', 'failed']),
  progress: Type.Object({ phase: MaybeText, done: Type.Integer(), total: Type.Integer() }),
  requested_by: Type.String(),
  requested_at: Instant,
  started_at: MaybeInstant,
  ended_at: MaybeInstant,
  failure: MaybeText,
});
/** May be left out. */
const AuditBody = Type.Union([
  closed({
    scope: Type.Optional(Type.Enum([...AUDIT_SCOPES], { description: 'Default `everything`.' })),
  }),
  Type.Null(),
]);

export function registerFindingRoutes(app: HttpApp, routes: FindingRoutes): void {
  registerStanding(app, routes);
  registerReads(app, routes);
  registerChanges(app, routes);
  registerAudits(app, routes);
}

function registerStanding(app: HttpApp, { reads, clock = systemClock }: FindingRoutes): void {
  const schema = {
    tags: TAGS,
    summary: 'Whether everything is as it should be',
    response: { 200: StandingDocument },
  };
  app.get('/v1/integrity', { config: READ, schema }, async (request, reply) => {
    const standing = await reads.standing(contextOf(request).tenant);
    return sendJson(reply, 200, renderStanding(standing, clock.now()));
  });
}

function registerReads(app: HttpApp, { reads }: FindingRoutes): void {
  const listed = {
    tags: TAGS,
    summary: 'List findings, newest first',
    querystring: FindingListQuery,
    response: { 200: FindingPage, 400: ProblemDocument },
  };
  app.get('/v1/integrity/findings', { config: READ, schema: listed }, async (request, reply) => {
    const { query } = request;
    const before = parseIdCursor('fnd', query.cursor);
    if (!before.ok) return sendProblem(reply, before.problem);
    const { limit, cursor: _, ...filter } = query;
    const found = await reads.list(contextOf(request).tenant, {
      ...filter,
      before: before.value,
      limit: rowsFor(limit),
    });
    const page = renderPage(found, limit ?? DEFAULT_PAGE_LIMIT, ({ uuid }) => [idOf('fnd', uuid)]);
    return sendJson(reply, 200, { ...page, data: page.data.map(renderFinding) });
  });
  const single = {
    tags: TAGS,
    summary: 'Read a finding, with the events that show it and what was done about it',
    params: Params,
    response: { 200: FindingDetail, 404: ProblemDocument },
  };
  app.get('/v1/integrity/findings/:id', { config: READ, schema: single }, async (request, reply) => {
    const { id } = request.params;
    const reading = isId('fnd', id) ? await reads.find(contextOf(request).tenant, uuidOf(id)) : undefined;
    return reading === undefined
      ? sendProblem(reply, findingNotFound(id))
      : sendJson(reply, 200, renderReading(reading));
  });
}

type Change = (
  finding: StoredFinding,
  by: { readonly actor: string; readonly reason: string; readonly now: number },
) => Decision<Settled>;

const CHANGES: Readonly<Record<'acknowledge' | 'resolve', { summary: string; change: Change }>> = {
  acknowledge: {
    summary: 'Take a finding over: it is known, and nothing more is repaired by itself',
    change: acknowledge,
  },
  resolve: { summary: 'Say that a finding is dealt with', change: resolve },
};

function registerChanges(app: HttpApp, { desk, keyReused }: FindingRoutes): void {
  for (const [verb, { summary, change }] of Object.entries(CHANGES)) {
    const schema = {
      tags: TAGS,
      summary,
      description: 'Reason and key are recorded. One that is closed already answers 409.',
      params: Params,
      body: ReasonBody,
      response: { 200: FindingDocument, '4xx': ProblemDocument },
    };
    app.post(`/v1/integrity/findings/:id/${verb}`, { config: WRITE, schema }, async (request, reply) => {
      const { id } = request.params;
      const { tenant, keyId: actor } = contextOf(request);
      const { reason } = request.body;
      const order = { operation: `findings.${verb}`, body: { finding_id: id, reason }, keyReused };
      return answerOnce(request, reply, order, (asked) =>
        desk.answerOnce(asked, async (tx, now) => {
          const finding = isId('fnd', id) ? await lockFinding(tx, uuidOf(id), tenant) : undefined;
          if (finding === undefined) return { answer: refusalIn(reply, findingNotFound(id)) };
          const decided = change(finding, { actor, reason, now });
          if (!decided.ok) return { answer: refusalIn(reply, decided.problem) };
          const settled = decided.value;
          return { answer: { status: 200, body: JSON.stringify(renderFinding(settled.finding)) }, settled };
        }),
      );
    });
  }
}

function registerAudits(app: HttpApp, { desk, audits, keyReused }: FindingRoutes): void {
  const schema = {
    tags: TAGS,
    summary: 'Compare the tables with the logs now',
    description:
      'Answers 202; the audit runs in the background, one at a time over all tenants, and what it finds become findings. What is in the background all the time is the same, slowly.',
    body: AuditBody,
    response: { 202: AuditDocument, '4xx': ProblemDocument },
  };
  app.post('/v1/integrity/audits', { config: WRITE, schema }, async (request, reply) => {
    const { tenant, keyId: requestedBy } = contextOf(request);
    const { scope = 'everything' } = request.body ?? {};
    const order = { operation: 'audits.create', body: request.body ?? {}, keyReused };
    return answerOnce(request, reply, order, (asked) =>
      desk.answerOnce(asked, async (tx) => {
        const audit = await audits.enqueue({ tenant, scope, requestedBy }, tx);
        if (audit === undefined) return { answer: refusalIn(reply, auditRunning()) };
        return { answer: { status: 202, body: JSON.stringify(renderAudit(audit)) } };
      }),
    );
  });
  const single = {
    tags: TAGS,
    summary: 'Read how far an audit is',
    params: Params,
    response: { 200: AuditDocument, 404: ProblemDocument },
  };
  app.get('/v1/integrity/audits/:id', { config: READ, schema: single }, async (request, reply) => {
    const { id } = request.params;
    const audit = isId('adt', id) ? await audits.find(contextOf(request).tenant, id) : undefined;
    if (audit !== undefined) return sendJson(reply, 200, renderAudit(audit));
    return sendProblem(reply, problem('integrity.audit_not_found', `There is no audit ${id}.`));
  });
}

function renderAudit(audit: Audit): JsonObject {
  const { id, scope, state, phase, done, total, requestedBy, requestedAt, startedAt, endedAt, failure } =
    audit;
  return {
    id,
    scope,
    state,
    progress: { phase, done, total },
    requested_by: requestedBy,
    requested_at: toRfc3339(requestedAt),
    started_at: toRfc3339OrNull(startedAt),
    ended_at: toRfc3339OrNull(endedAt),
    failure,
  };
}

function findingNotFound(id: string): Problem {
  return problem('integrity.finding_not_found', `There is no finding ${id}.`);
}

function auditRunning(): Problem {
  return problem('integrity.audit_running', 'An audit is under way; nothing was begun.');
}

function sendJson(reply: FastifyReply, status: number, body: JsonObject | object): FastifyReply {
  return sendJsonText(reply, { status, body: JSON.stringify(body) });
}
