/**
 * The one sender of requests whose target a tenant has named.
 *
 * E1: outside the sandbox nothing leaves but over TLS, verified, to an address of the public Internet; the connection is made
 *     to an address that was judged, never to what the name resolves to later.
 * E2: a redirection is an answer like any other; it is never followed.
 * E3: what is under way to one destination is bounded, and its failures stop calls to it alone.
 * E4: whether a request that failed can have arrived is told by whether it had begun to leave.
 * E5: a name whose servers do not answer keeps no other name waiting.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { Destination } from './destination.ts';
import { exchange } from './exchange.ts';
import type { EgressOutcome } from './outcome.ts';
import { AddressRefused, judgedAddresses, pinnedConnector } from './pinned-connector.ts';
import { bareHost, type Reach, refusalOfUrl } from './reachable.ts';
import { type Resolve, resolveByDns, resolveBySystem } from './resolve-name.ts';

/** Less than the 5 s after which Node's servers close an idle connection: a request on one that closes just then is in doubt. */
const KEEP_ALIVE_MS = 3000;
/** What a person needs to see of an answer. */
const ANSWER_KEPT_BYTES = 1024;
/** A few at once are what one receiver takes well; more destinations, not more of one, make the rate. */
const UNDER_WAY_PER_DESTINATION = 16;
/**
 * Destinations whose past is remembered, beside those that have something under way: some 20 MB. Beyond it those are forgotten
 * that have nothing against them; if these are few, also some that are not called for a while, and will be called a few times more.
 */
const DESTINATIONS_MAX = 10_000;
/** Of those, at least so many in one go: a look at all of them serves as many new ones. */
const FORGOTTEN_PART = 0.1;

/**
 * Sets of connections. For each request undici looks through all that there are to its host, those that hang before those that
 * are free: a thousand in one set cost more than the request.
 */
const AGENTS = 8;
/** Of one destination in one set; what is more goes to the next. So one with little to do keeps few connections open. */
const UNDER_WAY_PER_AGENT = 16;

/** Whoever names a target waits no longer for its name. */
const RESOLVED_WITHIN_MS = 2000;

export interface EgressRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Of all of it, connecting included. */
  readonly timeoutMs: number;
  /** How much of the answer is kept; a kilobyte. */
  readonly maxAnswerBytes?: number;
  /** Whose breaker and limit it falls under: an endpoint's or a connector's id; else the URL's origin. */
  readonly destination?: string;
}

export interface EgressOptions {
  readonly reach: Reach;
  readonly resolve?: Resolve;
  /** Requests to one destination under way at once. */
  readonly perDestination?: number;
  /** Destinations that are remembered. */
  readonly destinationsMax?: number;
}

export class Egress {
  readonly #reach: Reach;
  readonly #resolve: Resolve;
  readonly #limit: number;
  readonly #destinationsMax: number;
  readonly #agents: readonly Agent[];
  #made = 0;
  readonly #destinations = new Map<string, Destination>();
  readonly #onBack = new Set<(destination: string) => void>();

  constructor({
    reach,
    resolve = reach === 'public' ? resolveByDns() : resolveBySystem, // E5
    perDestination = UNDER_WAY_PER_DESTINATION,
    destinationsMax = DESTINATIONS_MAX,
  }: EgressOptions) {
    this.#reach = reach;
    this.#resolve = resolve;
    this.#limit = perDestination;
    this.#destinationsMax = destinationsMax;
    const options = {
      connect: pinnedConnector(reach, resolve), // E1
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      // Each request has a time of its own for all of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.#agents = Array.from({ length: AGENTS }, () => new Agent(options));
  }

  /** Never rejects for what is outside: whatever happens is an outcome. */
  async send(request: EgressRequest): Promise<EgressOutcome> {
    const refusal = refusalOfUrl(request.url, this.#reach);
    if (refusal !== undefined) return { kind: 'permanent', detail: refusal, latencyMs: 0 };
    const { origin, pathname, search } = new URL(request.url);
    const { method, headers, body = null, timeoutMs, maxAnswerBytes = ANSWER_KEPT_BYTES } = request;
    const destination = this.#destination(request.destination ?? origin);
    return destination.call(() =>
      exchange(
        this.#agentFor(destination),
        { origin, path: pathname + search, method, headers: { ...headers }, body },
        { timeoutMs, maxAnswerBytes },
      ),
    );
  }

  /** How many requests to a destination would be let through now. */
  room(destination: string): number {
    return this.#destinations.get(destination)?.room ?? this.#limit;
  }

  /** Why a URL cannot be a target, its name resolved; a name that does not resolve now may do so later, and is judged then. */
  async refusalOf(url: string): Promise<string | undefined> {
    const refusal = refusalOfUrl(url, this.#reach);
    if (refusal !== undefined) return refusal;
    const judged = judgedAddresses(bareHost(new URL(url).hostname), {
      reach: this.#reach,
      resolve: this.#resolve,
    });
    try {
      await Promise.race([judged, delay(RESOLVED_WITHIN_MS, undefined, { ref: false })]);
    } catch (error) {
      if (error instanceof AddressRefused) return 'Its address is not one of the public Internet.';
    }
    return undefined;
  }

  /** Told of each destination that answers again after its calls were stopped. */
  onBack(listener: (destination: string) => void): void {
    this.#onBack.add(listener);
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }

  #agentFor({ number, underWay }: Destination): Agent {
    const place = number + Math.floor(underWay / UNDER_WAY_PER_AGENT);
    return this.#agents[place % AGENTS] as Agent;
  }

  #destination(name: string): Destination {
    const known = this.#destinations.get(name);
    if (known !== undefined) return known;
    if (this.#destinations.size >= this.#destinationsMax) this.#makeRoom();
    const destination = new Destination({
      number: this.#made++,
      limit: this.#limit,
      onBack: () => {
        for (const listener of this.#onBack) listener(name);
      },
    });
    this.#destinations.set(name, destination);
    return destination;
  }

  /** Those that were made first are forgotten first. */
  #makeRoom(): void {
    const resting = [...this.#destinations].filter(([, { underWay }]) => underWay === 0);
    const idle = resting.filter(([, { isIdle }]) => isIdle);
    const stopped = resting.filter(([, { isIdle }]) => !isIdle);
    const least = Math.ceil(this.#destinationsMax * FORGOTTEN_PART);
    const forgotten = [...idle, ...stopped.slice(0, Math.max(0, least - idle.length))];
    for (const [name] of forgotten) this.#destinations.delete(name);
  }
}
