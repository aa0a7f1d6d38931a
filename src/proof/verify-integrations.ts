/**
 * Proves the hub: what its log tells of integrations stands in the table, where each stands and why it failed; and the other way
 * round, each row has its event. A row and its events are of one commit, so each page is one snapshot. And what waits for a call
 * goes on some day.
 */
import { idOf, isId, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import type { ExpectedRow } from '#platform/postgres/differences.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { differingIntegrations, type IntegrationRef, listIntegrationRefs } from '#services/hub/contract.ts';
import { parseData, textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { type LogRow, readAbout, readNext } from './log-rows.ts';
import { extraOf, found, joined, type Page, pages, pagesOfLog, reportTo } from './paged-findings.ts';
import type { Phase } from './progress.ts';
import { type Check, type Finding, unreadableEvent } from './report.ts';

/** Events or rows of one snapshot. */
const PAGE = 1_000;
const REQUESTED = 'integration.requested';

interface HubProof {
  readonly check: Check;
  readonly phase: Phase;
  readonly partitions: number;
}

export async function verifyIntegrations(lane: Lane, { check, phase, partitions }: HubProof): Promise<void> {
  for await (const page of pagesOfLog(lane, partitions, compareBegun)) {
    phase.advance(page.passed);
    reportTo(check, page.findings);
  }
  for await (const page of pages(lane, findUntold)) reportTo(check, page.findings);
}

/** Integrations that begin in the next events of a partition, with all that is told of each. */
async function compareBegun(
  reader: Reader,
  { partition, after }: { readonly partition: number; readonly after: bigint },
): Promise<Page<bigint>> {
  const rows = await readNext(reader, 'hub', { partition, after, limit: PAGE });
  const unreadable = rows
    .filter(({ data }) => parseData(data) === undefined)
    .map(({ position, type }) => unreadableEvent(`hub/${partition}/${position}`, type));
  const begun = rows.filter(({ type }) => type === REQUESTED).map(({ subject }) => subject);
  const timelines = await readTimelines(reader, begun);
  const expected = [...timelines.values()].map(expectedRow).filter((row) => row !== undefined);
  const differences = await differingIntegrations(reader, expected);
  return {
    findings: joined([
      { looked: 0, listed: unreadable, unlisted: 0 },
      found('integration', expected, differences, ({ id = '' }) => idOf('int', id)),
    ]),
    passed: rows.length,
    next: placeBehind(rows, PAGE)?.position,
  };
}

/** By tenant and subject, in the order of the log: all of one are in one partition. */
async function readTimelines(
  reader: Reader,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, readonly LogRow[]>> {
  const rows = await readAbout(reader, 'hub', subjects);
  return Map.groupBy(rows, ({ tenant, subject }) => `${tenant}/${subject}`);
}

/** Undefined without a request that can be read. */
function expectedRow(events: readonly LogRow[]): ExpectedRow | undefined {
  const requested = events.find(({ type }) => type === REQUESTED);
  const data = requested && parseData(requested.data);
  if (requested === undefined || data === undefined || !isId('int', requested.subject)) return undefined;
  const told = events.map((event) => ({ ...event, data: parseData(event.data) ?? {} }));
  const failure = told.findLast(({ type }) => FAILURES.has(type));
  const isUndoing = failure?.type === 'integration.undo_failed';
  const last = told.at(-1);
  return {
    tenant: requested.tenant,
    id: uuidOf(requested.subject),
    connector: textOf(data['connector']),
    connector_version: Number.isInteger(data['connector_version']) ? Number(data['connector_version']) : null,
    entry: textOf(data['entry']),
    status: last === undefined ? null : statusAfter(last),
    origin: uuidIn(data['origin']),
    replay_of: uuidIn(data['replay_of']),
    failure_step: isUndoing ? 'undo' : textOf(failure?.data['step']),
    failure_code: textOf(failure?.data['code']),
    failure_detail: textOf(failure?.data['detail']),
    reference: textOf(told.findLast((event) => textOf(event.data['reference']) !== null)?.data['reference']),
    correlation_id: requested.correlation_id,
    created_at: requested.occurred_at,
    updated_at: last?.occurred_at ?? null,
  };
}

/** What says why it failed; it is kept, whatever comes later. */
const FAILURES: ReadonlySet<string> = new Set([
  'integration.refused',
  'integration.failed',
  'integration.undo_failed',
]);

/** What nobody knows to be delivered is undone as it fails. */
function statusAfter({ type, data }: { readonly type: string; readonly data: JsonObject }): string {
  if (type === 'integration.undo_requested') return 'undoing';
  if (type === 'integration.failed' && textOf(data['undo']) !== null) return 'undoing';
  return type.slice('integration.'.length);
}

function uuidIn(value: unknown): string | null {
  return typeof value === 'string' && isId('int', value) ? uuidOf(value) : null;
}

/** From the table to the log. */
async function findUntold(reader: Reader, after: IntegrationRef | undefined): Promise<Page<IntegrationRef>> {
  const rows = await listIntegrationRefs(reader, after, PAGE);
  const timelines = await readTimelines(
    reader,
    rows.map(({ uuid }) => idOf('int', uuid)),
  );
  const isTold = ({ tenant, uuid }: IntegrationRef): boolean =>
    timelines.get(`${tenant}/${idOf('int', uuid)}`)?.some(({ type }) => type === REQUESTED) === true;
  const stalled = rows
    .filter(({ isStalled }) => isStalled)
    .map(({ tenant, uuid }): Finding => {
      const detail = 'the call that it waits for is never due, or far too late';
      return { kind: 'stalled_integration', subject: idOf('int', uuid), tenant, detail };
    });
  const untold = extraOf(
    'integration',
    rows.filter((row) => !isTold(row)).map(({ uuid }) => idOf('int', uuid)),
  );
  return {
    findings: joined([untold, { looked: 0, listed: stalled, unlisted: 0 }]),
    passed: rows.length,
    next: placeBehind(rows, PAGE),
  };
}
