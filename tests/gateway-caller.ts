/** A client of processes that come and go: what gets no answer is asked again under the same key, of whoever is there. */
import { setTimeout as delay } from 'node:timers/promises';
import { type HttpAnswer, type HttpRequest, http } from './lastro-process.ts';

const ASK_AGAIN_MS = 50;
const ANSWER_TIMEOUT_MS = 3000;
/** Nobody is away for longer. */
const ANSWERED_WITHIN_MS = 90_000;

export class GatewayCaller {
  readonly #urls: () => readonly string[];
  #asked = 0;

  /** `urls`: of the processes that take requests now. */
  constructor(urls: () => readonly string[]) {
    this.#urls = urls;
  }

  /** The answer for good, a refusal too. */
  post(path: string, body: unknown, key: string): Promise<HttpAnswer> {
    return this.#untilAnswered(path, { body, headers: { 'idempotency-key': key } });
  }

  get(path: string): Promise<HttpAnswer> {
    return this.#untilAnswered(path, {});
  }

  /** The members of a document, or of a list's `data`. */
  async read<T>(path: string): Promise<T> {
    const answer = await this.get(path);
    if (answer.status !== 200) throw new Error(`GET ${path} answered ${answer.status} ${answer.text}`);
    const document = answer.json();
    return (document['data'] ?? document) as T;
  }

  async #untilAnswered(path: string, request: HttpRequest): Promise<HttpAnswer> {
    for (const startedAt = performance.now(); ; await delay(ASK_AGAIN_MS)) {
      const answer = await this.#ask(path, request).catch(() => undefined);
      if (answer !== undefined && answer.status < 500) return answer;
      if (answer !== undefined && answer.status !== 503)
        throw new Error(`${path} answered ${answer.status} ${answer.text}`);
      if (performance.now() - startedAt > ANSWERED_WITHIN_MS)
        throw new Error(`${path} was not answered: ${answer?.text ?? 'by nobody'}`);
    }
  }

  async #ask(path: string, request: HttpRequest): Promise<HttpAnswer> {
    const urls = this.#urls();
    const url = urls[this.#asked++ % urls.length];
    if (url === undefined) throw new Error('nobody takes requests');
    return http(`${url}${path}`, { timeoutMs: ANSWER_TIMEOUT_MS, ...request });
  }
}
