/** One thing that should not be, by the rule that it breaks (check-history.ts). */
export interface Finding {
  readonly rule: string;
  /** A payment, a refund, an account, or the key of a request. */
  readonly subject: string;
  readonly what: string;
}
