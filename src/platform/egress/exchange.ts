/** One request and its answer over a dispatcher of undici, by its handler: that tells whether the request has begun to leave. */
import { type Dispatcher, errors } from 'undici';
import { type EgressAnswer, type EgressOutcome, outcomeOfAnswer } from './outcome.ts';
import { AddressRefused } from './pinned-connector.ts';

/** Read beyond what is kept, so that the connection can be used again; what is longer costs its connection. */
const READ_MAX_BYTES = 65_536;

export interface Limits {
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
}

/** Never rejects: whatever happens is an outcome. */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  limits: Limits,
): Promise<EgressOutcome> {
  return new Promise((resolve) => {
    const handler = new ExchangeHandler(limits, resolve);
    try {
      dispatcher.dispatch(request, handler);
    } catch (error) {
      handler.endAs('permanent', messageOf(error));
    }
  });
}

class ExchangeHandler implements Dispatcher.DispatchHandler {
  readonly #limits: Limits;
  readonly #resolve: (outcome: EgressOutcome) => void;
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #controller: Dispatcher.DispatchController | undefined;
  #head: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | undefined;
  #received = 0;
  #isEnded = false;

  constructor(limits: Limits, resolve: (outcome: EgressOutcome) => void) {
    this.#limits = limits;
    this.#resolve = resolve;
    this.#timer = setTimeout(() => this.#giveUp(), limits.timeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isEnded) controller.abort(new Error('It was given up before it left.'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status >= 200) this.#head = { status, headers: flat(headers) };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const missing = this.#limits.maxAnswerBytes - this.#received;
    if (missing > 0) this.#chunks.push(chunk.subarray(0, missing));
    this.#received += chunk.length;
    if (this.#received <= Math.max(READ_MAX_BYTES, this.#limits.maxAnswerBytes)) return;
    this.#endAnswered({ isBrokenOff: false });
    controller.abort(new Error('The rest of the answer is not wanted.'));
  }

  onResponseEnd(): void {
    this.#endAnswered({ isBrokenOff: false });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#head !== undefined) this.#endAnswered({ isBrokenOff: true });
    else if (error instanceof AddressRefused || error instanceof errors.InvalidArgumentError)
      // The target is refused, or it cannot be written as a request: a header with a line break.
      this.endAs('permanent', error.message);
    else if (this.#controller === undefined)
      this.endAs('transient', `It could not be reached: ${messageOf(error)}`);
    else this.endAs('unknown', `The connection was lost: ${messageOf(error)}`);
  }

  endAs(kind: 'permanent' | 'transient' | 'unknown', detail: string): void {
    this.#end({ kind, detail, latencyMs: performance.now() - this.#startedAt });
  }

  #giveUp(): void {
    const { timeoutMs } = this.#limits;
    if (this.#head !== undefined) this.#endAnswered({ isBrokenOff: true });
    else if (this.#controller === undefined)
      this.endAs('transient', `It could not be reached in ${timeoutMs} ms.`);
    else this.endAs('unknown', `It was not answered within ${timeoutMs} ms.`);
    this.#controller?.abort(new Error('The time for the answer is over.'));
  }

  /** A status that has come is the answer, even if the rest does not. */
  #endAnswered({ isBrokenOff }: { readonly isBrokenOff: boolean }): void {
    if (this.#head === undefined) return;
    const body = Buffer.concat(this.#chunks);
    const answer: EgressAnswer = { ...this.#head, body, isCut: this.#received > body.length, isBrokenOff };
    this.#end(outcomeOfAnswer(answer, { now: Date.now(), latencyMs: performance.now() - this.#startedAt }));
  }

  #end(outcome: EgressOutcome): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.#resolve(outcome);
  }
}

type Headers = Record<string, string | string[] | undefined>;

function flat(headers: Headers): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
