/** What takes orders about dead letters and executes them, as a process has it, for a test that makes its parts itself. */
import type { Clock } from '#kernel/clock.ts';
import { CommandWorker } from '#platform/batch/command-worker.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { DecidedAnswers } from '#platform/batch/decided-answers.ts';
import type { BatchObserver } from '#platform/batch/observer.ts';
import { DeadLetterCommands } from '#platform/dead-letters/dead-letter-commands.ts';
import type { DeadLetterOrder } from '#platform/dead-letters/dead-letter-orders.ts';
import type { GivenUpWork } from '#platform/dead-letters/given-up.ts';
import { DeadLetterReads } from '#platform/dead-letters/reads.ts';
import { Redeliverer } from '#platform/dead-letters/redeliverer.ts';
import { Returns } from '#platform/dead-letters/returns.ts';
import { registerDeadLetterRoutes } from '#platform/dead-letters/routes.ts';
import type { HttpApp } from '#platform/http/http-app.ts';
import { IdempotencyStore } from '#platform/idempotency/idempotency.ts';
import { EventContracts } from '#platform/log/event-contracts.ts';
import type { EventLog } from '#platform/log/event-log.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import type { Session } from '#platform/postgres/session.ts';
import { keyReusedOf, renderAnswer } from '../src/problems.ts';
import { contractsOf, TOPOLOGY } from '../src/topology.ts';

export interface DeadLetterDeskOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly random: () => number;
  readonly batchMax: number;
  readonly observer: BatchObserver;
  readonly reader: Reader;
  readonly openSession: (name: string) => Session;
  readonly onError: (error: unknown) => void;
}

export class DeadLetterDesk {
  readonly #options: DeadLetterDeskOptions;
  readonly #redeliverer: Redeliverer;
  readonly #returns: Returns;
  readonly #commands: Pick<CommandWorker<DeadLetterOrder, unknown, unknown>, 'start' | 'stop' | 'submit'>;
  readonly #decided: DecidedAnswers;
  readonly #works: GivenUpWork[] = [];

  constructor(options: DeadLetterDeskOptions) {
    const { openSession, reader } = options;
    this.#options = options;
    this.#redeliverer = new Redeliverer({ ...options, session: openSession('redeliverer') });
    const onOrdered = (): void => this.#redeliverer.wake();
    this.#returns = new Returns({ ...options, session: openSession('returns'), onOrdered });
    const keys = { idempotency: new IdempotencyStore('log'), keyReused: keyReusedOf('dead_letters') };
    this.#decided = new DecidedAnswers({ ...keys, session: openSession('dead_letters.decided') });
    this.#commands = new CommandWorker({
      ...options,
      name: 'dead_letters',
      topic: 'log',
      session: openSession('dead_letters'),
      handler: new DeadLetterCommands({
        renderProblem: renderAnswer,
        reader,
        topics: TOPOLOGY.topics,
        contracts: new EventContracts(contractsOf),
      }),
      ...keys,
      delayMs: () => 0,
    });
  }

  serve<Loaded, Plan extends ConsumerPlan>(consumer: Consumer<Loaded, Plan>, work: GivenUpWork): void {
    this.#works.push(work);
    this.#redeliverer.serve(consumer);
    this.#redeliverer.serveGivenUp(work);
  }

  own(group: string, partitions: readonly number[]): void {
    this.#redeliverer.own(group, partitions);
  }

  note(destination: string, isDelivered: boolean): void {
    this.#returns.note(destination, isDelivered);
  }

  registerRoutes(app: HttpApp): void {
    registerDeadLetterRoutes(app, {
      commands: this.#commands,
      findDecided: (command) => this.#decided.find(command),
      reads: new DeadLetterReads(this.#options.reader),
      works: this.#works,
      onOrdered: () => this.#redeliverer.wake(),
    });
  }

  start(): void {
    this.#commands.start();
    this.#redeliverer.start();
    this.#returns.start();
  }

  async stop(): Promise<void> {
    await this.#commands.stop();
    await this.#returns.stop();
    await this.#redeliverer.stop();
  }
}
