/**
 * A connection to the server that takes writes, or none. Behind a failover a name may lead to a standby for some seconds; who
 * connected there would stay for as long as that server lives, renew no lease and read what is old, while every look finds
 * the database reachable. The server says what it is as the connection opens (`in_hot_standby`, PostgreSQL 14).
 */
import { callbackify } from 'node:util';
import pg from 'pg';
import { DatabaseFault, READ_ONLY } from './faults.ts';

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
    await super.connect();
    if (!this.#isStandby) return this;
    void this.end(); // without waiting: it may be gone before it hears that
    throw new DatabaseFault('the server is a standby: it takes no writes', {
      transient: true,
      state: READ_ONLY,
      cause: undefined,
    });
  }
}

interface ParameterStatus {
  readonly parameterName: string;
  readonly parameterValue: string;
}
