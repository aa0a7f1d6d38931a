/**
 * Injects the planned faults: those of one target one after the other, those of different targets at the same time. It ends
 * when everything that was broken is whole again. It draws nothing: the plan has said all.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultKind, Target } from '../plan/fault-kinds.ts';
import type { PlannedFault } from '../plan/fault-plan.ts';
import { Program, until } from '../product/program.ts';
import type { Provider } from '../product/provider.ts';
import type { Stand } from '../product/stand.ts';
import type { FaultyWire } from '../proxy/faulty-wire.ts';

export interface InjectionReport {
  began(fault: PlannedFault): void;
  /** The world is as it should be again, as far as this fault goes; what was hurt may still be recovering. */
  ended(fault: PlannedFault): void;
  /** Something that the product should have done, or not have done. */
  failed(what: string): void;
}

/** What was hurt is hurt again at the earliest after so long: a fault is to meet something that works. */
const BREATH_MS = 1500;
/** A server repeats at most what was written since its last checkpoint. */
const SERVER_BACK_WITHIN_MS = 60_000;
/** As a supervisor does it, when the program ends because there is no database to start on. */
const START_AGAIN_MS = 300;
const STARTED_WITHIN_MS = 90_000;

export class Injector {
  readonly #stand: Stand;
  readonly #report: InjectionReport;

  constructor(stand: Stand, report: InjectionReport) {
    this.#stand = stand;
    this.#report = report;
  }

  async run(plan: readonly PlannedFault[]): Promise<void> {
    const startedAt = performance.now();
    const byTarget = Map.groupBy(plan, ({ target }) => target);
    await Promise.all(
      [...byTarget.values()].map(async (faults) => {
        for (const fault of faults) {
          await delay(Math.max(0, startedAt + fault.atMs - performance.now()));
          await this.#inject(fault);
          await delay(BREATH_MS);
        }
      }),
    );
    await Promise.all(this.#stand.providers.map((provider) => provider.behave()));
  }

  async #inject(fault: PlannedFault): Promise<void> {
    const ended = (): void => this.#report.ended(fault);
    try {
      if (fault.target === 'postgres') await this.#untilServerIsThere();
      this.#report.began(fault);
      await this.#befall(fault, ended);
    } catch (error) {
      this.#report.failed(`fault ${fault.number}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #befall(fault: PlannedFault, ended: () => void): Promise<void> {
    const { action, target, lastsMs } = fault;
    switch (action.kind) {
      case 'process-kill':
      case 'keeper-kill':
      case 'provider-kill':
        return this.#kill(this.#program(target), lastsMs, ended);
      case 'process-end':
        return this.#end(this.#program(target), lastsMs, ended);
      case 'process-pause':
      case 'process-blink':
      case 'provider-pause':
        return pause(this.#program(target), lastsMs, ended);
      case 'postgres-kill':
        return this.#stopServer('SIGKILL', ended);
      case 'postgres-immediate':
        return this.#stopServer('SIGQUIT', ended);
      case 'session-kill':
        return this.#killSession(fault.number, ended);
      case 'disk-full':
        await this.#stand.disk.fill(action.share, lastsMs);
        break;
      case 'redelivery':
        await this.#deliverAgain(action.group, action.events);
        break;
      case 'provider-misbehaves':
        await this.#provider(target).misbehave(action.misbehaviour, lastsMs);
        break;
      case 'wire-cut':
        this.#wire(target).cut();
        break;
      case 'wire-slow':
        this.#wire(target).slow(action.delayMs);
        break;
      case 'wire-stall':
        this.#wire(target).stall();
        break;
      case 'wire-lost-answers':
        this.#wire(target).loseAnswers();
        break;
    }
    await delay(lastsMs);
    if (isOfWires(action.kind)) this.#wire(target).restore();
    ended();
  }

  async #kill(program: Program, downMs: number, ended: () => void): Promise<void> {
    await program.kill();
    await delay(downMs);
    await this.#startAgain(program, ended);
  }

  /** What it has in flight it finishes, if what else goes on lets it. */
  async #end(program: Program, downMs: number, ended: () => void): Promise<void> {
    await program.end();
    await delay(downMs);
    await this.#startAgain(program, ended);
  }

  async #startAgain(program: Program, spawned: () => void): Promise<void> {
    program.spawn();
    spawned();
    for (const endsAt = performance.now() + STARTED_WITHIN_MS; ; await delay(START_AGAIN_MS)) {
      const isStarted = await program.untilReady().then(
        () => true,
        () => false,
      );
      if (isStarted) return;
      if (performance.now() > endsAt) throw new Error(`${program.name} does not start any more`);
      if (!program.isRunning) program.spawn();
    }
  }

  /** The last fault may have stopped it. */
  async #untilServerIsThere(): Promise<void> {
    const { postgres } = this.#stand;
    if (!(await until(() => postgres.findPid() !== undefined, SERVER_BACK_WITHIN_MS)))
      throw new Error('PostgreSQL is not there to be stopped');
  }

  async #stopServer(signal: NodeJS.Signals, ended: () => void): Promise<void> {
    const { postgres } = this.#stand;
    const pid = postgres.findPid();
    if (pid !== undefined) process.kill(pid, signal);
    ended();
    const isBack = () => ![undefined, pid].includes(postgres.findPid());
    if (!(await until(isBack, SERVER_BACK_WITHIN_MS))) throw new Error('PostgreSQL was not started again');
  }

  /** Its end is the end of all: the server ends every session, and recovers as after a crash. */
  async #killSession(number: number, ended: () => void): Promise<void> {
    const sessions = await this.#stand.postgres.query<{ pid: number }>(
      `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`,
    );
    const session = sessions[number % Math.max(1, sessions.length)];
    if (session !== undefined) killIfThere(session.pid);
    ended();
  }

  /** Whoever works on the group meets the fence, and reads its positions anew. */
  async #deliverAgain(group: string, events: number): Promise<void> {
    await this.#stand.postgres.query(
      `update log.positions set position = greatest(0, position - $2), turn = turn + 1 where consumer_group = $1`,
      [group, events],
    );
  }

  #program(target: Target): Program {
    const { a, b, keeper, alfa, beta } = this.#stand;
    const programs: Partial<Record<Target, Program>> = {
      'process-a': a,
      'process-b': b,
      keeper,
      alfa: alfa.program,
      beta: beta.program,
    };
    return found(programs[target], target);
  }

  #provider(target: Target): Provider {
    return found(
      this.#stand.providers.find(({ name }) => name === target),
      target,
    );
  }

  #wire(target: Target): FaultyWire {
    const { a, b, alfa, beta, callbacks } = this.#stand.wires;
    const wires: Partial<Record<Target, FaultyWire>> = {
      'wire-a': a,
      'wire-b': b,
      'wire-alfa': alfa,
      'wire-beta': beta,
      'wire-callbacks': callbacks,
    };
    return found(wires[target], target);
  }
}

function isOfWires(kind: FaultKind): boolean {
  return kind.startsWith('wire-');
}

async function pause(program: Program, forMs: number, ended: () => void): Promise<void> {
  program.signal('SIGSTOP');
  await delay(forMs);
  program.signal('SIGCONT');
  ended();
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // it has ended
  }
}

function found<T>(part: T | undefined, target: Target): T {
  if (part === undefined) throw new Error(`nothing of the kind is called ${target}`);
  return part;
}
