/**
 * What was decided under an idempotency key before, told without a batch: for requests that a worker does not take in
 * just now. A request that is still on its way through one is not seen here; its copy is refused like anything new.
 *
 * Q1: it reads on a connection of its own, one round trip at a time; what is asked meanwhile is asked together by the
 *     next. So however many are refused, refusing them takes little from the work that they were refused for.
 */
import {
  type Answer,
  type IdempotencyStore,
  keyDigest,
  type StoredAnswer,
} from '../idempotency/idempotency.ts';
import type { Session } from '../postgres/session.ts';
import type { Command } from './command.ts';
import { type CommandOutcome, replayOf } from './command-worker.ts';

export interface DecidedAnswersOptions {
  readonly idempotency: IdempotencyStore;
  readonly session: Session;
  /** Renders the refusal of a key that was used with another body. */
  readonly keyReused: (pointers: readonly string[]) => Answer;
}

export class DecidedAnswers {
  readonly #options: DecidedAnswersOptions;
  #wanted = new Set<string>();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<Map<string, StoredAnswer>> | undefined;

  constructor(options: DecidedAnswersOptions) {
    this.#options = options;
  }

  /** The outcome that a batch would find for the command, undefined if its key was not used yet or it has none. */
  async find(command: Command): Promise<CommandOutcome | undefined> {
    const { tenant, operation, idempotencyKey: key } = command;
    if (key === undefined) return undefined;
    const digest = keyDigest({ tenant, operation, key });
    const stored = (await this.#lookUp(digest)).get(digest);
    if (stored === undefined) return undefined;
    return replayOf(stored, JSON.stringify(command.body), this.#options.keyReused);
  }

  #lookUp(digest: string): Promise<Map<string, StoredAnswer>> {
    this.#wanted.add(digest);
    this.#next ??= this.#running.then(() => this.#read()); // Q1
    return this.#next;
  }

  #read(): Promise<Map<string, StoredAnswer>> {
    const { idempotency, session } = this.#options;
    const digests = [...this.#wanted];
    this.#wanted.clear();
    this.#next = undefined;
    const found = idempotency.find(session, digests);
    const ended = (): void => undefined;
    this.#running = found.then(ended, ended); // who asked hears of the failure
    return found;
  }
}
