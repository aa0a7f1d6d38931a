/**
 * Proves the signed checkpoints, and by them the logs: who can rewrite a log with its chain cannot sign what it was.
 *
 * S1: numbers have no gap, each checkpoint names the hash of the one before, its instant is not before that one's.
 * S2: each is signed by a key of this installation, byte for byte, and every key has the name that it must have, and is
 *     vouched for by the one that signs now, or by one that it vouched for.
 * S3: the standings of all logs as stored hash to the root that was signed; each stretch begins where the last one ended.
 * S4: every standing stands on the log as it now is: the batches of its stretch are there, and end in its chain value.
 * S5: there are no standings but of partitions that there are, at checkpoints.
 *
 * A checkpoint that was taken away at the end, with its standings, is missed by nobody here: copies kept elsewhere tell.
 */
import { type KeyObject, verify } from 'node:crypto';
import { canonicalJson } from '#kernel/canonical-json.ts';
import { merkleRoot } from '#kernel/merkle.ts';
import {
  type CheckpointTrust,
  listCheckpoints,
  listStandings,
  listStrayStandings,
  type NumberedStanding,
  readCheckpointTrust,
} from '#services/integrity/contract.ts';
import {
  bodyHash,
  type CheckpointClaims,
  leafOfLog,
  openSeal,
  parseClaims,
  parseJson,
} from './checkpoint-seal.ts';
import type { Installation } from './installation.ts';
import { eachInLanes, type Lane } from './lane.ts';
import { PageSize } from './page-size.ts';
import type { Phase } from './progress.ts';
import { type PublicKeys, publicKeyOf, thumbprintOf } from './public-keys.ts';
import type { Check } from './report.ts';
import { StretchWalk } from './stretch-walk.ts';

const PAGE = { first: 50, least: 1, most: 1_000 };
/** What is listed of standings where none may be. */
const STRAY_MAX = 100;

export interface CheckpointProof {
  readonly check: Check;
  readonly phase: Phase;
  readonly kept?: KeptEvidence | undefined;
}

export interface KeptEvidence {
  /** Copies: what they say must be stored here. */
  readonly checkpoints?: readonly KeptCheckpoint[] | undefined;
  /** If given, no other keys are believed, whatever the database says. */
  readonly keys?: PublicKeys | undefined;
}

export interface KeptCheckpoint {
  readonly number: number;
  readonly body: string;
}

export async function verifyCheckpoints(
  lanes: readonly Lane[],
  installation: Installation,
  proof: CheckpointProof,
): Promise<void> {
  const { check, phase, kept = {} } = proof;
  const lane = lanes[0] as Lane;
  const trust = await readCheckpointTrust(lane);
  const own = ownKeys(trust, check);
  const walk = new CheckpointWalk({
    trust,
    check,
    kept: kept.checkpoints ?? [],
    keys: kept.keys ?? own,
  });
  await walk.run(lane, phase);
  const places = installation.topics.flatMap((topic) =>
    Array.from({ length: installation.partitions }, (_, partition) => ({ topic, partition })),
  );
  await eachInLanes(lanes, places, (each, place) =>
    new StretchWalk({ lane: each, place, upTo: trust.last, check, phase }).run(),
  );
  await findStrays(lane, installation, check);
}

/** S5. That a partition of ours lacks its head is found with the log. */
async function findStrays(lane: Lane, { topics, partitions }: Installation, check: Check): Promise<void> {
  for (const { topic, partition, number } of await listStrayStandings(lane, STRAY_MAX)) {
    const isOurs = topics.includes(topic) && partition >= 0 && partition < partitions;
    if (isOurs && number >= 1) continue;
    const lacking = isOurs ? 'checkpoint' : 'log';
    const detail = `it tells where ${topic}/${partition} stood, and there is no such ${lacking}`;
    check.found({ kind: 'stray_standing', subject: `checkpoint/${number}`, detail });
  }
}

/** S2 */
function ownKeys(trust: CheckpointTrust, check: Check): PublicKeys {
  const keys = new Map(trust.keys.map(({ publicKey }) => [thumbprintOf(publicKey), publicKeyOf(publicKey)]));
  const vouched = vouchedKeys(keys, trust);
  for (const { kid, publicKey } of trust.keys) {
    const subject = `signing_key/${kid}`;
    const name = thumbprintOf(publicKey);
    if (kid !== name) check.found({ kind: 'wrong_key_name', subject, detail: `the key's name is ${name}` });
    else if (!vouched.has(kid))
      check.found({ kind: 'unknown_key', subject, detail: 'no key that signs here has vouched for it' });
  }
  return vouched;
}

/** From the one that signed last to those it vouches for, and so on. */
function vouchedKeys(
  keys: PublicKeys,
  { installation, vouchers, lastBody = '' }: CheckpointTrust,
): PublicKeys {
  const vouched = new Map<string, KeyObject>();
  const waiting = [signerNamedBy(lastBody)];
  for (const kid of waiting) {
    const key = keys.get(kid);
    if (key === undefined || vouched.has(kid)) continue;
    vouched.set(kid, key);
    for (const voucher of vouchers) {
      const text = canonicalJson({
        format: 'lastro.key.v1',
        installation: installation ?? '',
        kid: voucher.kid,
      });
      if (voucher.by === kid && verify(null, Buffer.from(text), key, voucher.signature))
        waiting.push(voucher.kid);
    }
  }
  return vouched;
}

/** Whatever else is wrong with the body: that is found where the checkpoint is proved. */
function signerNamedBy(body: string): string {
  const { kid } = (parseJson(body) ?? {}) as { kid?: unknown };
  return typeof kid === 'string' ? kid : '';
}

interface Predecessor {
  readonly number: number;
  readonly hash: string;
  readonly at: string;
  /** Whether it is what was signed: of one that is not, the next one cannot name the hash. */
  readonly sealed: boolean;
}

/** From the first checkpoint to the last, with what each changes in where the logs stand. */
class CheckpointWalk {
  readonly #trust: CheckpointTrust;
  readonly #check: Check;
  readonly #keys: PublicKeys;
  /** By number. Copies of one that contradict each other are kept all: only one of them can be what is stored. */
  readonly #kept: ReadonlyMap<number, readonly KeptCheckpoint[]>;
  readonly #logs = new LogsNow();
  #before: Predecessor | undefined;
  #rootBroken = false;

  constructor(options: {
    trust: CheckpointTrust;
    check: Check;
    keys: PublicKeys;
    kept: readonly KeptCheckpoint[];
  }) {
    this.#trust = options.trust;
    this.#check = options.check;
    this.#keys = options.keys;
    this.#kept = Map.groupBy(options.kept, ({ number }) => number);
  }

  async run(lane: Lane, phase: Phase): Promise<void> {
    const { last, beyond, orphan, isAhead } = this.#trust;
    const pageSize = new PageSize(PAGE);
    for (let after = 0; after < last; ) {
      const startedAt = performance.now();
      const listed = await listCheckpoints(lane, { after, upTo: last, limit: pageSize.rows });
      const first = listed[0]?.number;
      if (first === undefined) break;
      // Where many are gone, what is left of their standings is more than a page, and would change nothing of the finding.
      const page = listed.filter(({ number }) => number < first + pageSize.rows);
      const upTo = page.at(-1)?.number ?? first;
      const standings = await listStandings(lane, { after: Math.max(after, first - PAGE.most), upTo });
      this.#provePage(page, standings);
      after = upTo;
      phase.advance(page.length);
      this.#check.looked(page.length);
      pageSize.took(performance.now() - startedAt);
    }
    if (beyond !== undefined)
      this.#found('misplaced_checkpoint', beyond, 'no checkpoint ever comes to such a number');
    if (isAhead)
      this.#found(
        'checkpoint_ahead_of_time',
        last,
        'its row is said to come later, and none is signed before that',
      );
    if (orphan !== undefined) this.#missing(orphan, 'where the logs stood at it is told, it is not there');
    for (const number of this.#kept.keys())
      if (number > last) this.#missing(number, 'a copy was kept of it, it is not there');
  }

  #provePage(
    page: readonly { readonly number: number; readonly body: string; readonly signature: Buffer }[],
    standings: readonly NumberedStanding[],
  ): void {
    let next = 0;
    for (const checkpoint of page) {
      let wrong: string | undefined;
      for (
        let standing = standings[next];
        standing !== undefined && standing.number <= checkpoint.number;
        standing = standings[++next]
      )
        wrong ??= this.#logs.move(standing);
      if (wrong !== undefined) this.#found('wrong_stretch', checkpoint.number, wrong);
      this.#prove(checkpoint);
    }
  }

  #prove(checkpoint: { readonly number: number; readonly body: string; readonly signature: Buffer }): void {
    const { number, body } = checkpoint;
    const expected = (this.#before?.number ?? 0) + 1;
    if (number > expected)
      this.#missing(
        expected,
        number === expected + 1 ? 'it is not there' : `nor are those up to ${number - 1}`,
      );
    this.#compareKept(number, body);
    const seal = openSeal(checkpoint, this.#keys);
    if (!seal.ok) this.#found(KIND_OF[seal.kind], number, seal.detail);
    const claims = seal.ok ? seal.claims : parseClaims(body);
    if (claims !== undefined) {
      this.#proveClaims(number, claims);
      this.#proveRoot(number, claims);
    }
    this.#before = { number, hash: bodyHash(body), at: claims?.at ?? '', sealed: seal.ok };
  }

  #compareKept(number: number, body: string): void {
    const kept = this.#kept.get(number) ?? [];
    if (kept.some((copy) => copy.body !== body))
      this.#found('replaced_checkpoint', number, 'it is not what was kept of it');
  }

  /** S1. Behind a gap, and behind one that was changed, only the signature speaks. */
  #proveClaims(number: number, claims: CheckpointClaims): void {
    const before = this.#before;
    const { installation } = this.#trust;
    if (claims.number !== number)
      this.#found('misplaced_checkpoint', number, `it is number ${claims.number}`);
    if (claims.installation !== installation)
      this.#found('foreign_checkpoint', number, `it is of the installation ${claims.installation}`);
    const follows = (before?.number ?? 0) + 1 === number && before?.sealed !== false;
    if (follows && claims.previous !== (before?.hash ?? null))
      this.#found('broken_checkpoint_chain', number, 'it does not follow from the one before it');
    if (before !== undefined && claims.at < before.at)
      this.#found('checkpoint_back_in_time', number, `it is of ${claims.at}, the one before of ${before.at}`);
  }

  /** S3. What is wrong in a standing is wrong until the log moves on: that is one finding. */
  #proveRoot(number: number, claims: CheckpointClaims): void {
    const isRight = claims.logs === this.#logs.size && this.#logs.root().toString('hex') === claims.logs_root;
    if (!isRight && !this.#rootBroken)
      this.#found('wrong_checkpoint_root', number, 'where the logs stood at it is not what was signed');
    this.#rootBroken = !isRight;
  }

  #missing(number: number, detail: string): void {
    this.#found('missing_checkpoint', number, detail);
  }

  #found(kind: string, number: number | bigint, detail: string): void {
    this.#check.found({ kind, subject: `checkpoint/${number}`, detail });
  }
}

const KIND_OF = {
  unreadable: 'unreadable_checkpoint',
  unknown_key: 'unknown_key',
  wrong_signature: 'wrong_signature',
} as const;

/** Where every partition stands at the checkpoint that the walk is at. */
class LogsNow {
  readonly #positions = new Map<string, number>();
  readonly #leaves = new Map<string, Buffer>();
  #places: { readonly topic: string; readonly partition: number; readonly name: string }[] = [];
  #root: Buffer | undefined;

  get size(): number {
    return this.#places.length;
  }

  /** What is wrong with it, if anything. */
  move(standing: NumberedStanding): string | undefined {
    const { topic, partition, from, position, verified } = standing;
    const name = `${topic}/${partition}`;
    const before = this.#positions.get(name);
    if (before === undefined) this.#enter({ topic, partition, name });
    this.#positions.set(name, position);
    this.#leaves.set(name, leafOfLog(standing));
    this.#root = undefined;
    if (from !== (before ?? 0)) return `${name} goes on from ${from}, and had come to ${before ?? 0}`;
    return verified > position ? `${name} was verified up to ${verified} and is at ${position}` : undefined;
  }

  /** Ordered by topic and partition, as the leaves are. */
  #enter(place: { topic: string; partition: number; name: string }): void {
    this.#places.push(place);
    this.#places.sort((a, b) =>
      a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1,
    );
  }

  root(): Buffer {
    this.#root ??= merkleRoot(this.#places.map(({ name }) => this.#leaves.get(name) as Buffer));
    return this.#root;
  }
}
