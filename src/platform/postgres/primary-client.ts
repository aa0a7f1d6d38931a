/**
 * A connection to the server that takes writes, or none. Behind a failover a name may lead to a standby for some seconds; who
 * connected there would stay for as long as that server lives, renew no lease and read what is old, while every look finds
 * the database reachable. The server says what it is as the connection opens (`in_hot_standby`, PostgreSQL 14).
 */
import { callbackify } from 'node:util';
import pg from 'pg';
import { asFault, DatabaseFault, isTransient, READ_ONLY } from './faults.ts';

type Connected = (error: Error) => void;

export class PrimaryClient extends pg.Client {
  #isStandby = false;

  constructor(config?: pg.ClientConfig) {
    super(config);
    this.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'in_hot_standby') this.#isStandby = parameterValue === 'on';
    });
  }

  // As `pg` has it: its pool hands over a callback.
  override connect(): Promise<this>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<this> | void {
    if (callback === undefined) return this.#connect();
    callbackify(() => this.#connect())(callback);
  }

  async #connect(): Promise<this> {
    await super.connect().catch(refused);
    if (!this.#isStandby) return this;
    void this.end(); // without waiting: it may be gone before it hears that
    throw new DatabaseFault('the server is a standby: it takes no writes', {
      transient: true,
      state: READ_ONLY,
      cause: undefined,
    });
  }
}

/**
 * Whatever a server says to who connects is about the server, and is mended there: a password that was changed, a database
 * that is being put back. It says nothing of what the connection was wanted for, which waits, as it does for one that is away.
 */
function refused(error: unknown): never {
  const fault = asFault(error);
  if (!(fault instanceof DatabaseFault) || isTransient(fault)) throw fault;
  throw new DatabaseFault(fault.message, { transient: true, state: undefined, cause: error });
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}
