/**
 * A connection to the server that takes writes, or none. Behind a failover a name may lead to a standby for some seconds; who
 * connected there would stay for as long as that server lives, renew no lease and read what is old, while every look finds
 * the database reachable. The server says what it is as the connection opens (`in_hot_standby`, PostgreSQL 14).
 */
import pg from 'pg';
import { asFault, DatabaseFault, isTransient, READ_ONLY } from './faults.ts';

/** Of a goodbye: who does not hear it within this time has vanished, and TCP would wait for it for a quarter of an hour. */
const GOODBYE_MS = 2000;

type Connected = (error: Error | undefined) => void;

export class PrimaryClient extends pg.Client {
  #isStandby = false;

  constructor(config?: pg.ClientConfig) {
    super(config);
    this.connection.on('parameterStatus', ({ parameterName, parameterValue }: ParameterStatus) => {
      if (parameterName === 'in_hot_standby') this.#isStandby = parameterValue === 'on';
    });
  }

  // As `pg` has it: its pool hands over a callback, and listens to what befalls the connection once that is called. So it is
  // called at once: what the server says right behind its welcome would end this process if nobody listened.
  override connect(): Promise<this>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<this> | void {
    if (callback !== undefined) {
      super.connect((error: Error | null | undefined) => callback(this.#objection(error)));
      return;
    }
    return new Promise((resolve, reject) => {
      this.connect((objection) => {
        if (objection === undefined) resolve(this);
        else reject(objection);
      });
    });
  }

  override end(): Promise<void>;
  override end(callback: (error: Error) => void): void;
  override end(callback?: (error: Error) => void): Promise<void> | void {
    const vanished = setTimeout(() => this.connection.stream.destroy(), GOODBYE_MS).unref();
    this.connection.once('end', () => clearTimeout(vanished));
    return callback === undefined ? super.end() : super.end(callback);
  }

  #objection(error: Error | null | undefined): DatabaseFault | undefined {
    if (error !== null && error !== undefined) return refused(error);
    if (!this.#isStandby) return undefined;
    void this.end(); // without waiting: it may be gone before it hears that
    return new DatabaseFault('the server is a standby: it takes no writes', {
      transient: true,
      state: READ_ONLY,
      cause: undefined,
    });
  }
}

/**
 * Whatever a server says to who connects is about the server or the way to it, and is mended there: a password that was changed, a
 * certificate, a database that is being put back. It says nothing of what the connection was wanted for, which waits, as it does
 * for one that is away.
 */
function refused(error: Error): DatabaseFault {
  const fault = asFault(error);
  if (fault instanceof DatabaseFault && isTransient(fault)) return fault;
  return new DatabaseFault(fault.message, { transient: true, state: undefined, cause: error });
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}
