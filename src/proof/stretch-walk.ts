/**
 * One partition of a log beside what its checkpoints signed of it, stretch by stretch (S4). The first difference is the
 * finding: what comes after it differs too.
 */
import { hash } from 'node:crypto';
import { DIGEST_BYTES, merkleRoot } from '#kernel/merkle.ts';
import { listStandingsOf, type NumberedStanding } from '#services/integrity/contract.ts';
import { schemaOf } from './installation.ts';
import type { Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import type { Check } from './report.ts';

const PAGE = { first: 50, least: 1, most: 1_000 };
/** Of one page, whatever its stretches say: a megabyte of leaves. */
const PAGE_BATCHES = 32_768;
/** A stretch has 16 384 at most. With one more it is not what was signed, and the rest of the log need not be read to tell. */
const STRETCH_BATCHES = 16_385;

/** A batch's leaf, hashed where it lies. `kernel/merkle.ts` has the format. */
const LEAF = `sha256('\\x0000000005'::bytea || convert_to('batch', 'UTF8') || ${['first', 'count']
  .map((column) => `int4send(length(${column}::text)) || convert_to(${column}::text, 'UTF8')`)
  .join(' || ')} || '\\x00000020'::bytea || root || '\\x00000020'::bytea || chain)`;

/** What the log has of a stretch. */
interface Found {
  readonly number: number;
  readonly batches: number;
  readonly upTo: number;
  readonly chain: Buffer | undefined;
  readonly leaves: Buffer;
}

export interface StretchWalkOptions {
  readonly lane: Lane;
  readonly place: { readonly topic: string; readonly partition: number };
  /** Number of the last checkpoint that is proved. */
  readonly upTo: number;
  readonly check: Check;
  readonly phase: Phase;
}

export class StretchWalk {
  readonly #options: StretchWalkOptions;
  readonly #name: string;
  #chain: Buffer;
  #position = 0;

  constructor(options: StretchWalkOptions) {
    this.#options = options;
    this.#name = `${options.place.topic}/${options.place.partition}`;
    this.#chain = hash('sha256', this.#name, 'buffer');
  }

  async run(): Promise<void> {
    const { lane, place, upTo, phase } = this.#options;
    const end = await this.#readEnd();
    const pageSize = new PageSize(PAGE);
    for (let after = 0; ; ) {
      const startedAt = performance.now();
      const listed = await listStandingsOf(lane, place, { after, upTo, limit: pageSize.rows });
      const standings = withinPage(listed);
      const found = await this.#readStretches(standings.filter(({ position }) => position <= end));
      for (const standing of standings) {
        if (!this.#prove(standing, { end, found: found.get(standing.number) })) return;
        phase.advance(standing.position - standing.from);
      }
      const last = standings.at(-1);
      if (last === undefined) return;
      after = last.number;
      pageSize.took(performance.now() - startedAt);
    }
  }

  /** Where the log ends, by its batches and by its head: read after the checkpoints, so not before what they signed. */
  async #readEnd(): Promise<number> {
    const { lane, place } = this.#options;
    const [row] = await lane.query<{ head: bigint | null; first: bigint | null; count: number | null }>(
      `select (select position from log.heads where topic = $1 and partition = $2) as head, last.first, last.count
       from (select true) one left join (
         select first, count from ${schemaOf(place.topic)}.batches where partition = $2 order by first desc limit 1
       ) last on true`,
      [place.topic, place.partition],
    );
    if (row === undefined || row.first === null) return 0;
    return Math.min(Number(row.head ?? 0n), Number(row.first) + Number(row.count) - 1);
  }

  /** The batches of each stretch, by the batches' primary key. */
  async #readStretches(standings: readonly NumberedStanding[]): Promise<Map<number, Found>> {
    const { lane, place } = this.#options;
    const rows = await lane.query<{
      number: bigint;
      batches: number;
      up_to: bigint | null;
      chain: Buffer | null;
      leaves: Buffer | null;
    }>(
      `select stretch.number, found.*
       from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as stretch(number, after, up_to)
       cross join lateral (
         select count(*)::integer as batches, max(b.first + b.count - 1) as up_to,
                (array_agg(b.chain order by b.first desc))[1] as chain,
                string_agg(${LEAF}, ''::bytea order by b.first) as leaves
         from (
           select first, count, root, chain from ${schemaOf(place.topic)}.batches b
           where b.partition = $1 and b.first > stretch.after and b.first <= stretch.up_to
           order by b.first limit ${STRETCH_BATCHES}
         ) as b
       ) as found`,
      [
        place.partition,
        standings.map(({ number }) => number),
        standings.map(({ from }) => from),
        standings.map(({ position }) => position),
      ],
    );
    return new Map(
      rows.map((row) => [
        Number(row.number),
        {
          number: Number(row.number),
          batches: row.batches,
          upTo: Number(row.up_to ?? 0n),
          chain: row.chain ?? undefined,
          leaves: row.leaves ?? Buffer.alloc(0),
        },
      ]),
    );
  }

  /** S4; whether it is worth going on. */
  #prove(
    standing: NumberedStanding,
    log: { readonly end: number; readonly found: Found | undefined },
  ): boolean {
    const { number, from, position, chain } = standing;
    const signed = `checkpoint ${number} signed it up to ${position}`;
    if (position > log.end)
      return this.#found('truncated_log', this.#name, `${signed}, it ends at ${log.end}`);
    const { found } = log;
    const upTo = found === undefined || found.batches === 0 ? this.#position : found.upTo;
    const ownChain = found?.chain ?? this.#chain;
    if (upTo !== position || !ownChain.equals(chain))
      return this.#found(
        'rewritten_log',
        `${this.#name}/${from + 1}`,
        `${signed}, with another chain value than it has there now`,
      );
    if (found?.batches !== standing.batches || !rootOf(found.leaves).equals(standing.root))
      return this.#found('wrong_stretch_root', `${this.#name}/${from + 1}`, `${signed}, of other batches`);
    this.#position = position;
    this.#chain = chain;
    return true;
  }

  #found(kind: string, subject: string, detail: string): false {
    this.#options.check.found({ kind, subject, detail });
    return false;
  }
}

/** The first ones, together about a page of batches; at least one. */
function withinPage(standings: readonly NumberedStanding[]): readonly NumberedStanding[] {
  let batches = 0;
  const end = standings.findIndex((standing, index) => {
    batches += standing.batches;
    return index > 0 && batches > PAGE_BATCHES;
  });
  return end === -1 ? standings : standings.slice(0, end);
}

function rootOf(leaves: Buffer): Buffer {
  const count = leaves.length / DIGEST_BYTES;
  return merkleRoot(
    Array.from({ length: count }, (_, index) =>
      leaves.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
    ),
  );
}
