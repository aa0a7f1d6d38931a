/**
 * Compares everything with the logs, again and again and slowly, and at once where somebody asks for it.
 *
 * AR1: what is found becomes findings while the pass goes on; what a whole pass did not find again is over.
 * AR2: a pass of the background gives way to one that is asked for, and to another process that owns the work now.
 */
import type { Clock } from '#kernel/clock.ts';
import type { Session } from '#platform/postgres/session.ts';
import type { Audit, AuditQueue } from './audit-queue.ts';
import type { FindingDesk } from './finding-desk.ts';
import type { AuditOptions, AuditProgress, AuditScope, Proof, ProofFinding } from './proof-port.ts';
import { sightingsOf } from './sighting-owners.ts';

/** Findings are handed over, and progress is told, so often. */
const TELL_EVERY_MS = 1000;

export interface AuditRunnerOptions {
  readonly session: Session;
  readonly queue: AuditQueue;
  readonly desk: FindingDesk;
  readonly proof: Proof;
  readonly clock: Clock;
  /** From the end of a pass of the background to the beginning of the next one. */
  readonly restMs: number;
  readonly isOwner: () => boolean;
  readonly onError: (error: unknown) => void;
}

interface Pass {
  readonly scope: AuditScope;
  readonly pace: AuditOptions['pace'];
  /** Once a second, with what is known of the progress; false ends the pass. */
  readonly goesOn: (progress: AuditProgress | undefined) => Promise<boolean>;
}

export class AuditRunner {
  readonly #options: AuditRunnerOptions;
  #nextAt = 0;
  #stopping = false;
  #pass: AbortController | undefined;

  constructor(options: AuditRunnerOptions) {
    this.#options = options;
  }

  /** One pass, if one is due. */
  async run(): Promise<void> {
    const { queue, clock } = this.#options;
    const asked = await queue.take();
    if (asked !== undefined) return this.#runAsked(asked);
    if (clock.now() < this.#nextAt) return;
    await this.#runInBackground();
    this.#nextAt = clock.now() + this.#options.restMs;
  }

  /** Ends the pass under way; one that was asked for is begun anew by whoever comes next. */
  stop(): void {
    this.#stopping = true;
    this.#pass?.abort(STOPPED);
  }

  async #runAsked(audit: Audit): Promise<void> {
    const { queue, isOwner } = this.#options;
    const goesOn = async (progress: AuditProgress | undefined): Promise<boolean> => {
      const isOurs = progress === undefined || (await queue.move(audit, progress));
      return isOurs && isOwner();
    };
    try {
      const isWhole = await this.#runPass({ scope: audit.scope, pace: 'asked', goesOn });
      if (isWhole) await queue.end(audit, null);
    } catch (error) {
      await queue.end(audit, 'The audit could not be carried out; the log of the process says why.');
      throw error;
    }
  }

  async #runInBackground(): Promise<void> {
    const { queue, isOwner } = this.#options;
    // AR2
    const goesOn = async (): Promise<boolean> => isOwner() && !(await queue.isWaiting());
    await this.#runPass({ scope: 'everything', pace: 'background', goesOn });
  }

  /** Whether it went through to its end. */
  async #runPass({ scope, pace, goesOn }: Pass): Promise<boolean> {
    const { proof, desk, clock, session } = this.#options;
    const startedAt = clock.now();
    const pass = new AbortController();
    this.#pass = pass;
    let found: ProofFinding[] = [];
    let progress: AuditProgress | undefined;
    const handOver = async (): Promise<void> => {
      const taken = found;
      found = [];
      await desk.open(await sightingsOf(session, taken));
    };
    const telling = this.#everySecond(pass, async () => {
      await handOver();
      if (!(await goesOn(progress))) pass.abort(STOPPED);
    });
    try {
      const { isComplete } = await proof.audit({
        scope,
        pace,
        signal: pass.signal,
        onFound: (finding) => found.push(finding),
        onProgress: (each) => {
          progress = each;
        },
      });
      await telling.end();
      await handOver();
      await goesOn(progress); // told to its end, which lies within the last second
      // AR1
      if (isComplete && scope === 'everything') await desk.closeUnseen(startedAt, UNSEEN);
      return true;
    } catch (error) {
      await telling.end();
      if (pass.signal.aborted && (error === STOPPED || this.#stopping)) return false;
      throw error;
    } finally {
      this.#pass = undefined;
    }
  }

  /** Until the pass is over; a turn that fails ends the pass, which then throws what it failed with. */
  #everySecond(pass: AbortController, turn: () => Promise<void>): { end(): Promise<void> } {
    let last: Promise<void> = Promise.resolve();
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      last = turn()
        .catch((error: unknown) => pass.abort(error))
        .finally(() => {
          isBusy = false;
        });
    }, TELL_EVERY_MS);
    return {
      end: () => {
        clearInterval(timer);
        return last;
      },
    };
  }
}

const STOPPED = new Error('the audit gives way');
const UNSEEN = 'An audit of everything does not find it any more.';
