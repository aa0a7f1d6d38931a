/**
 * A client as clients are: it knows the addresses of two processes, gives each answer its time, and asks again under the
 * same key, of the other one, until it is answered. Every try and every answer is in the history.
 */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { HistoryFile } from '../history/history.ts';
import type { Answer, Order } from './order.ts';
import { OrderBook } from './order-book.ts';

/** As many as are on their way at most, and some that hang. */
const MAX_SOCKETS = 512;
const ANSWER_TIMEOUT_MS = 4000;
const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1000;
/** Nobody is away for so long; what is not answered then is asked again at the end. */
const GIVE_UP_MS = 60_000;
/** The most that a list gives at a time. */
const PAGE = 500;

export class HttpCaller {
  readonly orders = new OrderBook();
  readonly #history: HistoryFile;
  readonly #apiKey: string;
  readonly #urls: readonly string[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  #turn = 0;
  #acknowledged = 0;

  constructor(options: { history: HistoryFile; apiKey: string; urls: readonly string[] }) {
    this.#history = options.history;
    this.#apiKey = options.apiKey;
    this.#urls = options.urls;
  }

  /** Requests that were accepted: answered by a 2xx. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The answer for good, a refusal too; undefined if nobody gave one in a long time. `via`: whom to ask first. */
  async order(order: Order, via?: number): Promise<Answer | undefined> {
    return this.#untilAnswered(via, (url) => this.try(order, url));
  }

  async look(path: string, via?: number): Promise<Answer | undefined> {
    return this.#untilAnswered(via, (url) => this.#look(path, url));
  }

  /** The members of a document, or of a list's `data`; undefined if there is none. */
  async read<T>(path: string): Promise<T | undefined> {
    const answer = await this.look(path);
    return answer?.status === 200 ? (JSON.parse(answer.body) as T) : undefined;
  }

  /** Every page of a list. */
  async list<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const separator = path.includes('?') ? '&' : '?';
      const page: { data: T[]; next_cursor: string | null } | undefined = await this.read(
        `${path}${separator}limit=${PAGE}${cursor === '' ? '' : `&cursor=${cursor}`}`,
      );
      if (page === undefined) throw new Error(`${path} was not answered`);
      found.push(...page.data);
      cursor = page.next_cursor;
    }
    return found;
  }

  /** One try; undefined if it was not answered, or not by what is decided. `timeoutMs`: after it the connection is dropped. */
  async try(order: Order, url: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<Answer | undefined> {
    const { operation, key, path, body, headers } = order;
    this.orders.asked(order);
    const call = this.#history.nextCall();
    this.#history.note({ type: 'asked', call, operation, key, path, body });
    const answer = await this.#send({ method: 'POST', url: `${url}${path}`, key, body, headers, timeoutMs });
    if (typeof answer === 'string') {
      this.orders.unanswered(order);
      this.#history.note({ type: 'unanswered', call, why: answer });
      return undefined;
    }
    this.#history.note({ type: 'answered', call, ...answer });
    if (answer.status < 300) this.#acknowledged += 1;
    if (isForLater(answer.status)) return undefined;
    this.orders.decided(order, answer);
    return answer;
  }

  nextUrl(): string {
    this.#turn += 1;
    return this.urlOf(this.#turn);
  }

  urlOf(turn: number): string {
    return this.#urls[turn % this.#urls.length] ?? '';
  }

  close(): void {
    this.#agent.destroy();
  }

  async #look(path: string, url: string): Promise<Answer | undefined> {
    const call = this.#history.nextCall();
    this.#history.note({ type: 'looked', call, path });
    const answer = await this.#send({ method: 'GET', url: `${url}${path}`, timeoutMs: ANSWER_TIMEOUT_MS });
    if (typeof answer === 'string') return undefined;
    this.#history.note({ type: 'saw', call, ...answer });
    return isForLater(answer.status) ? undefined : answer;
  }

  async #untilAnswered(
    via: number | undefined,
    ask: (url: string) => Promise<Answer | undefined>,
  ): Promise<Answer | undefined> {
    const givingUpAt = performance.now() + GIVE_UP_MS;
    let turn = via ?? this.#turn++;
    for (
      let waitMs = FIRST_WAIT_MS;
      performance.now() < givingUpAt;
      waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)
    ) {
      const answer = await ask(this.urlOf(turn));
      if (answer !== undefined) return answer;
      turn += 1;
      await delay(waitMs);
    }
    return undefined;
  }

  /** What went wrong, as a text, if no answer came as a whole. */
  #send(sent: {
    readonly method: string;
    readonly url: string;
    readonly key?: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly timeoutMs: number;
  }): Promise<Answer | string> {
    const { method, url, key, body, timeoutMs } = sent;
    const headers = {
      ...sent.headers,
      authorization: `Bearer ${this.#apiKey}`,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    return new Promise((resolve) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const outgoing = request(url, { method, headers, agent: this.#agent, signal }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', (error) => resolve(error.message));
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
        );
      });
      outgoing.on('error', (error) => resolve(error.message));
      outgoing.end(body);
    });
  }
}

/** Not decided: the same request may be answered otherwise later. Whether a 500 is allowed is the checker's to say. */
function isForLater(status: number): boolean {
  return status === 429 || status >= 500;
}
