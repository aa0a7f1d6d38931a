/**
 * Sends what is due: takes it from the queue, has it sent, has its outcome recorded, over and over.
 *
 * D1: an attempt is a committed row before its request leaves; what a process that died had taken is due again after its lease.
 * D2: of one lane, a subject at an endpoint, one delivery is under way; the next follows when it is over.
 * D3: an endpoint has a few requests under way and no more, and takes nothing out of the queue while it has no room: those
 *     that hang take nothing from the others but their own few.
 * D4: nothing that is outside is waited for within a transaction.
 * D5: no tenant has all the requests of the process: the answers of its cards may be owed to any number of URLs.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#kernel/clock.ts';
import { backoffMs } from '#platform/batch/backoff.ts';
import { FairPlaces } from '#platform/batch/fair-places.ts';
import { restAfter } from '#platform/batch/pace.ts';
import { repeatWhile } from '#platform/batch/repeat.ts';
import { Signal } from '#platform/batch/signal.ts';
import type { Egress } from '#platform/egress/egress.ts';
import { lastAnswers } from '#platform/egress/last-answers.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import type { Session } from '#platform/postgres/session.ts';
import { type Claim, claimDue, findDueEndpoints, type Room } from './claim-store.ts';
import type { Endpoint } from './endpoint.ts';
import type { Answered } from './record.ts';
import { destinationOf, LEASE_MS, requestOf } from './request.ts';
import type { WebhookSecrets } from './secrets.ts';

/** Its requests, at once. With answers in 20 ms, several hundred deliveries a second. */
const UNDER_WAY_PER_ENDPOINT = 8;
/** All requests of the process: a connection, and a message in memory, each. */
export const UNDER_WAY_MAX = 4096;
/** Endpoints whose tenant is remembered. One that is not is taken for nobody's, until something of it is taken. */
const TENANTS_MAX = 20_000;
/** Deliveries taken by one commit. */
const CLAIM_MAX = 500;
const CLAIM_PACE_MS = 15;
/** What was taken elsewhere and has waited longer for a place is given back: its lease might end before its attempt. */
const TURN_MS = 10_000;
/** What has become due by the clock, or was queued by another process, is looked for so often. */
const LOOK_MS = 500;

type EndpointPlace = Pick<Endpoint, 'key' | 'tenant'>;

export interface SenderOptions {
  readonly session: Session;
  readonly egress: Pick<Egress, 'send' | 'room' | 'onBack'>;
  readonly secrets: Pick<WebhookSecrets, 'find'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly record: (answered: Answered) => Promise<unknown>;
  readonly onAttempt: (claim: Claim, outcome: EgressOutcome) => void;
  readonly onError: (error: unknown) => void;
}

export class Sender {
  readonly #options: SenderOptions;
  readonly #signal = new Signal();
  /** Endpoints that may have something due. */
  readonly #ready = new Set<bigint>();
  readonly #underWay = new Map<bigint, number>();
  // D5
  readonly #places = new FairPlaces(UNDER_WAY_MAX);
  readonly #tenants = new Map<bigint, string>();
  /** Taken elsewhere, without a place yet. */
  readonly #waiting = new Map<bigint, WaitingClaim[]>();
  readonly #sending = new Set<Promise<void>>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #stopping = false;
  /** What is answered from now on is given up by us, and says nothing of the receiver. */
  #isOver = false;
  #running: Promise<void> | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    options.egress.onBack(() => this.#signal.raise());
  }

  start(): void {
    this.#running ??= repeatWhile(
      () => !this.#stopping,
      () => this.#step(),
    );
  }

  /** Something may be due at these endpoints. */
  wake(endpointKeys: Iterable<bigint>): void {
    for (const key of endpointKeys) this.#ready.add(key);
    this.#signal.raise();
  }

  /** How many more of an endpoint would be sent at once, if its tenant has room. */
  readonly roomOf = ({ key, tenant }: EndpointPlace): number => {
    this.#noteTenant(key, tenant);
    return this.#roomAt(key);
  };

  readonly roomOfTenant = (tenant: string): number => this.#places.roomOf(tenant);

  /** What the commit that has queued it has taken too. Without room for it, it waits for a place (D3). */
  take(claims: readonly Claim[]): void {
    const at = performance.now();
    for (const claim of claims) {
      const { key } = claim.endpoint;
      if (this.#stopping) return;
      if ((this.#underWay.get(key) ?? 0) < UNDER_WAY_PER_ENDPOINT) this.#begin(claim);
      else this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), { claim, at }]);
    }
  }

  get underWay(): number {
    return this.#sending.size;
  }

  /** Takes nothing more; waits a moment for what is on its way. What is not answered by then is due again after its lease. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#signal.raise();
    await this.#running;
    await lastAnswers(Promise.all(this.#sending));
    this.#isOver = true;
  }

  async #step(): Promise<void> {
    const startedAt = performance.now();
    try {
      const events = await this.#turn();
      this.#failures = 0;
      if (events === 0) await this.#signal.wait(LOOK_MS);
      else await restAfter({ events, startedAt, paceMs: CLAIM_PACE_MS });
    } catch (error) {
      this.#failures++;
      this.#options.onError(error);
      await delay(backoffMs(this.#failures, this.#options.random));
    }
  }

  async #turn(): Promise<number> {
    if (performance.now() - this.#lookedAt >= LOOK_MS) await this.#look();
    const rooms = this.#rooms();
    if (rooms.length === 0) return 0;
    // What is woken meanwhile has something that is not among what is taken.
    for (const { endpointKey } of rooms) this.#ready.delete(endpointKey);
    const claims = await this.#claim(rooms);
    this.#keepFull(rooms, claims);
    for (const claim of claims) this.#begin(claim);
    return claims.length;
  }

  async #claim(rooms: readonly Room[]): Promise<Claim[]> {
    const { session, clock } = this.#options;
    const now = clock.now();
    try {
      return await claimDue(session, rooms, { now, leaseUntil: now + LEASE_MS }); // D1
    } catch (error) {
      for (const { endpointKey } of rooms) this.#ready.add(endpointKey);
      throw error;
    }
  }

  async #look(): Promise<void> {
    const { session, clock } = this.#options;
    for (const { key, tenant } of await findDueEndpoints(session, clock.now())) {
      this.#noteTenant(key, tenant);
      this.#ready.add(key);
    }
    this.#lookedAt = performance.now();
  }

  // D3, D5
  #rooms(): Room[] {
    let left = Math.min(CLAIM_MAX, this.#places.free);
    const given = new Map<string, number>();
    const rooms: Room[] = [];
    for (const endpointKey of this.#ready) {
      if (left <= 0) break;
      const tenant = this.#tenants.get(endpointKey) ?? '';
      const ofTenant = this.#places.roomOf(tenant) - (given.get(tenant) ?? 0);
      const room = Math.min(left, ofTenant, this.#roomAt(endpointKey));
      if (room <= 0) continue;
      rooms.push({ endpointKey, room });
      given.set(tenant, (given.get(tenant) ?? 0) + room);
      left -= room;
    }
    return rooms;
  }

  // D3
  #roomAt(key: bigint): number {
    if (this.#stopping) return 0;
    const waiting = this.#waiting.get(key)?.length ?? 0;
    const free = UNDER_WAY_PER_ENDPOINT - (this.#underWay.get(key) ?? 0) - waiting;
    return Math.min(free, this.#options.egress.room(destinationOf(key)));
  }

  #noteTenant(key: bigint, tenant: string): void {
    if (this.#tenants.has(key)) return;
    if (this.#tenants.size >= TENANTS_MAX) this.#tenants.clear();
    this.#tenants.set(key, tenant);
  }

  /** Who had as much as there was room for may have more; it goes behind those that have not been asked. */
  #keepFull(rooms: readonly Room[], claims: readonly Claim[]): void {
    const taken = new Map<bigint, number>();
    for (const { endpoint } of claims) taken.set(endpoint.key, (taken.get(endpoint.key) ?? 0) + 1);
    for (const { endpointKey, room } of rooms)
      if ((taken.get(endpointKey) ?? 0) >= room) this.#ready.add(endpointKey);
  }

  #begin(claim: Claim): void {
    const { key, tenant } = claim.endpoint;
    this.#noteTenant(key, tenant);
    this.#places.take(tenant);
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1);
    const sending = this.#deliver(claim)
      .catch(this.#options.onError)
      .finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #deliver(claim: Claim): Promise<void> {
    const outcome = await this.#send(claim)
      .catch((error: unknown) => {
        this.#options.onError(error);
        return NOT_READY;
      })
      .finally(() => this.#release(claim.endpoint));
    if (this.#isOver) return;
    this.#options.onAttempt(claim, outcome);
    await this.#options.record({ claim, outcome });
  }

  async #send(claim: Claim): Promise<EgressOutcome> {
    const { egress, secrets, clock } = this.#options;
    return egress.send(requestOf(claim, await secrets.find(claim.endpoint), clock.now()));
  }

  #release({ key, tenant }: EndpointPlace): void {
    this.#places.giveBack(tenant);
    const left = (this.#underWay.get(key) ?? 1) - 1;
    if (left === 0) this.#underWay.delete(key);
    else this.#underWay.set(key, left);
    const next = this.#nextWaiting(key);
    if (next !== undefined) this.#begin(next);
    else if (this.#ready.has(key)) this.#signal.raise();
  }

  #nextWaiting(key: bigint): Claim | undefined {
    const waiting = this.#stopping ? [] : (this.#waiting.get(key) ?? []);
    const since = performance.now() - TURN_MS;
    const [next, ...others] = waiting.filter(({ at }) => at >= since);
    for (const { claim, at } of waiting) if (at < since) this.#giveBack(claim);
    if (others.length > 0) this.#waiting.set(key, others);
    else this.#waiting.delete(key);
    return next?.claim;
  }

  #giveBack(claim: Claim): void {
    this.#options.record({ claim, outcome: TOO_LATE }).catch(this.#options.onError);
  }
}

/** Nothing has left. */
const NOT_READY: EgressOutcome = {
  kind: 'not_called',
  detail: 'It could not be signed: its secret could not be read.',
  latencyMs: 0,
  retryAfterMs: 2000,
};

const TOO_LATE: EgressOutcome = {
  kind: 'not_called',
  detail: 'It waited too long for its turn.',
  latencyMs: 0,
  retryAfterMs: 0,
};

interface WaitingClaim {
  readonly claim: Claim;
  /** On the clock of `performance`. */
  readonly at: number;
}
