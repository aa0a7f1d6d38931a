/** A level, not an edge: raised any number of times, it ends one wait, the present one or the next. */
export class Signal {
  #raised = false;
  #wake: (() => void) | undefined;

  raise(): void {
    this.#raised = true;
    this.#wake?.();
  }

  /** Resolves when raised, or after `timeoutMs`; lowers the signal. One waiter at a time. */
  async wait(timeoutMs: number): Promise<void> {
    if (!this.#raised) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
      this.#wake = undefined;
    }
    this.#raised = false;
  }
}
