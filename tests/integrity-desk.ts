/**
 * What the integrity service does beside following the logs, turn by turn: a test says when it audits, sweeps and repairs,
 * and how late it is. The parts are the real ones.
 */
import { EventLog } from '#platform/log/event-log.ts';
import { Session } from '#platform/postgres/session.ts';
import { UNPACED } from '#proof/lane.ts';
import { AuditQueue } from '#services/integrity/audit-queue.ts';
import { AuditRunner } from '#services/integrity/audit-runner.ts';
import { CardJudge } from '#services/integrity/card-judge.ts';
import { FindingDesk } from '#services/integrity/finding-desk.ts';
import { FindingReads } from '#services/integrity/finding-reads.ts';
import type { Proof } from '#services/integrity/proof-port.ts';
import { Repairer } from '#services/integrity/repairer.ts';
import { StageSweeper } from '#services/integrity/stage-sweeper.ts';
import { integrityProof } from '../src/integrity-proof.ts';
import { keyReusedOf } from '../src/problems.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { PARTITIONS } from './engine.ts';
import { ask } from './redelivery.ts';

export interface SeenFinding {
  readonly id: string;
  readonly tenant: string;
  readonly kind: string;
  readonly subject: string;
  readonly state: string;
  readonly attempts: number;
  readonly seen: number;
  readonly reason: string | null;
}

/** Longer than an event is left alone, and than what is suspected is. */
const SETTLED_MS = 2500;
/** Longer than any pause between attempts. */
const PAUSE_MS = 60_000;

export class IntegrityDesk {
  readonly desk: FindingDesk;
  readonly stages: StageSweeper;
  readonly audits: AuditQueue;
  readonly runner: AuditRunner;
  readonly repairer: Repairer;
  readonly reads: FindingReads;
  readonly cards: CardJudge;
  readonly keyReused = keyReusedOf('integrity');
  /** What could not be done, and why. */
  readonly errors: unknown[] = [];
  readonly #url: string;
  readonly #log: EventLog;
  readonly #proof: Proof & { close(): Promise<void> };
  readonly #sessions: Session[] = [];
  #lateMs = 0;

  private constructor(url: string, log: EventLog, proof: Proof & { close(): Promise<void> }) {
    this.#url = url;
    this.#log = log;
    this.#proof = proof;
    const clock = { now: () => Date.now() + this.#lateMs };
    const observer = { opened: () => undefined, settled: () => undefined };
    const onError = (error: unknown): void => void this.errors.push(error);
    const desk = new FindingDesk({ session: this.#session('findings'), log, clock, observer });
    this.desk = desk;
    this.stages = new StageSweeper({ session: this.#session('stages'), desk, clock });
    const session = this.#session('audits');
    this.audits = new AuditQueue(session);
    this.runner = new AuditRunner({
      session,
      queue: this.audits,
      desk,
      proof,
      clock,
      restMs: 0,
      isOwner: () => true,
      onError,
    });
    this.cards = new CardJudge({ session: this.#session('cards'), desk, proof });
    this.repairer = new Repairer({ desk, stages: this.stages, proof, onError });
    const query = async <Row>(text: string, values: readonly unknown[]): Promise<Row[]> =>
      session.query<Row>({ name: '', text }, values);
    this.reads = new FindingReads({ query });
  }

  /** `proof` in the place of the real one, or of a part of it. */
  static async open(url: string, proof: Partial<Proof> = {}): Promise<IntegrityDesk> {
    const heads = new Session({ url, name: 'heads' });
    const log = await EventLog.open({
      session: heads,
      topics: TOPOLOGY.topics,
      partitions: PARTITIONS,
      onError: () => undefined,
    });
    const real = integrityProof(url, { background: UNPACED, asked: UNPACED, cards: UNPACED });
    const desk = new IntegrityDesk(url, log, { ...real, ...proof });
    desk.#sessions.push(heads);
    return desk;
  }

  /** The cards' log, as far as the holders were told. */
  async judgeCards(): Promise<void> {
    while (await this.cards.judge());
  }

  /** One pass over everything. */
  audit(): Promise<void> {
    return this.runner.run();
  }

  /** Two rounds, so long apart that what is missing is missing still. */
  async sweep(): Promise<void> {
    for (const _ of ['suspected', 'confirmed']) {
      this.#lateMs += SETTLED_MS;
      while (!(await this.stages.sweep()));
    }
  }

  /** Everything that is due now. */
  async repair(): Promise<void> {
    while (await this.repairer.repairDue());
  }

  /** Until no repair is due any more, however late. */
  async repairAll(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) {
      await this.repair();
      this.#lateMs += PAUSE_MS;
    }
  }

  async findings(): Promise<SeenFinding[]> {
    const rows = await ask(
      this.#url,
      `select id, tenant, kind, subject, state, attempts, seen::integer, reason from integrity.findings order by id`,
    );
    return rows as unknown as SeenFinding[];
  }

  /** `kind of subject: state`. */
  async states(): Promise<string[]> {
    const findings = await this.findings();
    return findings.map(({ kind, subject, state }) => `${kind} of ${subject}: ${state}`);
  }

  async close(): Promise<void> {
    await this.desk.stop();
    await this.#proof.close();
    await this.#log.close();
    await Promise.all(this.#sessions.map((session) => session.close()));
  }

  #session(name: string): Session {
    const session = new Session({ url: this.#url, name });
    this.#sessions.push(session);
    return session;
  }
}
