/** Makes what delivers dead letters again in this process, and what takes the orders to do so. */
import type { Clock } from '#kernel/clock.ts';
import type { CommandHandler } from '#platform/batch/command.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { DecidedAnswers } from '#platform/batch/decided-answers.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { countDeadLetters } from '#platform/dead-letters/counts.ts';
import { DeadLetterCommands } from '#platform/dead-letters/dead-letter-commands.ts';
import type { DeadLetterOrder } from '#platform/dead-letters/dead-letter-orders.ts';
import type { GivenUpReads, GivenUpWork } from '#platform/dead-letters/given-up.ts';
import { DeadLetterReads } from '#platform/dead-letters/reads.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { Returns } from '#platform/dead-letters/returns.ts';
import type { DeadLetterRoutes } from '#platform/dead-letters/routes.ts';
import type { CommandQueue } from '#platform/http/command-route.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventContracts } from '#platform/log/event-contracts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { ReadPool } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import { observeDeadLetters } from '#platform/telemetry/dead-letter-telemetry.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { keyReusedOf, renderAnswer } from './problems.ts';
import type { Stops } from './stops.ts';
import { contractsOf, TOPOLOGY } from './topology.ts';

export interface SharedWithDeadLetters {
  readonly log: EventLog;
  readonly openSession: (name: string) => Session;
  readonly clock: Clock;
  readonly observer: BatchObserver;
  readonly reads: ReadPool;
  /** Of their own, so that slow lists hold up no count. */
  readonly checks: ReadPool;
  readonly metrics: Metrics;
  readonly stops: Stops;
  readonly commandsOf: <Loaded, Effect>(
    handler: CommandHandler<DeadLetterOrder, Loaded, Effect>,
  ) => CommandQueue<DeadLetterOrder>;
}

export class DeadLetterParts {
  readonly #shared: SharedWithDeadLetters;
  readonly #redeliverer: Redeliverer;
  readonly #returns: Returns;
  readonly #works: GivenUpReads[] = [];

  constructor(shared: SharedWithDeadLetters) {
    const { log, openSession, clock, observer, metrics, checks } = shared;
    this.#shared = shared;
    this.#redeliverer = new Redeliverer({ log, session: openSession('redeliverer'), clock, observer });
    this.#returns = new Returns({
      session: openSession('returns'),
      clock,
      onOrdered: () => this.#redeliverer.wake(),
      onError: (error) => observer.failed('returns', error),
    });
    const groups = TOPOLOGY.groups.map(({ group }) => group);
    observeDeadLetters(metrics, groups, () => countDeadLetters(checks, groups));
  }

  /** When all is there that it works with, so that it is stopped before any of that. */
  start(): void {
    const { stops } = this.#shared;
    stops.add(() => this.#redeliverer.stop());
    this.#redeliverer.start();
    stops.add(() => this.#returns.stop());
    this.#returns.start();
  }

  /** Its dead letters are delivered to it again here. */
  serve<Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>): void {
    this.#redeliverer.serve(consumer);
  }

  /** What it has given up is shown in every process; it is tried again where one runs the service. */
  serveGivenUp(work: GivenUpWork): void {
    this.#works.push(work);
    this.#redeliverer.serveGivenUp(work);
  }

  /** What became of a request to a destination. */
  noteDestination(destination: string, isDelivered: boolean): void {
    this.#returns.note(destination, isDelivered);
  }

  own(group: string, partitions: readonly number[]): void {
    this.#redeliverer.own(group, partitions);
  }

  routes(): DeadLetterRoutes {
    const { reads, commandsOf, openSession } = this.#shared;
    const decided = new DecidedAnswers({
      idempotency: new IdempotencyStore('log'),
      session: openSession('dead_letters.decided'),
      keyReused: keyReusedOf('dead_letters'),
    });
    const handler = new DeadLetterCommands({
      renderProblem: renderAnswer,
      reader: reads,
      topics: TOPOLOGY.topics,
      contracts: new EventContracts(contractsOf),
    });
    return {
      commands: commandsOf(handler),
      findDecided: (command) => decided.find(command),
      reads: new DeadLetterReads(reads),
      works: this.#works,
      onOrdered: () => this.#redeliverer.wake(),
    };
  }
}
