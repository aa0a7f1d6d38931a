/**
 * What a tenant is told of what an event failed with. PostgreSQL's messages may quote rows, also of other tenants, whose
 * events were in the batch or whose rows were in the way; the words stay in the log and in the table. An error of our own
 * code says what its author wrote.
 */
const SQLSTATE = /^[0-9A-Z]{5}$/;

export function toldFailure({ code, text }: { readonly code: string; readonly text: string }): string {
  if (SQLSTATE.test(code))
    return `The database refused what would follow from the event, with SQLSTATE ${code}. The log of the process has its words.`;
  if (code === 'connection') return 'The connection to the database was lost.';
  return text;
}

/** An action's detail is told if it names events; that of a failure is its words, and is told by the dead letter. */
export function toldDetail({ action, detail }: { readonly action: string; readonly detail: string | null }) {
  return action === 'passed_behind' ? detail : null;
}
