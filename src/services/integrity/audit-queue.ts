/** Audits that somebody asked for: one at a time over the installation, and what became of each. */
import type { EpochMs } from '#kernel/clock.ts';
import { type AuditId, idOf, newId, uuidOf } from '#kernel/ids.ts';
import { type Session, statement, type Transaction } from '#platform/postgres/session.ts';
import type { AuditProgress, AuditScope } from './proof-port.ts';

export type AuditState = 'queued' | 'running' | 'completed' | 'failed';

export interface Audit {
  readonly id: AuditId;
  readonly scope: AuditScope;
  readonly state: AuditState;
  readonly phase: string | null;
  readonly done: number;
  readonly total: number;
  readonly requestedBy: string;
  readonly requestedAt: EpochMs;
  readonly startedAt: EpochMs | null;
  readonly endedAt: EpochMs | null;
  readonly failure: string | null;
}

/** Who runs one says so every second; after so long without a word it is begun anew by somebody else. */
const STALLED_MS = 15_000;

/** Of an audit `a` that anybody may begin. */
const WAITS = `a.ended_at is null
     and (a.state = 'queued' or a.progress_at < now() - make_interval(secs => ${STALLED_MS / 1000}))`;

const COLUMNS = `a.id, a.scope, a.state, a.phase, a.done, a.total, a.requested_by, a.requested_at, a.started_at, a.ended_at,
   a.failure`;

/** Nothing, if one is under way: of two that are asked for at once the unique index lets one in. */
const ENQUEUE = statement(
  'integrity.enqueue_audit',
  `insert into integrity.audits as a (id, tenant, scope, state, requested_by, requested_at)
   values ($1::uuid, $2, $3, 'queued', $4, now()) on conflict do nothing returning ${COLUMNS}`,
);

/** By primary key. */
const FIND = statement(
  'integrity.find_audit',
  `select ${COLUMNS} from integrity.audits a where a.id = $1::uuid and a.tenant = $2`,
);

/** There is one at most; by its index. Clocks: the database's. */
const TAKE = statement(
  'integrity.take_audit',
  `update integrity.audits a
   set state = 'running', started_at = date_trunc('milliseconds', now()), progress_at = now(), phase = null, done = 0, total = 0
   where ${WAITS}
   returning ${COLUMNS}`,
);

/** One that was left behind, too: a pass of the background, which may take hours, gives way to it. As above. */
const IS_WAITING = statement(
  'integrity.is_audit_waiting',
  `select exists (select from integrity.audits a where ${WAITS}) as waiting`,
);

/** By primary key; nothing, if another process has begun it anew: by when it was begun, to the millisecond. */
const MOVE = statement(
  'integrity.move_audit',
  `update integrity.audits set progress_at = now(), phase = $2, done = $3::bigint, total = $4::bigint
   where id = $1::uuid and ended_at is null and started_at = $5::timestamptz returning 1 as moved`,
);

const END = statement(
  'integrity.end_audit',
  `update integrity.audits set state = $2, ended_at = now(), failure = $3
   where id = $1::uuid and ended_at is null and started_at = $4::timestamptz`,
);

interface AuditRow {
  id: string;
  scope: AuditScope;
  state: AuditState;
  phase: string | null;
  done: bigint;
  total: bigint;
  requested_by: string;
  requested_at: EpochMs;
  started_at: EpochMs | null;
  ended_at: EpochMs | null;
  failure: string | null;
}

export class AuditQueue {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Undefined if one is under way. In a transaction of the caller's, if it has one. */
  async enqueue(
    order: { tenant: string; scope: AuditScope; requestedBy: string },
    at: Transaction | Session = this.#session,
  ): Promise<Audit | undefined> {
    const id = newId('adt');
    const values = [uuidOf(id), order.tenant, order.scope, order.requestedBy];
    const [row] = await at.query<AuditRow>(ENQUEUE, values);
    return row && auditOf(row);
  }

  async find(tenant: string, id: AuditId): Promise<Audit | undefined> {
    const [row] = await this.#session.query<AuditRow>(FIND, [uuidOf(id), tenant]);
    return row && auditOf(row);
  }

  /** The one that waits, or was left behind. */
  async take(): Promise<Audit | undefined> {
    const [row] = await this.#session.query<AuditRow>(TAKE, []);
    return row && auditOf(row);
  }

  async isWaiting(): Promise<boolean> {
    const [row] = await this.#session.query<{ waiting: boolean }>(IS_WAITING, []);
    return row?.waiting === true;
  }

  /** False if another process has begun it anew meanwhile. */
  async move({ id, startedAt }: Audit, { phase, done, total }: AuditProgress): Promise<boolean> {
    const moved = await this.#session.query(MOVE, [uuidOf(id), phase, done, total, new Date(startedAt ?? 0)]);
    return moved.length > 0;
  }

  /** `failure` in words for a person; null if it went through. */
  async end({ id, startedAt }: Audit, failure: string | null): Promise<void> {
    const state = failure === null ? 'completed' : 'failed';
    await this.#session.query(END, [uuidOf(id), state, failure, new Date(startedAt ?? 0)]);
  }
}

function auditOf(row: AuditRow): Audit {
  return {
    id: idOf('adt', row.id),
    scope: row.scope,
    state: row.state,
    phase: row.phase,
    done: Number(row.done),
    total: Number(row.total),
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    failure: row.failure,
  };
}
