import { statement, type Transaction } from '#platform/postgres/session.ts';

/** Under the integration's lock, by primary key: the undo that has failed makes way for another one. Its tries are in the log. */
export const DROP_UNDO = statement(
  'hub.drop_undo_call',
  `delete from hub.calls where integration = $1 and step = 'undo'`,
);

export function dropUndo(tx: Transaction, uuid: string): void {
  tx.run(DROP_UNDO, [uuid]);
}
