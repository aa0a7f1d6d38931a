/** The result as people read it, and as programs do. Every figure is explained in README.md. */
import type { ChapterRun } from './chapter.ts';
import type { Machine, Revision } from './measure/machine.ts';
import { duration, NOT_KNOWN, percent, whole } from './report-format.ts';
import { type CostStretch, renderCosts } from './stored-cost.ts';
import type { PeerYardstick, Yardstick } from './yardsticks/yardstick-run.ts';

export interface BenchReport {
  readonly at: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly machine: Machine;
  readonly database: Readonly<Record<string, string>>;
  readonly revision: Revision;
  readonly chapters: readonly ChapterRun[];
  readonly costs: readonly CostStretch[];
  readonly plainSql: Yardstick | undefined;
  readonly peer: PeerYardstick | undefined;
  /** Exit status of `lastro verify`. */
  readonly verify: { readonly status: number | null; readonly output: string };
  readonly faults: readonly string[];
}

/** The whole of what it said is in the JSON. */
const VERIFY_LINES = 40;

/** What the JSON file has. */
export function recordOf({ chapters, ...report }: BenchReport): Readonly<Record<string, unknown>> {
  const members = chapters.flatMap((chapter) => Object.entries(chapter.record()));
  return { ...report, ...Object.fromEntries(members) };
}

export function renderReport(report: BenchReport): string {
  const sections = [
    renderMachine(report),
    ...report.chapters.flatMap((chapter) => chapter.render()),
    renderCosts(report.costs),
    renderYardsticks(report),
    renderOutcome(report),
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function renderMachine({ at, machine, database, revision, options }: BenchReport): string {
  const settings = Object.entries(database).map(([name, value]) => `${name}=${value}`);
  const modified = revision.modified === true ? ', with changes' : '';
  return [
    `lastro bench, ${at}`,
    `  machine   ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}`,
    `  disk      8 KiB written and synced in ${duration(machine.syncMs)} (median)`,
    `  node      ${machine.node}`,
    `  database  ${settings.join(' ')}`,
    `  commit    ${revision.commit}${modified}`,
    `  options   ${JSON.stringify(options)}`,
  ].join('\n');
}

function renderYardsticks({ chapters, plainSql, peer }: BenchReport): string {
  const completed = new Map(chapters.flatMap((chapter) => [...chapter.completedPerSecond()]));
  const uniform = completed.get('uniform');
  const hot = completed.get('hot');
  const lines: string[] = [];
  if (plainSql !== undefined) {
    const cpuText =
      plainSql.postgresCpuUsPerPayment === null
        ? NOT_KNOWN
        : `${plainSql.postgresCpuUsPerPayment.toFixed(0)} µs`;
    lines.push(
      `plain SQL, no program: ${whole(plainSql.perSecond)} payments/s, ${cpuText} of PostgreSQL each`,
    );
    if (uniform !== undefined) lines.push(`  uniform reaches ${percent(uniform / plainSql.perSecond)} of it`);
  }
  if (peer !== undefined) {
    lines.push(`DBOS Transact, 4 steps: ${whole(peer.perSecond)} payments/s (${peer.concurrency} at once)`);
    if (uniform !== undefined) lines.push(`  uniform is ${(uniform / peer.perSecond).toFixed(1)} times it`);
  }
  if (uniform !== undefined && hot !== undefined)
    lines.push(`one hot account reaches ${percent(hot / uniform)} of uniform`);
  return lines.join('\n');
}

function renderOutcome({ verify, faults }: BenchReport): string {
  const isClean = verify.status === 0;
  const said = isClean ? [] : verify.output.split('\n').slice(0, VERIFY_LINES);
  return [
    `verify: ${isClean ? 'clean' : 'not clean'}`,
    ...said.map((text) => `  ${text}`),
    ...(faults.length === 0 ? ['nothing lost'] : faults.map((fault) => `FAILED  ${fault}`)),
  ].join('\n');
}
