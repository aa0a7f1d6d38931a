/**
 * How tenants stand whose expressions were stopped just now: each stop has cost everybody else the time until it.
 *
 * V3: a source that was stopped three times for one message alone is shunned, by that message too, and not tried again for a
 *     while. How often it was tried with others is not counted: that depends on how batches fall. But until it has come through
 *     alone it is not tried with others again: it waits for that (steps/step-ways.ts).
 * V5: a tenant's stops together take no more than some seconds at once, and a tenth of the time in the long run, however many
 *     sources they are of. What has come through is tried with others for longer than what has not, and nothing of one tenant counts
 *     against another's.
 * V7: of a process that has ended over jobs of several tenants, and over none of them by itself, nobody knows the cause: what goes by the
 *     time ends it once, and comes through the next time. Each of these tenants is worked on apart from the others for a while, and pays
 *     for the next end.
 */
import { hash } from 'node:crypto';
import { KeptByLength } from '../kept-by-length.ts';
import { JOB_MAX_MS, type JobResult, type OwnedJob } from './job.ts';

/**
 * V3. As often as a consumer tries an event alone, so that the third try is the tenant's end of it: as dead letters of a group
 * a few tenants' loops would use up what that may park, and it would stand still for all.
 */
const SHUNNED_AT = 3;
const SHUNNED_FOR_MS = 30_000;
/** V5. From then on what has not come through yet is tried alone: two sources until they are shunned. */
const ALONE_FROM_MS = 8 * JOB_MAX_MS;
/** V5. From then on it is not tried; what has come through, at twice as much. */
const REFUSED_FROM_MS = 16 * JOB_MAX_MS;
/** V7 */
const APART_FOR_MS = 30_000;
/** V5. Of the time that passes, how much is given back: a source that is shunned for most of the time costs a twentieth. */
const GIVEN_BACK = 0.1;
/** V5. What is stopped at once costs the others the search for it all the same. */
const SEARCH_MS = 100;
/** Tenants, and sources of one. */
const REMEMBERED_MAX = 1000;
/** Of the sources whose keys are known; the connectors that they are of are kept up to as much. */
const KEYS_LENGTH = 16 * 1024 * 1024;

interface Standing {
  spentMs: number;
  /** When that was so, on the clock of `performance`. */
  at: number;
  /** Stopped alone: how often, until when that counts. */
  readonly stopped: Map<string, { readonly count: number; readonly until: number }>;
  /** Stopped among others, until when. */
  readonly suspects: Map<string, number>;
  readonly cameThrough: Set<string>;
}

export class Standings {
  readonly #now: () => number;
  readonly #standings = new Map<string, Standing>();
  /** V7. Until when. */
  readonly #apart = new Map<string, number>();
  /** By source: one may be 400 kB long, and thousands of messages that wait are asked about in every batch. */
  readonly #keys = new KeptByLength<string>({ most: REMEMBERED_MAX, mostLength: KEYS_LENGTH });

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Why a job is not tried now. `isShared`: it would be with those of other messages. */
  refusalOf(job: OwnedJob, { isShared }: { readonly isShared: boolean }): JobResult | undefined {
    const standing = this.#standings.get(job.tenant);
    if (standing === undefined) return undefined;
    const source = this.#keyOf(job);
    const spentMs = this.#spentMs(standing);
    const hasComeThrough = standing.cameThrough.has(source);
    if (this.#isShunned(standing, source)) return SHUNNED;
    if (spentMs >= REFUSED_FROM_MS * (hasComeThrough ? 2 : 1)) return TENANT_SHUNNED;
    if (!isShared) return undefined;
    const isSuspect = (standing.suspects.get(source) ?? 0) > this.#now();
    return isSuspect || (spentMs >= ALONE_FROM_MS && !hasComeThrough) ? SUSPECT : undefined;
  }

  /** What became of jobs that were handed over together. */
  note(
    jobs: readonly OwnedJob[],
    results: readonly (JobResult | undefined)[],
    { isShared }: { readonly isShared: boolean },
  ): void {
    const stops = jobs.flatMap((job, at) => stopOf(job, results[at]));
    const sources = new Map(stops.map((stop) => [`${stop.job.tenant}\n${this.#keyOf(stop.job)}`, stop]));
    for (const stop of sources.values()) this.#noteStop(stop, isShared);
    if (this.#standings.size === 0) return;
    for (const [at, job] of jobs.entries())
      if (wasWorkedOff(results[at])) this.#noteCameThrough(job, isShared);
  }

  /** V7. Jobs that were handed over together. */
  noteEnded(jobs: readonly OwnedJob[]): void {
    const [first, ...others] = new Set(jobs.map(({ tenant }) => tenant));
    if (first === undefined) return;
    if (others.length === 0) this.#spend(first, JOB_MAX_MS);
    else for (const tenant of [first, ...others]) remember(this.#apart, tenant, this.#now() + APART_FOR_MS);
  }

  /** V7 */
  isApart(tenant: string): boolean {
    return (this.#apart.get(tenant) ?? 0) > this.#now();
  }

  #noteStop({ job, tookMs }: Stop, isShared: boolean): void {
    const source = this.#keyOf(job);
    const standing = this.#spend(job.tenant, Math.max(tookMs, SEARCH_MS));
    standing.cameThrough.delete(source);
    const until = this.#now() + SHUNNED_FOR_MS;
    if (isShared) remember(standing.suspects, source, until);
    else {
      const count = (standing.stopped.get(source)?.count ?? 0) + 1;
      remember(standing.stopped, source, { count, until });
    }
  }

  #spend(tenant: string, ms: number): Standing {
    const now = this.#now();
    const known = this.#standings.get(tenant);
    const standing = known ?? newStanding(now);
    if (known === undefined) remember(this.#standings, tenant, standing);
    standing.spentMs = this.#spentMs(standing) + ms;
    standing.at = now;
    return standing;
  }

  #noteCameThrough(job: OwnedJob, isShared: boolean): void {
    const standing = this.#standings.get(job.tenant);
    if (standing === undefined) return;
    const source = this.#keyOf(job);
    if (!standing.cameThrough.has(source)) makeRoom(standing.cameThrough);
    standing.cameThrough.add(source);
    if (!isShared) standing.suspects.delete(source);
  }

  /** Asked of tenants alone that have a standing. */
  #keyOf({ source }: OwnedJob): string {
    const known = this.#keys.find(source);
    if (known !== undefined) return known;
    const key = hash('sha1', source, 'base64');
    this.#keys.keep(source, key, source.length);
    return key;
  }

  #spentMs({ spentMs, at }: Standing): number {
    return Math.max(0, spentMs - (this.#now() - at) * GIVEN_BACK);
  }

  #isShunned({ stopped }: Standing, source: string): boolean {
    const known = stopped.get(source);
    if (known === undefined) return false;
    if (known.until > this.#now()) return known.count >= SHUNNED_AT;
    stopped.delete(source);
    return false;
  }
}

interface Stop {
  readonly job: OwnedJob;
  readonly tookMs: number;
}

function stopOf(job: OwnedJob, result: JobResult | undefined): Stop | [] {
  if (result?.kind !== 'overrun' || result.isUntried === true) return [];
  return { job, tookMs: result.tookMs ?? JOB_MAX_MS };
}

function wasWorkedOff(result: JobResult | undefined): boolean {
  return result !== undefined && result.kind !== 'overrun' && result.kind !== 'later';
}

function newStanding(at: number): Standing {
  return { spentMs: 0, at, stopped: new Map(), suspects: new Map(), cameThrough: new Set() };
}

function remember<Value>(among: Map<string, Value>, key: string, value: Value): void {
  makeRoom(among);
  among.set(key, value);
}

function makeRoom(among: { readonly size: number; clear(): void }): void {
  if (among.size >= REMEMBERED_MAX) among.clear();
}

const SUSPECT: JobResult = { kind: 'overrun', detail: 'It was stopped just now, and is tried alone.' };

const SHUNNED: JobResult = {
  kind: 'overrun',
  detail: 'It was stopped several times just now, and is not tried again for a while.',
  isShunned: true,
};

const TENANT_SHUNNED: JobResult = {
  kind: 'overrun',
  detail: 'So many of its tenant were stopped just now that it is not tried for a while.',
  isShunned: true,
};
