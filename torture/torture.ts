/** One run: the stand is set up, callers come, faults are injected, everything settles, and the history is judged. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkHistory } from './check/check-history.ts';
import { HistoryFile, readHistory } from './history/history.ts';
import { Injector } from './inject/injector.ts';
import { RecoveryWatch } from './inject/recovery-watch.ts';
import type { TortureOptions } from './options.ts';
import { describeFault, type PlannedFault, planFaults } from './plan/fault-plan.ts';
import type { CommandResult } from './product/lastro-command.ts';
import type { Stand } from './product/stand.ts';
import type { TortureReport } from './report.ts';
import { cardOpenings } from './workload/card-world.ts';
import { Crowd } from './workload/crowd.ts';
import { HttpCaller } from './workload/http-caller.ts';
import type { Order } from './workload/order.ts';
import { Person } from './workload/person.ts';
import { settle } from './workload/settle.ts';
import { fundings, openings } from './workload/world.ts';

const PERSON_LOOKS_EVERY_MS = 2000;

export interface TortureContext {
  readonly stand: Stand;
  readonly options: TortureOptions;
  readonly onProgress: (text: string) => void;
}

export async function torture({ stand, options, onProgress }: TortureContext): Promise<TortureReport> {
  const startedAt = performance.now();
  const run = new Run(stand, options, onProgress);
  const seconds = () => (performance.now() - startedAt) / 1000;
  onProgress('starting PostgreSQL, two processes and two providers');
  await stand.start();
  await run.prepare();
  onProgress(`${options.faults} faults in ${options.seconds} s, seed ${options.seed}`);
  await run.torture();
  await run.settle();
  onProgress('judging');
  const judgement = await checkHistory(readHistory(run.history.path));
  const verified = readVerification(await stand.verify());
  return {
    ...run.summary(),
    options,
    judgement,
    verified,
    seconds: seconds(),
    folder: stand.folder,
  };
}

class Run {
  readonly history: HistoryFile;
  readonly #stand: Stand;
  readonly #options: TortureOptions;
  readonly #onProgress: (text: string) => void;
  readonly #caller: HttpCaller;
  readonly #person: Person;
  readonly #watch: RecoveryWatch;
  readonly #injected: PlannedFault[] = [];
  readonly #failures: string[] = [];

  constructor(stand: Stand, options: TortureOptions, onProgress: (text: string) => void) {
    this.#stand = stand;
    this.#options = options;
    this.#onProgress = onProgress;
    this.history = new HistoryFile(join(stand.folder, 'history.jsonl'));
    this.#caller = new HttpCaller({ history: this.history, apiKey: stand.apiKey, urls: stand.urls });
    this.#person = new Person(this.#caller, stand.providers);
    this.#watch = new RecoveryWatch(this.#caller, (recovery) =>
      this.#note(`recovered ${JSON.stringify(recovery)}`),
    );
  }

  async prepare(): Promise<void> {
    await this.#orderAll(openings());
    await this.#orderAll(cardOpenings());
    await this.#orderAll(fundings());
  }

  /** Ends when the last fault has, everybody has gone and intake is back. */
  async torture(): Promise<void> {
    const { seed, rate } = this.#options;
    const crowd = new Crowd({
      caller: this.#caller,
      seed,
      perSecond: rate,
      fail: (error) => this.#fail(String(error)),
    });
    const ending = new AbortController();
    crowd.start();
    this.#watch.start();
    const looking = this.#lookForPerson(ending.signal);
    await this.#injector().run(planFaults(this.#options));
    await this.#watch.stop();
    ending.abort();
    await looking;
    await crowd.stop();
  }

  async settle(): Promise<void> {
    const { providers } = this.#stand;
    const settling = { caller: this.#caller, person: this.#person, providers, history: this.history };
    await settle({ ...settling, onProgress: this.#onProgress });
    this.history.close();
    this.#caller.close();
  }

  summary() {
    const faults: Record<string, number> = {};
    for (const { action } of this.#injected) faults[action.kind] = (faults[action.kind] ?? 0) + 1;
    return {
      faults,
      recoveries: this.#watch.recoveries,
      acknowledged: this.#caller.acknowledged,
      resolutions: this.#person.said,
      failures: this.#failures,
    };
  }

  #injector(): Injector {
    const startedAt = performance.now();
    return new Injector(this.#stand, {
      began: (fault) => {
        this.#injected.push(fault);
        this.#watch.faultBegan(fault);
        const text = `${this.#injected.length}/${this.#options.faults} ${describeFault(fault)}`;
        appendFileSync(join(this.#stand.folder, 'faults.log'), `${new Date().toISOString()} ${text}\n`);
        this.#onProgress(`${Math.round((performance.now() - startedAt) / 1000)} s  ${text}`);
      },
      ended: (fault) => this.#watch.faultEnded(fault),
      failed: (what) => this.#fail(what),
    });
  }

  /** Now and then, as persons do. A provider may be away for longer than a person waits: at the end nobody is. */
  async #lookForPerson(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#person
        .seeToAll()
        .catch((error: unknown) => this.#note(`nobody was seen to: ${String(error)}`));
      await delay(PERSON_LOOKS_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #orderAll(orders: readonly Order[]): Promise<void> {
    const answers = await Promise.all(orders.map((order) => this.#caller.order(order)));
    for (const [index, answer] of answers.entries())
      if (answer?.status !== 201) throw new Error(`${orders[index]?.key} was answered ${answer?.body}`);
  }

  #note(what: string): void {
    appendFileSync(join(this.#stand.folder, 'faults.log'), `${new Date().toISOString()} ${what}\n`);
  }

  #fail(what: string): void {
    this.#failures.push(what);
    this.#note(what);
  }
}

interface VerifyDocument {
  readonly ok: boolean;
  readonly payments: number;
  readonly checks: readonly {
    readonly name: string;
    readonly findings: readonly {
      readonly kind: string;
      readonly subject: string;
      readonly detail: string;
    }[];
  }[];
}

function readVerification({ status, stdout, stderr }: CommandResult): TortureReport['verified'] {
  const line = stdout.split('\n').findLast((text) => text.startsWith('{'));
  if (line === undefined)
    return { ok: false, payments: 0, findings: [`it ended with ${status}: ${stderr.trim()}`] };
  const { ok, payments, checks } = JSON.parse(line) as VerifyDocument;
  const findings = checks.flatMap((check) =>
    check.findings.map(({ kind, subject, detail }) => `${check.name} ${kind} ${subject} ${detail}`),
  );
  return { ok: ok && status === 0, payments, findings };
}
