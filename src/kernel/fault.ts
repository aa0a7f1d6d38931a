/** The world failed (a connection, a disk, a peer): thrown, with its cause. `transient` says whether trying again can help. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly transient: boolean;

  constructor(message: string, options: { transient: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.transient = options.transient;
  }
}

/** We are wrong: something that the design rules out was seen. Thrown, rolls back, is loud, and is never retried blindly. */
export class InvariantViolation extends Error {
  override readonly name: string = 'InvariantViolation';
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** Ends an exhaustive match: a new member of the union fails to compile here. */
export function assertNever(value: never): never {
  throw new InvariantViolation(`unexpected value: ${JSON.stringify(value)}`);
}
