/** Resolves after so many milliseconds, at once if there are none. It keeps no process alive. */
export function pause(durationMs: number): Promise<void> {
  if (durationMs <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs).unref();
  });
}
