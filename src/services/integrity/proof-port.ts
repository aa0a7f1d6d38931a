/**
 * What the service needs of a proof that recomputes everything from the logs. The composition root hands it in: a service
 * knows no other service's tables, and the proof drives what each offers of its own.
 */
import type { GroupedEvent } from '#platform/dead-letters/redelivery.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { CardStanding } from '#sagas/card-transaction.ts';
import type { ModelName } from './repair-rules.ts';

export const AUDIT_SCOPES = ['everything', 'log', 'books', 'sagas'] as const;
export type AuditScope = (typeof AUDIT_SCOPES)[number];

/** What a proof says is wrong. */
export interface ProofFinding {
  /** What was looked at: `log`, `accounts`, `payments` … */
  readonly check: string;
  readonly kind: string;
  readonly subject: string;
  readonly detail: string;
  /** Undefined: the logs have to be asked. */
  readonly tenant: string | undefined;
}

export interface AuditProgress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

export interface AuditOptions {
  readonly scope: AuditScope;
  /** `background`: a few percent of one connection, at all times. `asked`: somebody waits for it. */
  readonly pace: 'background' | 'asked';
  readonly signal: AbortSignal;
  readonly onFound: (finding: ProofFinding) => void;
  readonly onProgress: (progress: AuditProgress) => void;
}

/** Whether all that was found was told of: a table that is wrong throughout is not listed row by row. */
export interface AuditEnd {
  readonly isComplete: boolean;
}

export interface RepairOutcome {
  readonly outcome: 'corrected' | 'sound' | 'failed' | 'refused';
  readonly detail: string;
}

/** What was asked of a group and left nothing; or that there is none of it, or none that may be asked again. */
export type LostAsks =
  | { readonly outcome: 'lost'; readonly events: readonly GroupedEvent[] }
  | { readonly outcome: 'sound'; readonly detail: string }
  | { readonly outcome: 'refused'; readonly detail: string };

/** A stretch of a partition of the cards' log: after the one, up to the other. */
export interface CardStretch {
  readonly partition: number;
  readonly after: bigint;
  readonly upTo: bigint;
}

export interface CardFinding {
  readonly kind: string;
  /** Identity of the event it is about. */
  readonly event: string;
  readonly detail: string;
}

export interface Proof {
  /** Some of each stretch; what was judged. Rests so long in proportion that it takes a share of one connection. */
  judgeCards(
    stretches: readonly CardStretch[],
  ): Promise<{ readonly judged: readonly CardStretch[]; readonly findings: readonly ProofFinding[] }>;
  /** From its events alone, in the order of the log. */
  judgeCardTransaction(
    subject: string,
    events: readonly LogEvent[],
  ): { readonly standing: CardStanding; readonly findings: readonly CardFinding[] };
  audit(options: AuditOptions): Promise<AuditEnd>;
  rebuild(
    model: ModelName,
    about: { readonly kind: string; readonly subject: string },
  ): Promise<RepairOutcome>;
  restoreHold(about: { readonly kind: string; readonly subject: string }): Promise<RepairOutcome>;
  wakeAttempts(about: { readonly kind: string; readonly subject: string }): Promise<RepairOutcome>;
  lostAsks(about: { readonly subject: string }): Promise<LostAsks>;
  recount(about: { readonly tenant: string; readonly subject: string }): Promise<RepairOutcome>;
  recomputeBalance(account: { readonly tenant: string; readonly id: string }): Promise<RepairOutcome>;
}

/** Where proofs name a fault otherwise than verdicts do. A balance is one thing, whichever of its columns is wrong. */
const SAME_AS: ReadonlyMap<string, string> = new Map([
  ['repeated_event', 'duplicate_stage'],
  ['second_outcome', 'duplicate_stage'],
  ['event_out_of_line', 'out_of_order'],
  ['different_last_posting', 'different_balance'],
]);

export function kindOf({ kind }: Pick<ProofFinding, 'kind'>): string {
  return SAME_AS.get(kind) ?? kind;
}

/** Identities of events, wherever a sentence names them. */
const IDENTITY = /\b[a-z]+\/\d+\/\d+\b/g;

export function evidenceIn(finding: Pick<ProofFinding, 'subject' | 'detail'>): readonly string[] {
  return [...new Set(`${finding.subject} ${finding.detail}`.match(IDENTITY) ?? [])];
}
