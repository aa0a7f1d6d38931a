/** What is being done, on standard error: one line that changes on a terminal, plain lines elsewhere. */
const PLAIN_EVERY_MS = 5000;

export class Progress {
  readonly #isTerminal = process.stderr.isTTY;
  #lastPlainMs = 0;
  #isLineOpen = false;

  /** A step begins. */
  step(text: string): void {
    this.#endLine();
    process.stderr.write(`… ${text}\n`);
    this.#lastPlainMs = performance.now();
  }

  /** Where the step is; shown now and then. */
  update(text: string): void {
    if (this.#isTerminal) {
      process.stderr.write(`\r  ${text}\u001b[K`);
      this.#isLineOpen = true;
    } else if (performance.now() - this.#lastPlainMs > PLAIN_EVERY_MS) {
      process.stderr.write(`  ${text}\n`);
      this.#lastPlainMs = performance.now();
    }
  }

  #endLine(): void {
    if (this.#isLineOpen) process.stderr.write('\r\u001b[K');
    this.#isLineOpen = false;
  }
}
