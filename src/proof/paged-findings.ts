/** A table and a log compared page by page, each page one snapshot: what was found on the way. */
import type { Differences, ExpectedRow } from '#platform/postgres/differences.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Lane } from './lane.ts';
import { type Check, differenceFinding, type Finding } from './report.ts';

export interface Findings {
  readonly looked: number;
  readonly listed: readonly Finding[];
  readonly unlisted: number;
}

export interface Page<Cursor> {
  readonly findings: Findings;
  readonly passed: number;
  /** Undefined at the end. */
  readonly next: Cursor | undefined;
}

/** Each of one instant, until one says that there is no next. */
export async function* pages<Cursor, Read extends Pick<Page<Cursor>, 'next'>>(
  lane: Lane,
  read: (reader: Reader, after: Cursor | undefined) => Promise<Read>,
): AsyncGenerator<Read> {
  for (let after: Cursor | undefined; ; ) {
    const cursor = after;
    const page = await lane.snapshot((reader) => read(reader, cursor));
    yield page;
    after = page.next;
    if (after === undefined) return;
  }
}

/** Of a log: partition by partition, each from its first event on. */
export async function* pagesOfLog(
  lane: Lane,
  partitions: number,
  read: (
    reader: Reader,
    place: { readonly partition: number; readonly after: bigint },
  ) => Promise<Page<bigint>>,
): AsyncGenerator<Page<bigint>> {
  for (let partition = 0; partition < partitions; partition++)
    yield* pages(lane, (reader, after: bigint | undefined) =>
      read(reader, { partition, after: after ?? 0n }),
    );
}

export function reportTo(check: Check, findings: Findings): void {
  check.looked(findings.looked);
  for (const finding of findings.listed) check.found(finding);
  check.foundMore(findings.unlisted);
}

export type Key = Readonly<Record<string, string>>;

export function found(
  noun: string,
  expected: readonly ExpectedRow[],
  { listed, total }: Differences,
  nameOf: (key: Key) => string,
): Findings {
  return {
    looked: expected.length,
    listed: listed.map((difference) => ({
      ...differenceFinding(noun, nameOf(difference.key), difference),
      tenant: difference.key['tenant'],
    })),
    unlisted: total - listed.length,
  };
}

export function joined(findings: readonly Findings[]): Findings {
  return {
    looked: findings.reduce((sum, { looked }) => sum + looked, 0),
    listed: findings.flatMap(({ listed }) => listed),
    unlisted: findings.reduce((sum, { unlisted }) => sum + unlisted, 0),
  };
}

export function extraOf(noun: string, names: readonly string[]): Findings {
  const listed = names.map((name) => differenceFinding(noun, name, { key: {}, kind: 'extra', detail: '' }));
  return { looked: 0, listed, unlisted: 0 };
}
