/** The hub's events; their schemas are in events/. */
import type { FieldProblem } from '#kernel/problem.ts';

export type Entry = 'api' | 'webhook';

/** What every one of them tells of: which version of which connector. */
type Through = {
  readonly connector: string;
  readonly connector_version: number;
};

/** A message is JSON as text: what was sent is carried, not what a parser makes of it. */
type Carried = Through & { readonly message: string };

export type IntegrationRequested = Carried & {
  readonly entry: Entry;
  /** The `int_…` that it replays, and the first of those. */
  readonly replay_of: string | null;
  readonly origin: string;
};

export type IntegrationValidated = Carried;

export type RulesApplied = Carried & {
  /** The name of the destination. */
  readonly route: string;
};

export type IntegrationEnriched = RulesApplied;

export type IntegrationDelivered = Through & {
  readonly destination: string;
  readonly tries: number;
  /** Of HTTP. */
  readonly status: number;
  readonly reference: string | null;
};

export type StepName = 'validation' | 'rules' | 'enrichment' | 'delivery' | 'undo';

export type IntegrationRefused = Through & {
  readonly step: StepName;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
};

/** A `FieldProblem` as JSON. */
export type FieldError = { readonly [Member in keyof FieldProblem]: FieldProblem[Member] };

export type IntegrationFailed = Through & {
  readonly step: StepName;
  readonly code: string;
  readonly detail: string;
  readonly tries: number;
  /** Of the destination whose undo call is due now, because nobody knows whether it was delivered. */
  readonly undo: string | null;
  /** What was, or may have been, delivered. */
  readonly message: string | null;
};

export type UndoRequested = Carried & {
  readonly destination: string;
  readonly reason: string;
  readonly actor: string | null;
};

export type IntegrationUndone = Through & {
  readonly destination: string;
  readonly tries: number;
  readonly status: number;
};

export type UndoFailed = Through & {
  readonly destination: string;
  readonly tries: number;
  readonly code: string;
  readonly detail: string;
};
