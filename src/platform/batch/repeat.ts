/** The two loops that a worker of a service's own needs: its turns, and a step that has to succeed. */

export async function repeatWhile(hasMore: () => boolean, turn: () => Promise<void>): Promise<void> {
  while (hasMore()) await turn();
}

/** Again after every failure, of which `onFailure` hears with their number; it gives up by throwing. */
export async function untilDone<Value>(
  attempt: () => Promise<Value>,
  onFailure: (error: unknown, failures: number) => Promise<void>,
): Promise<Value> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      await onFailure(error, failures);
    }
  }
}
