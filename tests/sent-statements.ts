/** What the workers of a process really send, told from the outside: every prepared statement by name, once. */
import { Session, type Statement, Transaction } from '#platform/postgres/session.ts';

/** Records until `stop`; the statements go where they went before. */
export function recordStatements(): { readonly sent: ReadonlyMap<string, Statement>; stop(): void } {
  const sent = new Map<string, Statement>();
  // Called with the object they were taken from.
  // oxlint-disable typescript/unbound-method
  const { run, query } = Transaction.prototype;
  const { query: queryAlone } = Session.prototype;
  // oxlint-enable typescript/unbound-method
  const note = (statement: Statement): void => void sent.set(statement.name, statement);
  Transaction.prototype.run = function (statement, values) {
    note(statement);
    run.call(this, statement, values);
  };
  Transaction.prototype.query = function <R>(statement: Statement, values: readonly unknown[]) {
    note(statement);
    return query.call(this, statement, values) as Promise<R[]>;
  };
  Session.prototype.query = function <R>(statement: Statement, values: readonly unknown[]) {
    note(statement);
    return queryAlone.call(this, statement, values) as Promise<R[]>;
  };
  const stop = (): void => {
    Object.assign(Transaction.prototype, { run, query });
    Object.assign(Session.prototype, { query: queryAlone });
  };
  return { sent, stop };
}
