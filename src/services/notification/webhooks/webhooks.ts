/** Outbound webhooks, put together: the consumer that queues, the sender, what records, replays, and the API. */
import type { Clock } from '#kernel/clock.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { GroupCommit } from '#platform/batch/group-commit.ts';
import type { AskedOnce } from '#platform/batch/kept-answers.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import type { Egress } from '#platform/egress/egress.ts';
import type { EgressOutcome } from '#platform/egress/outcome.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Vault } from '#platform/vault/vault.ts';
import { AnswerDesk } from './answer-desk.ts';
import type { Claim } from './claim-store.ts';
import { DeliveryReads } from './delivery-reads.ts';
import { registerDeliveryRoutes } from './delivery-routes.ts';
import { registerEndpointRoutes } from './endpoint-routes.ts';
import { EndpointDesk } from './endpoint-store.ts';
import { webhookConsumer } from './fan-out.ts';
import { isAway } from './letters/bury-exhausted.ts';
import { WebhookLetters } from './letters/webhook-letters.ts';
import { type Answered, recordAnswers } from './record.ts';
import { Replays } from './replays.ts';
import { destinationOf } from './request.ts';
import { Retention } from './retention.ts';
import { WebhookSecrets } from './secrets.ts';
import { Sender } from './sender.ts';
import { Subscribers } from './subscribers.ts';

/** More than a commit of outcomes takes; what waits for it are turns of the same subject only. */
const RECORD_PACE_MS = 15;

export interface WebhooksOptions {
  readonly log: EventLog;
  /** For what somebody asks for. */
  readonly session: Session;
  readonly openSession: (name: string) => Session;
  readonly reader: Reader;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  /** How long deliveries are kept. */
  readonly retentionMs: number;
  readonly observer: BatchObserver;
  readonly vault: Vault;
  readonly egress: Egress;
  /** Renders the refusal of an idempotency key that was used with another body. */
  readonly keyReused: AskedOnce['keyReused'];
  readonly onAttempt: (claim: Claim, outcome: EgressOutcome) => void;
  /** For what waits for the return of a destination. */
  readonly noteDestination: (destination: string, isDelivered: boolean) => void;
  readonly onError: (error: unknown) => void;
}

export class Webhooks {
  readonly consumer: Consumer<unknown, ConsumerPlan>;
  readonly letters: WebhookLetters;
  readonly #options: WebhooksOptions;
  readonly #subscribers: Subscribers;
  readonly #secrets: WebhookSecrets;
  readonly #records: GroupCommit<Answered, undefined>;
  readonly #sender: Sender;
  readonly #replays: Replays;
  readonly #answers: AnswerDesk;
  readonly #retention: Retention;

  constructor(options: WebhooksOptions) {
    this.#options = options;
    const { openSession, clock } = options;
    const onQueued = (endpointKeys: Iterable<bigint>): void => this.#sender.wake(endpointKeys);
    this.#subscribers = new Subscribers(options);
    this.#secrets = new WebhookSecrets(options);
    this.#records = new GroupCommit({
      ...options,
      name: 'webhooks.records',
      session: openSession('webhooks.records'),
      paceMs: RECORD_PACE_MS,
      delayMs: () => 0,
      apply: (tx, answered) =>
        recordAnswers(tx, answered, {
          partitions: options.log.partitions,
          now: clock.now(),
          random: options.random,
          observer: options.observer,
          onDue: onQueued,
        }),
    });
    this.#sender = new Sender({
      ...options,
      session: openSession('webhooks.sender'),
      secrets: this.#secrets,
      record: (answered) => this.#records.submit(answered),
      onAttempt: (claim, outcome) => this.#noteAttempt(claim, outcome),
    });
    this.#replays = new Replays({ ...options, session: openSession('webhooks.replays'), onQueued });
    this.letters = new WebhookLetters({ reader: options.reader, onQueued });
    this.#answers = new AnswerDesk(options);
    this.#retention = new Retention({ ...options, session: openSession('webhooks.retention') });
    this.consumer = webhookConsumer({ ...options, subscribers: this.#subscribers, sender: this.#sender });
  }

  get underWay(): number {
    return this.#sender.underWay;
  }

  async start(): Promise<void> {
    await this.#subscribers.start();
    this.#records.start();
    this.#sender.start();
    this.#replays.start();
    this.#retention.chore.start();
  }

  /** What is on its way is waited for, for a moment. */
  async stop(): Promise<void> {
    await this.#subscribers.stop();
    await this.#replays.stop();
    await this.#retention.chore.stop();
    await this.#sender.stop();
    await this.#options.egress.close();
    await this.#records.stop();
  }

  registerRoutes(app: HttpApp): void {
    const { reader, egress, clock, keyReused } = this.#options;
    const onQueued = (endpointKeys: Iterable<bigint>): void => this.#sender.wake(endpointKeys);
    const shared = { endpoints: new EndpointDesk(reader), answers: this.#answers, keyReused };
    registerEndpointRoutes(app, {
      ...shared,
      secrets: this.#secrets,
      egress,
      subscribers: this.#subscribers,
      clock,
      onEnabled: onQueued,
    });
    const reads = new DeliveryReads(reader);
    registerDeliveryRoutes(app, { ...shared, reads, replays: this.#replays, onQueued });
  }

  #noteAttempt(claim: Claim, outcome: EgressOutcome): void {
    const { onAttempt, noteDestination } = this.#options;
    onAttempt(claim, outcome);
    const destination = destinationOf(claim.endpoint.key);
    if (outcome.kind === 'delivered') noteDestination(destination, true);
    else if (isAway(outcome)) noteDestination(destination, false);
  }
}
