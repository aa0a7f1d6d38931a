/** What the service emits; the contracts are in events/. */
import type { Severity } from './repair-rules.ts';

export type FindingOpened = {
  readonly finding_id: string;
  readonly kind: string;
  readonly severity: Severity;
  /** `pay_…`, `acme/wallet`, `payments/3/1041`. */
  readonly about: string;
  /** Identities of events. */
  readonly evidence: readonly string[];
  readonly detail: string;
};

export type FindingRepaired = {
  readonly finding_id: string;
  readonly kind: string;
  readonly about: string;
  /** What was done. */
  readonly repair: string;
  readonly attempts: number;
};

export type FindingParked = {
  readonly finding_id: string;
  readonly kind: string;
  readonly about: string;
  readonly reason: string;
  readonly attempts: number;
};
