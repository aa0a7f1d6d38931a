import { Fault, InvariantViolation } from '#kernel/fault.ts';

/** Raised by `log.lock_positions` (R1), `log.require_firsts` and `consolidation.require_all`: another worker has moved on, of this process or of another; what the batch believed is stale. */
export const FENCED = 'LS001';

/**
 * SQLSTATEs after which the same transaction may succeed: deadlock, serialization, lock not available, timeouts, shutdown,
 * too many connections, disk full, and the fence (after the caches were dropped).
 */
const TRANSIENT_STATES = new Set([
  '25006',
  '25P04',
  '40001',
  '40P01',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
  '25P03',
  '25P02',
  FENCED,
]);
/** SQLSTATE read_only_sql_transaction */
export const READ_ONLY = '25006';
const OVERWHELMED_STATES = new Set(['57014', '55P03', '25P03', '25P04']);
/** Connection exceptions, insufficient resources, system errors outside PostgreSQL. */
const TRANSIENT_CLASSES = new Set(['08', '53', '58']);
/** Data exception, integrity constraint violation: one input of the batch is at fault, not the world (R6). */
const DATA_CLASSES = new Set(['22', '23']);
/** SQLSTATE check_violation */
const CHECK_VIOLATION = '23514';

export class DatabaseFault extends Fault {
  /** SQLSTATE, or undefined when the connection itself failed. */
  readonly state: string | undefined;

  constructor(message: string, options: { transient: boolean; state: string | undefined; cause: unknown }) {
    super(message, options);
    this.state = options.state;
  }

  get fenced(): boolean {
    return this.state === FENCED;
  }

  /** Out of time, memory or connections: a smaller batch may pass where this one did not. */
  get overwhelmed(): boolean {
    return this.state !== undefined && (OVERWHELMED_STATES.has(this.state) || this.state.startsWith('53'));
  }

  /** The session is on a server that takes no writes (any more): after a failover another connection finds the one that does. */
  get readOnly(): boolean {
    return this.state === READ_ONLY;
  }

  get uniqueViolation(): boolean {
    return this.state === '23505';
  }

  /** Whether an input caused it, so that halving the batch isolates the one (R6). */
  get causedByData(): boolean {
    return this.state !== undefined && DATA_CLASSES.has(this.state.slice(0, 2)) && !this.#lacksRange;
  }

  /**
   * A row has no range table to go to: it is not there yet (maintenance.ts), as when the clock was set to another month. The
   * server calls that a check that fails, and names none.
   */
  get #lacksRange(): boolean {
    if (this.state !== CHECK_VIOLATION || !(this.cause instanceof Error)) return false;
    return !('constraint' in this.cause) || this.cause.constraint === undefined;
  }
}

/** What `pg` threw, as a fault of the database or of the connection to it. An error of our own code stays what it is. */
export function asFault(error: unknown): Error {
  if (!(error instanceof Error)) return new InvariantViolation(`not an error was thrown: ${String(error)}`);
  if (error instanceof Fault) return error;
  if (isConnectionLoss(error)) {
    return new DatabaseFault(error.message, { transient: true, state: undefined, cause: error });
  }
  const state = stateOf(error);
  if (state === undefined) return error;
  const transient = TRANSIENT_STATES.has(state) || TRANSIENT_CLASSES.has(state.slice(0, 2));
  return new DatabaseFault(error.message, { transient, state, cause: error });
}

export function isTransient(error: unknown): boolean {
  return error instanceof Fault && error.transient;
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

/** The SQLSTATE of what `pg` threw. */
export function stateOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && SQLSTATE.test(code) ? code : undefined;
}

const CONNECTION_LOSS_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  'ENETUNREACH',
  'ECONNABORTED',
]);
/** `pg` reports a lost connection by these texts, without a code. */
const CONNECTION_LOSS_TEXTS =
  /Connection terminated|Query read timeout|timeout exceeded when trying to connect|not queryable|timeout expired|Client was closed|Connection ended/;

/** What the system was asked for when it had no way to the server, whatever it says: the socket's file of one that is away is missing. */
const WAYS = new Set<unknown>(['connect', 'getaddrinfo']);

function isConnectionLoss(error: Error): boolean {
  const code = 'code' in error ? error.code : undefined;
  return (
    (typeof code === 'string' && CONNECTION_LOSS_CODES.has(code)) ||
    ('syscall' in error && WAYS.has(error.syscall)) ||
    CONNECTION_LOSS_TEXTS.test(error.message)
  );
}
