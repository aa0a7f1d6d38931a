/** Where callbacks go. Several addresses may serve: they are tried in turn until one takes the callback. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CallbackTargets {
  /** In the order in which they are tried. */
  list(): readonly string[];
  /** It has taken a callback: the next one is offered to it first. */
  prefer(url: string): void;
}

export function fixedTarget(url: string): CallbackTargets {
  return { list: () => [url], prefer: () => undefined };
}

/** A participant that joins is heard of within this time; a look is a few small files. */
const LOOK_EVERY_MS = 200;

/**
 * The addresses of those who use the provider now: a folder with one file per participant that contains its URL.
 * Files, not requests: they are right whatever state the provider is in, and a provider started again finds them.
 */
export class ParticipantTargets implements CallbackTargets {
  readonly #folder: string;
  readonly #now: () => number;
  #urls: readonly string[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #preferred: string | undefined;

  constructor(folder: string, now: () => number) {
    this.#folder = folder;
    this.#now = now;
  }

  list(): readonly string[] {
    if (this.#now() - this.#lookedAt > LOOK_EVERY_MS) {
      this.#urls = readUrls(this.#folder);
      this.#lookedAt = this.#now();
    }
    return this.#urls.toSorted((one, other) => this.#rank(one) - this.#rank(other));
  }

  prefer(url: string): void {
    this.#preferred = url;
  }

  #rank(url: string): number {
    return url === this.#preferred ? 0 : 1;
  }
}

/** A file that vanishes meanwhile, or has no URL in it, belongs to nobody who is called back. */
function readUrls(folder: string): readonly string[] {
  const urls = names(folder).map((name) => read(join(folder, name)).trim());
  return [...new Set(urls)].filter((url) => isCallbackUrl(url));
}

/** Callbacks are for the same machine: no TLS. */
export function isCallbackUrl(url: string): boolean {
  return URL.parse(url)?.protocol === 'http:';
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // nobody has joined yet
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it has left
  }
}
