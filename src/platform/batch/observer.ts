/** What the batch machine tells the outside: metrics and logs are made of it at the composition root. */
export interface BatchObserver {
  committed(worker: string, batch: { readonly events: number; readonly durationMs: number }): void;
  /** The batch will be tried again; the worker backs off. */
  failed(worker: string, error: unknown): void;
}
