/**
 * Whose return is waited for, and what tells of it: what has left the process, and nothing else. A look-up that nobody had to be
 * asked about says nothing of who answers it.
 */
import type { Call } from '../calls/call.ts';
import type { CallOutcome } from '../calls/decide-call.ts';

export type NoteDestination = (destination: string, isDelivered: boolean) => void;

export type Asked = Pick<Call, 'tenant' | 'connector' | 'destination' | 'step'> & {
  /** Which of the connector's. */
  readonly lookUp?: number | undefined;
};

/** A destination and its undo are two, and so is each look-up. No name within has a slash. */
export function destinationName({ tenant, connector, destination, step, lookUp }: Asked): string {
  const name = `hub/${tenant}/${connector}/${destination}`;
  if (step === 'undo') return `${name}/undo`;
  return lookUp === undefined ? name : `${name}/${lookUp}`;
}

/** What was not called says nothing, and what is refused is no sign of absence. */
export function noteAsked(note: NoteDestination, asked: Asked, kind: CallOutcome['kind']): void {
  if (kind === 'delivered') note(destinationName(asked), true);
  else if (kind === 'transient' || kind === 'unknown') note(destinationName(asked), false);
}
