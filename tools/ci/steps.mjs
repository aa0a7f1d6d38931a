/** The steps of a run, counted: each as one, the tests among them as many as there are. */

export const totals = { passed: 0, failed: 0 };
/** Said again before the last line: what was written between is long. */
export const faults = [];

function count(name, isPassed, seconds) {
  totals[isPassed ? 'passed' : 'failed'] += 1;
  console.log(`${isPassed ? 'ok    ' : 'FAILED'}  ${name} (${seconds.toFixed(1)} s)`);
}

/** Runs and counts one step; what it returns goes to the next. A step that throws has failed, and is told why. */
export async function step(name, work) {
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  try {
    const result = await work();
    count(name, true, seconds());
    return result;
  } catch (error) {
    console.log(error instanceof Error ? error.message : String(error));
    count(name, false, seconds());
    return undefined;
  }
}

export function ensure(condition, message) {
  if (!condition) throw new Error(message);
}
