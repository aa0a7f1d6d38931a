/** How long work shows where it is: one line that is written over on a terminal, a line now and then elsewhere. */
import type { Progress } from '#proof/progress.ts';

const BAR_CELLS = 24;
/** Where nobody watches, a line so often is enough to see that it lives. */
const PLAIN_LINE_EVERY_MS = 5000;

export class ProgressLine {
  #phase = '';
  #printedAt = Number.NEGATIVE_INFINITY;

  show(progress: Progress): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${bar(progress)}`);
    else this.#showPlain(progress);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  }

  #showPlain(progress: Progress): void {
    const isDue =
      progress.phase !== this.#phase || performance.now() - this.#printedAt >= PLAIN_LINE_EVERY_MS;
    if (!isDue) return;
    this.#phase = progress.phase;
    this.#printedAt = performance.now();
    process.stderr.write(`${text(progress)}\n`);
  }
}

function bar(progress: Progress): string {
  const share = progress.total === 0 ? 1 : Math.min(1, progress.done / progress.total);
  const filled = Math.round(share * BAR_CELLS);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_CELLS - filled)} ${text(progress)}`;
}

function text({ phase, done, total, ratePerSecond }: Progress): string {
  return `${phase}: ${done} of ${Math.max(done, total)}, ${Math.round(ratePerSecond)}/s`;
}
