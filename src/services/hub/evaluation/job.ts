/** What is worked on in the evaluation's threads: a tenant's schema or expressions, and one message. */
import type { FieldProblem } from '#kernel/problem.ts';

/**
 * By the wall's clock. A rule or a mapping takes some 50 µs; what needs ten thousand times as long is in a loop, also on a
 * machine that has much else to do.
 */
export const JOB_MAX_MS = 500;
/** The heap of a thread. A message is 64 KiB; what needs so much of a thread grows without bound. */
export const HEAP_MAX_MB = 64;
/** Of a message, at every step: what CloudEvents asks intermediaries to pass on (STANDARDS §4). */
export const MESSAGE_MAX_BYTES = 65_536;

/** A rule: if `when` holds (or is absent), its effect. */
export interface Rule {
  readonly when?: string;
  /** The reason, for people. */
  readonly refuse?: string;
  /** Members of the message, each with the expression of its value. */
  readonly set?: Readonly<Record<string, string>>;
  /** The name of a destination. */
  readonly route?: string;
}

/** Its message is JSON as text. What is kept of a job in the thread is kept under `source`, which is a text for that reason. */
export type Job =
  | { readonly kind: 'check_schema'; readonly source: string }
  | { readonly kind: 'check_expression'; readonly source: string }
  | { readonly kind: 'validate'; readonly source: string; readonly message: string }
  /** `source`: rules as JSON. */
  | { readonly kind: 'rules'; readonly source: string; readonly message: string }
  /** `source`: expressions as JSON; each value as JSON, null for nothing. */
  | { readonly kind: 'values'; readonly source: string; readonly message: string };

/** A job, and whose. */
export type OwnedJob = Job & { readonly tenant: string };

/** The same for all jobs that one tenant's source makes. */
export function sourceRef({ tenant, source }: OwnedJob): string {
  return `${tenant}\n${source}`;
}

export type JobResult =
  | { readonly kind: 'valid' }
  | { readonly kind: 'invalid'; readonly faults: readonly FieldProblem[] }
  | { readonly kind: 'passed'; readonly message: string; readonly route: string | null }
  | { readonly kind: 'refused'; readonly rule: number; readonly reason: string }
  | { readonly kind: 'values'; readonly values: readonly string[] }
  /** The expression does not compile, or fails on the message. `position`: in the text of the expression. */
  | { readonly kind: 'faulty'; readonly at: string; readonly detail: string; readonly position?: number }
  /**
   * It was stopped. `isShunned`: as often as it may be just now, or so often that it was not tried. `isUntried`: it was not, but others
   * that were handed over with it. `tookMs`: until then; of what had its thread ended, JOB_MAX_MS.
   */
  | {
      readonly kind: 'overrun';
      readonly detail: string;
      readonly isShunned?: true;
      readonly isUntried?: true;
      readonly tookMs?: number;
    }
  /** Its tenant has had its share of the time (shares.ts): it was not tried, and nothing is known against it. */
  | { readonly kind: 'later' };

/** Jobs as a thread is handed them: what many have in common is copied once. */
export interface Work {
  readonly id: number;
  readonly kinds: readonly Pick<OwnedJob, 'kind' | 'source' | 'tenant'>[];
  /** Of each job, which of the kinds it is of. */
  readonly kindOf: readonly number[];
  /** Of each job; nothing of those that check a source. */
  readonly messages: readonly (string | undefined)[];
  /** Of each tenant (shares.ts); default as long as it takes. */
  readonly shareMs: number | undefined;
}

export function packJobs(id: number, jobs: readonly OwnedJob[], shareMs?: number): Work {
  const places = new Map<string, number>();
  const kinds: Pick<OwnedJob, 'kind' | 'source' | 'tenant'>[] = [];
  const kindOf = jobs.map(({ kind, source, tenant }) => {
    const name = `${tenant} ${kind} ${source}`;
    const place = places.get(name) ?? kinds.push({ kind, source, tenant }) - 1;
    places.set(name, place);
    return place;
  });
  const messages = jobs.map((job) => ('message' in job ? job.message : undefined));
  return { id, kinds, kindOf, messages, shareMs };
}

export function unpackJobs({ kinds, kindOf, messages }: Work): OwnedJob[] {
  return kindOf.map((place, index) => ({ ...kinds[place], message: messages[index] }) as OwnedJob);
}

export interface Done {
  readonly id: number;
  readonly results: readonly JobResult[];
}
