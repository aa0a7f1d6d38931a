/**
 * One run: opens the connections, sends by the plan, counts the answers.
 *
 * G1: a connection has one request in flight.
 * G2: in an open loop a latency counts from the time the request was meant for, also when every connection was busy.
 * G3: what is in flight at the end is awaited, for a bounded time; what is not answered then counts as dropped.
 * G4: in an open loop what was owed and never sent is counted, as is what should have waited for its final state and found
 *     every connection that waits held up: the slow are not left out of the figures for being slow.
 * G5: with `maxUnfinished`, no request of a closed loop is sent while so many payments have begun and not finished.
 */

import { CardRequest } from './card-request.ts';
import { CashRequest } from './cash-request.ts';
import { Connection, type ConnectionEvents, type LoadRequest } from './connection.ts';
import { EntryRequest } from './entry-request.ts';
import { IntegrationRequest } from './integration-request.ts';
import type { LoadPlan, LoadResult } from './load-plan.ts';
import { PaymentRequest } from './payment-request.ts';
import { Random } from './random.ts';
import { ReportRequest } from './report-request.ts';
import { OpenSchedule } from './schedule.ts';
import { REFUSALS, Tally } from './tally.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** Seconds that a waiting request gives its payment to end. */
const WAIT_SECONDS = 10;
/** Longer than a request may wait for its final state. */
const LAST_ANSWERS_MS = (WAIT_SECONDS + 5) * 1000;
/** In an open loop every n-th request goes to a waiting connection, if one is free. */
const WAITING_EVERY = 100;
const REFUSED_PAUSE_MS = 100;
/** The status of what was done durably, or read. */
const DONE: Readonly<Record<Exclude<LoadPlan['method'], 'card'>, number>> = {
  balance: 202,
  gateway: 202,
  integration: 202,
  cash: 201,
  entry: 201,
  report: 200,
};
/** The finest that timers have; a latency may contain one. */
const TICK_MS = 1;

export class LoadRun {
  readonly #plan: LoadPlan;
  readonly #tally = new Tally();
  readonly #connections: Connection[] = [];
  readonly #idle: Connection[] = [];
  readonly #idleWaiting: Connection[] = [];
  readonly #schedule: OpenSchedule | undefined;
  readonly #patienceMs: number;
  #onIdle: (() => void) | undefined;
  #fail: (error: Error) => void = () => undefined;
  #running = false;
  #startedAtMs = 0;
  #endsAtMs = 0;
  #sent = 0;
  #sentLateMs = 0;
  #finished = 0;

  /** `patienceMs`: for the last answers, and for the last requests of an open loop. */
  constructor(plan: LoadPlan, { patienceMs = LAST_ANSWERS_MS } = {}) {
    this.#plan = plan;
    this.#patienceMs = patienceMs;
    const { ratePerSecond, durationMs } = plan;
    this.#schedule = ratePerSecond === null ? undefined : new OpenSchedule({ ratePerSecond, durationMs });
  }

  /** Opens every connection. */
  async open(): Promise<void> {
    const random = new Random(this.#plan.seed);
    for (let index = 0; index < this.#plan.connections; index += 1) this.#add(random, 0);
    for (let index = 0; index < this.#plan.waitingConnections; index += 1) this.#add(random, WAIT_SECONDS);
    await this.#untilAllIdle(CONNECT_TIMEOUT_MS);
    if (this.#inFlightOrClosed() > 0) throw new Error(`${this.#inFlightOrClosed()} connections did not open`);
  }

  async run(): Promise<LoadResult> {
    const cpu = process.cpuUsage();
    const elapsedMs = await this.#drive();
    await this.#untilAllIdle(this.#patienceMs); // G3
    for (const connection of this.#connections) if (connection.inFlight) this.#tally.dropped();
    const { user, system } = process.cpuUsage(cpu);
    this.close();
    return {
      elapsedMs,
      ...this.#tally.counted(),
      sentLateMs: this.#sentLateMs,
      unsent: this.#schedule === undefined ? 0 : this.#schedule.total - this.#sent, // G4
      cpuUs: user + system,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  /** Payments of this run that have ended, all together. */
  noteFinished(count: number): void {
    this.#finished = count;
    if (this.#running && this.#schedule === undefined) this.#wakeAll();
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #add(random: Random, waitSeconds: number): Connection {
    const { host, port } = this.#plan;
    const request = this.#request(random, waitSeconds);
    const connection = new Connection({
      host,
      port,
      request,
      events: this.#events(waitSeconds > 0),
    });
    this.#connections.push(connection);
    connection.open();
    return connection;
  }

  #request(random: Random, waitSeconds: number): LoadRequest {
    const { host, port, apiKey, method, wallets, services, connector = '' } = this.#plan;
    const to = { host: `${host}:${port}`, apiKey, random };
    if (method === 'integration') return new IntegrationRequest({ ...to, connector });
    if (method === 'cash') return new CashRequest({ ...to, books: wallets });
    if (method === 'card') return new CardRequest({ ...to, cards: wallets });
    if (method === 'entry') return new EntryRequest({ ...to, wallets, services });
    if (method === 'report') return new ReportRequest({ ...to, wallets });
    return new PaymentRequest({ ...to, method, wallets, services, waitSeconds });
  }

  #events(isWaiting: boolean): ConnectionEvents {
    return {
      answered: isWaiting ? this.#answeredWaiting : this.#answered,
      lost: this.#lost,
      idle: isWaiting ? this.#idleAgainWaiting : this.#idleAgain,
      failed: (error) => this.#fail(error),
    };
  }

  readonly #answered = ({ response }: Connection, intendedAtMs: number): void => {
    const answer = this.#timesOf(intendedAtMs);
    const { method } = this.#plan;
    if (method === 'card') this.#tally.answeredCard(response.status, response.body, answer);
    else this.#tally.answered(response.status, response.body, { ...answer, done: DONE[method] });
  };

  readonly #answeredWaiting = ({ response }: Connection, intendedAtMs: number): void => {
    this.#tally.answeredWaiting(response.status, response.body, this.#timesOf(intendedAtMs));
  };

  #timesOf(intendedAtMs: number): { latencyMs: number; inTime: boolean } {
    return { latencyMs: performance.now() - intendedAtMs, inTime: this.#running };
  }

  readonly #lost = (connection: Connection, outcomeUnknown: boolean): void => {
    if (outcomeUnknown) this.#tally.dropped();
    for (const resting of [this.#idle, this.#idleWaiting]) {
      const at = resting.indexOf(connection);
      if (at >= 0) resting.splice(at, 1);
    }
  };

  readonly #idleAgain = (connection: Connection): void => {
    if (!this.#running) this.#rest(connection, this.#idle);
    else if (this.#schedule === undefined) this.#sendAfterAnswer(connection, this.#idle);
    else {
      this.#idle.push(connection);
      this.#sendDue();
    }
  };

  readonly #idleAgainWaiting = (connection: Connection): void => {
    if (this.#running && this.#schedule === undefined) this.#sendAfterAnswer(connection, this.#idleWaiting);
    else this.#rest(connection, this.#idleWaiting);
  };

  /** The closed loop. A refused caller does not come back at once; without the pause refusals would be the load. */
  #sendAfterAnswer(connection: Connection, resting: Connection[]): void {
    if (REFUSALS.has(connection.response.status)) {
      this.#rest(connection, resting);
      setTimeout(() => this.#resume(connection, resting), REFUSED_PAUSE_MS);
    } else if (this.#mayStillSend() && !this.#isFull()) this.#sendNow(connection);
    else this.#rest(connection, resting);
  }

  #resume(connection: Connection, resting: Connection[]): void {
    const at = resting.indexOf(connection);
    if (at < 0 || !this.#running || !this.#mayStillSend() || this.#isFull()) return;
    resting.splice(at, 1);
    this.#sendNow(connection);
  }

  #rest(connection: Connection, resting: Connection[]): void {
    resting.push(connection);
    this.#onIdle?.();
  }

  /** Sends until the time is over; resolves with the time it took, in ms. */
  #drive(): Promise<number> {
    this.#startedAtMs = performance.now();
    this.#endsAtMs = this.#startedAtMs + this.#plan.durationMs;
    this.#running = true;
    if (this.#schedule === undefined) this.#wakeAll();
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      const timer = setInterval(() => {
        if (this.#mayStillSend()) {
          this.#sendDue();
          return;
        }
        clearInterval(timer);
        this.#running = false;
        resolve(performance.now() - this.#startedAtMs);
      }, TICK_MS);
    });
  }

  /** An open loop sends everything it owes, though the last of it is late; unless it is far too late. */
  #mayStillSend(): boolean {
    if (this.#schedule !== undefined && this.#sent >= this.#schedule.total) return false;
    const { maxRequests } = this.#plan;
    const graceMs = this.#schedule === undefined ? 0 : this.#patienceMs;
    return performance.now() < this.#endsAtMs + graceMs && (maxRequests === null || this.#sent < maxRequests);
  }

  /** Those that wait for completion first: a full run must not keep them from ever measuring it. */
  #wakeAll(): void {
    for (const resting of [this.#idleWaiting, this.#idle]) {
      while (this.#mayStillSend() && !this.#isFull()) {
        const connection = resting.shift();
        if (connection === undefined) break;
        this.#sendNow(connection);
      }
    }
  }

  // G5
  #isFull(): boolean {
    const { maxUnfinished } = this.#plan;
    if (maxUnfinished === null) return false;
    return this.#sent - this.#tally.withoutPayment - this.#finished >= maxUnfinished;
  }

  #sendNow(connection: Connection): void {
    this.#sent += 1;
    connection.send(performance.now());
  }

  #isOwed(): boolean {
    const due = this.#schedule?.dueBy(performance.now() - this.#startedAtMs) ?? 0;
    return this.#sent < due;
  }

  /** Everything that is due and for which a connection is free; the rest goes out as connections come back. */
  #sendDue(): void {
    while (this.#isOwed()) {
      const isSampled = this.#sent % WAITING_EVERY === 0;
      const waiting = isSampled ? this.#idleWaiting.pop() : undefined;
      const connection = waiting ?? this.#idle.pop();
      if (connection === undefined) return;
      if (isSampled && waiting === undefined && this.#plan.waitingConnections > 0) this.#tally.couldNotWait(); // G4
      this.#sendOwed(connection);
    }
  }

  // G2
  #sendOwed(connection: Connection): void {
    const intendedAtMs = this.#startedAtMs + (this.#schedule?.intendedAtMs(this.#sent) ?? 0);
    this.#sentLateMs = Math.max(this.#sentLateMs, performance.now() - intendedAtMs);
    this.#sent += 1;
    connection.send(intendedAtMs);
  }

  #inFlightOrClosed(): number {
    return this.#connections.length - this.#idle.length - this.#idleWaiting.length;
  }

  #untilAllIdle(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      const end = () => {
        clearTimeout(timer);
        this.#onIdle = undefined;
        resolve();
      };
      const timer = setTimeout(end, timeoutMs);
      this.#onIdle = () => {
        if (this.#inFlightOrClosed() === 0) end();
      };
      this.#onIdle();
    });
  }
}
