/**
 * The program of the process in which tenants' schemas and expressions run, in a thread of it that is watched by this one. It
 * has nothing of the process that has started it, and lives no longer.
 */
import { InvariantViolation } from '#kernel/fault.ts';
import { type Done, unpackJobs, type Work } from './job.ts';
import { Thread } from './thread.ts';

if (process.send === undefined) throw new InvariantViolation('the evaluation is started by another process');
const send = process.send.bind(process);
const thread = new Thread(() => process.exit(1));

process.on('message', (work: Work) => void perform(work));
process.on('disconnect', () => process.exit());
// They are meant for all that a terminal has started: the one that has started this ends it when it needs no more.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
send('ready');

async function perform(work: Work): Promise<void> {
  const done: Done = { id: work.id, results: await thread.perform(unpackJobs(work), work.shareMs) };
  send(done);
}
