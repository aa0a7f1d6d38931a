/**
 * Proves the versions of days that were replaced, as far as the log told of them: one that was sealed has the figures and the
 * hash of its `day.sealed`; one that was opened again has the hash that `day.reopened` names. What holds is proved by the
 * postings. A page of events and the rows of their versions are of one snapshot.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { integerOf } from '#kernel/exact-integer.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { placeBehind } from '#platform/postgres/place-behind.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import {
  type AuditedVersion,
  listReplacedVersions,
  type VersionRef,
} from '#services/consolidation/contract.ts';
import { parseData, textOf } from './event-data.ts';
import type { Lane } from './lane.ts';
import { type LogRow, readNext } from './log-rows.ts';
import { type Page, pagesOfLog, reportTo } from './paged-findings.ts';
import { type Check, type Finding, unreadableEvent } from './report.ts';

/** Events of one snapshot. */
const PAGE = 1_000;

export async function verifyDayVersions(
  lane: Lane,
  { check, partitions }: { readonly check: Check; readonly partitions: number },
): Promise<void> {
  for await (const page of pagesOfLog(lane, partitions, comparePage)) reportTo(check, page.findings);
}

async function comparePage(
  reader: Reader,
  { partition, after }: { readonly partition: number; readonly after: bigint },
): Promise<Page<bigint>> {
  const rows = await readNext(reader, 'consolidation', { partition, after, limit: PAGE });
  const told = rows.map((row) => ({ row, version: toldBy(row) }));
  const readable = told.flatMap(({ version }) => version ?? []);
  const kept = await listReplacedVersions(reader, readable);
  const unreadable = told.flatMap(({ row, version }) =>
    version === undefined ? [unreadableEvent(`consolidation/${partition}/${row.position}`, row.type)] : [],
  );
  const different = readable.flatMap((version, index) => differenceOf(version, kept[index]) ?? []);
  return {
    // Days are what is counted.
    findings: { looked: 0, listed: [...unreadable, ...different], unlisted: 0 },
    passed: rows.length,
    next: placeBehind(rows, PAGE)?.position,
  };
}

const FIGURES = ['openingMinor', 'creditsMinor', 'debitsMinor', 'count', 'closingMinor'] as const;
/** Undefined is no integer. */
type Figures = { readonly [figure in (typeof FIGURES)[number]]: bigint | undefined };

/** A version that was sealed. */
interface ToldVersion extends VersionRef {
  readonly hash: string | null;
  readonly figures: Figures | undefined;
  /** When it was sealed; undefined where what tells of it is that it was opened again. */
  readonly sealedAt: EpochMs | undefined;
}

function toldBy({ type, subject, tenant, data, occurred_at }: LogRow): ToldVersion | undefined {
  const told = parseData(data);
  const day = textOf(told?.['date']);
  if (told === undefined || day === null || !CALENDAR_DATE.test(day)) return undefined;
  const isSealing = type === 'day.sealed';
  const version = told[isSealing ? 'version' : 'sealed_version'];
  if (!Number.isInteger(version)) return undefined;
  return {
    tenant,
    id: subject,
    day,
    version: Number(version),
    hash: textOf(told[isSealing ? 'hash' : 'sealed_hash']),
    figures: isSealing ? figuresOf(told) : undefined,
    sealedAt: isSealing ? occurred_at : undefined,
    // Of the commit that put another version in its place.
    replacedAt: isSealing ? null : occurred_at,
  };
}

const CALENDAR_DATE = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/;

function figuresOf(told: JsonObject): Figures {
  const figure = (name: string): bigint | undefined => integerOf(told[name]);
  return {
    openingMinor: figure('opening'),
    creditsMinor: figure('credits'),
    debitsMinor: figure('debits'),
    count: figure('count'),
    closingMinor: figure('closing'),
  };
}

function differenceOf(told: ToldVersion, found: AuditedVersion | undefined): Finding | undefined {
  const { tenant } = told;
  const subject = `${tenant}/${told.id}/${told.day}#${told.version}`;
  if (found === undefined || found.row === null)
    return found?.isMissing === true
      ? {
          kind: 'missing_version',
          subject,
          tenant,
          detail: 'it was sealed and opened again, and is not kept',
        }
      : undefined;
  const { row } = found;
  const wrong = FIGURES.flatMap((figure) =>
    told.figures === undefined || row[figure] === told.figures[figure]
      ? []
      : [`${figure} is ${row[figure]}, the log says ${told.figures[figure] ?? 'none'}`],
  );
  if (row.hash !== told.hash) wrong.push(`hash is ${row.hash}, the log says ${told.hash}`);
  if (row.sealedAt === null) wrong.push('it is not sealed, the log says so');
  else if (told.sealedAt !== undefined && row.sealedAt !== told.sealedAt)
    wrong.push('it was not sealed when the log says so');
  return wrong.length === 0
    ? undefined
    : { kind: 'different_version', subject, tenant, detail: wrong.join('; ') };
}
