/** The API of daily balances (DESIGN §6). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Decision } from '#kernel/decision.ts';
import { problem } from '#kernel/problem.ts';
import { malformedCursor, NamedList, rowsFor } from '#platform/http/cursor.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { contextOf } from '#platform/http/request-context.ts';
import { CSV_TYPE, formatOf } from '#platform/http/row-format.ts';
import { DEFAULT_PAGE_LIMIT, ProblemDocument } from '#platform/http/schemas.ts';
import { sendJsonText, sendParts, sendProblem } from '#platform/http/send.ts';
import { renderVersion } from './day-report.ts';
import type { DayReads } from './reads.ts';
import { etagOf, isHeld } from './report-etag.ts';
import { type AskedRange, accountNotFound, type MadeReport, type Reports } from './reports.ts';
import {
  AccountParams,
  DailyBalances,
  DayParams,
  DayVersions,
  RangeQuery,
  REPORT_HEADERS,
  reportResponses,
  SummedBalances,
  SumQuery,
  VersionsQuery,
} from './schemas.ts';

export interface DayRoutes {
  readonly reports: Reports;
  readonly reads: DayReads;
  /** Events that the group had still to count, as last seen. */
  readonly lag: () => number;
  /** The account against which the cash entries of a category are posted. */
  readonly accountOfCategory: (currency: string, category: string) => string;
}

const READ = { scope: 'accounts:read' } as const;
const READ_REPORT = { ...READ, headers: REPORT_HEADERS };
const AS_CSV =
  '`Accept: text/csv` gives the same columns, under a header row. An ETag and If-None-Match spare what is known already.';

/** Beyond every version. */
const ANY_VERSION = 2_147_483_647;

export function registerDayRoutes(app: HttpApp, routes: DayRoutes): void {
  registerAccountDays(app, routes);
  registerSummedDays(app, routes);
  registerVersions(app, routes);
}

function registerAccountDays(app: HttpApp, { reports, lag }: DayRoutes): void {
  const schema = {
    tags: ['daily balances'],
    summary: 'Read the daily balances of an account',
    description: `Day by day, ascending; a day without movement carries the balance. ${AS_CSV}`,
    params: AccountParams,
    querystring: RangeQuery,
    response: reportResponses(DailyBalances),
  };
  app.get('/v1/accounts/:id/daily-balances', { config: READ_REPORT, schema }, async (request, reply) => {
    const lagEvents = lag();
    const name = { tenant: contextOf(request).tenant, id: request.params.id };
    const made = await reports.ofAccount(name, request.query);
    return send({ request, reply, made, lagEvents, head: headOfAccount });
  });
}

function registerSummedDays(app: HttpApp, routes: DayRoutes): void {
  const schema = {
    tags: ['daily balances'],
    summary: 'Read the daily balances of several accounts together',
    description: `Their sums, day by day: of the accounts that are named, of all of a kind, or of a category of cash entries, whose account is credited with what cash books are debited. Each account's days are those of its own time zone. ${AS_CSV}`,
    querystring: SumQuery,
    response: reportResponses(SummedBalances),
  };
  app.get('/v1/daily-balances', { config: READ_REPORT, schema }, async (request, reply) => {
    const lagEvents = routes.lag();
    const made = await reportAsked(routes, contextOf(request).tenant, request.query);
    return send({ request, reply, made, lagEvents, head: headOfSum });
  });
}

interface AskedSum extends AskedRange {
  readonly account_id?: string | string[];
  readonly kind?: string;
  readonly category?: string;
  readonly currency?: string;
}

/** Which accounts a report is of. */
async function reportAsked(
  { reports, accountOfCategory }: DayRoutes,
  tenant: string,
  query: AskedSum,
): Promise<Decision<MadeReport>> {
  const { account_id: ids, kind, category, currency } = query;
  const ways = [ids, kind, category].filter((way) => way !== undefined).length;
  if (ways === 1 && ids !== undefined && currency === undefined)
    return reports.ofAccounts(tenant, [ids].flat(), query);
  if (ways === 1 && kind !== undefined && currency !== undefined)
    return reports.ofKind(tenant, { kind, currency }, query);
  if (ways === 1 && category !== undefined && currency !== undefined)
    return reports.ofAccounts(tenant, [accountOfCategory(currency, category)], query);
  const detail = 'give either account_id, or kind with currency, or category with currency';
  const errors = [{ pointer: '/query/account_id', code: 'required', detail }];
  return { ok: false, problem: problem('request.invalid_parameter', `Please ${detail}.`, { errors }) };
}

function registerVersions(app: HttpApp, { reports, reads }: DayRoutes): void {
  const schema = {
    tags: ['daily balances'],
    summary: 'List the versions of a day of an account, newest first',
    description: 'Empty for a day without movement.',
    params: DayParams,
    querystring: VersionsQuery,
    response: { 200: DayVersions, '4xx': ProblemDocument, 503: ProblemDocument },
  };
  const url = '/v1/accounts/:id/daily-balances/:date/versions';
  app.get(url, { config: READ, schema }, async (request, reply) => {
    const { id, date: day } = request.params;
    const { limit = DEFAULT_PAGE_LIMIT, cursor } = request.query;
    const below = versionIn(cursor);
    if (below === undefined) return sendProblem(reply, malformedCursor());
    const account = await reports.find({ tenant: contextOf(request).tenant, id });
    if (account === undefined) return sendProblem(reply, accountNotFound(id));
    const { key } = account;
    const rows =
      key === undefined ? [] : await reads.listVersions(key, { day, below, limit: rowsFor(limit) });
    const { data, next_cursor } = VERSIONS.page(rows, limit, ({ version }) => String(version));
    const body = `{"data":[${data.map(renderVersion).join(',')}],"next_cursor":${JSON.stringify(next_cursor)}}`;
    return sendJsonText(reply, { status: 200, body });
  });
}

const VERSIONS = new NamedList('versions');

function versionIn(cursor: string | undefined): number | undefined {
  const key = VERSIONS.keyIn(cursor);
  if (!key.ok) return undefined;
  const { value: version = String(ANY_VERSION) } = key;
  return /^[1-9]\d{0,9}$/.test(version) ? Math.min(Number(version), ANY_VERSION) : undefined;
}

async function send({
  request,
  reply,
  made,
  lagEvents,
  head,
}: {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly made: Decision<MadeReport>;
  /** As seen before the figures: they are as new as it says, or newer. */
  readonly lagEvents: number;
  readonly head: (report: MadeReport) => string;
}): Promise<FastifyReply> {
  if (!made.ok) return sendProblem(reply, made.problem);
  const format = formatOf(request.headers.accept);
  const etag = etagOf(made.value.stamp, format);
  reply.headers({
    etag,
    vary: 'accept',
    'cache-control': 'private, no-cache',
    'lag-events': String(lagEvents),
  });
  if (isHeld(request.headers['if-none-match'], etag)) return reply.code(304).send();
  const text = await made.value.text(format);
  if (format === 'csv') return sendParts(reply, { contentType: CSV_TYPE, parts: [text] });
  const before = Buffer.from(`{${head(made.value)},"lag_events":${lagEvents},"data":[`);
  return sendParts(reply, { contentType: JSON_TYPE, parts: [before, text, AFTER_DATA] });
}

const JSON_TYPE = 'application/json; charset=utf-8';
const AFTER_DATA = Buffer.from(']}');

function headOfAccount({ accounts }: MadeReport): string {
  const { id, currency, timeZone } = accounts[0] ?? { id: '', currency: '', timeZone: '' };
  return JSON.stringify({ account_id: id, currency, time_zone: timeZone }).slice(1, -1);
}

function headOfSum({ accounts }: MadeReport): string {
  const currency = accounts[0]?.currency ?? null;
  return JSON.stringify({ account_ids: accounts.map(({ id }) => id), currency }).slice(1, -1);
}
