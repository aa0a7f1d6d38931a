/**
 * The thread in which tenants' schemas and expressions run. It has nothing of the process: no environment, no connection, no
 * secret. It is killed when one job takes too long or too much memory, so nothing is kept here but what was compiled.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { InvariantViolation } from '#kernel/fault.ts';
import { evaluateJob } from './evaluate-job.ts';
import { type JobResult, type OwnedJob, unpackJobs, type Work } from './job.ts';
import { Shares } from './shares.ts';
import { Stopped } from './stopped.ts';

if (parentPort === null) throw new InvariantViolation('the evaluation runs in a thread');
const port = parentPort;
/** The number of the job that is worked on, from 1: whoever kills the thread knows by it which one was at fault. */
const progress = new Int32Array(workerData as SharedArrayBuffer);

/** What compiles and evaluates is itself compiled when it is first used: that is no tenant's time. */
await evaluateJob({ kind: 'values', source: '["$sum(of.cents)"]', message: '{"of":[{"cents":1}]}' });
await evaluateJob({ kind: 'validate', source: '{"required":["of"]}', message: '{}' });

port.on('message', (work: Work) => void perform(work));

async function perform(work: Work): Promise<void> {
  const { id, shareMs } = work;
  const results: JobResult[] = [];
  const stopped = new Stopped();
  const shares = new Shares(shareMs);
  for (const [index, job] of unpackJobs(work).entries()) {
    Atomics.store(progress, 0, index + 1);
    const known = stopped.resultOf(job) ?? shares.resultOf(job);
    // oxlint-disable-next-line no-await-in-loop -- one at a time is what can be timed
    const result = known ?? (await timed(job, shares));
    if (known === undefined && result.kind === 'overrun') stopped.note(job, result);
    results.push(result);
  }
  port.postMessage({ id, results });
}

/**
 * JSONata works on the items of a list, and on the members of an object, side by side, and where one fails the others go on: a job is over
 * when nothing of it is left to be run. What is left would be taken for the job of whoever is next.
 *
 * A share is counted in the thread's own time: a machine that has much else to do makes no tenant slow.
 */
async function timed(job: OwnedJob, shares: Shares): Promise<JobResult> {
  const startedAt = performance.now();
  const used = process.threadCpuUsage();
  const result = await evaluateJob(job);
  await turn();
  const { user, system } = process.threadCpuUsage(used);
  shares.note(job, (user + system) / 1000);
  return result.kind === 'overrun' ? { ...result, tookMs: performance.now() - startedAt } : result;
}
