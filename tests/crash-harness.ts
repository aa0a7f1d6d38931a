/**
 * A process that runs the real workers and kills itself with SIGKILL at a named moment of a batch (U4). The moments are
 * found by wrapping the transaction from the outside: the program knows nothing of them.
 *
 * Arguments: the owner's url, `worker:moment` or `none`, and the numbers of the payments to ask for, `from` and `to`; then
 * `poison` if some events cannot be handled. What is done about dead letters counts as workers of its own: `dead-lettering`,
 * `replay`, `working off`.
 * A payment's idempotency key is a function of its number, so that whoever asks again asks for the same. Every answer
 * is a line on standard output, written before anything else happens; `settled` is the last one.
 */
import { writeSync } from 'node:fs';
import { type Statement, Transaction } from '#platform/postgres/session.ts';
import { Engine, startEngine } from './engine.ts';

/** Where in a batch, in the order of a batch. */
export const CRASH_MOMENTS = [
  /** Nothing has been sent. */
  'before the fence',
  /** Locks are held, nothing is written. */
  'after the load',
  /** Everything is written and executed, the commit is not sent. */
  'before the commit',
  /** The commit is on its way, its answer is not here: it may have happened or not. */
  'during the commit',
  /** Nobody has been told: no event published, no request answered. */
  'after the commit',
] as const;
export type CrashMoment = (typeof CRASH_MOMENTS)[number];

/** Payments asked for at once; several rounds make several batches. */
const ROUND = 10;
/** The first batch to die in: something of this process is committed, and more is under way. One without an effect is survived. */
const FATAL_BATCH = 2;
/**
 * Before the last rounds every worker passes what there is: on a slow machine one batch would take the payments of all
 * rounds, and there would be none to die in.
 */
const ROUNDS_AFTER_FIRST_BATCH = 2;

const FENCE = 'log.lock_positions';
/** By the statement that tells them from others. */
const DEAD_LETTER_WORKERS: Readonly<Record<string, string>> = {
  'log.count_parked': 'dead-lettering',
  'log.load_order': 'replay',
  'log.next_parked_events': 'working off',
};

/** Which worker's batch a transaction is, once its first statement tells. */
const workers = new WeakMap<Transaction, string>();
const begun = new Map<string, number>();

function crashAt(worker: string, moment: CrashMoment): void {
  // Called with the transaction they were taken from.
  // oxlint-disable-next-line typescript/unbound-method
  const { run, query, commit } = Transaction.prototype;
  const isFatal = (tx: Transaction, at: CrashMoment): boolean =>
    at === moment && workers.get(tx) === worker && (begun.get(worker) ?? 0) >= FATAL_BATCH;

  Transaction.prototype.run = function (statement, values) {
    noteBatch(this, statement, values);
    if (isFatal(this, 'before the fence') && statement.name === FENCE) die();
    if (isFatal(this, 'after the load') && statement.name !== FENCE) die();
    run.call(this, statement, values);
  };
  Transaction.prototype.query = function <R>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    noteBatch(this, statement, values);
    if (isFatal(this, 'before the fence') && statement.name.endsWith('.idempotency_select')) die();
    if (isFatal(this, 'after the load') && statement.name.endsWith('.append')) die();
    return query.call(this, statement, values) as Promise<R[]>;
  };
  Transaction.prototype.commit = async function () {
    if (isFatal(this, 'before the commit')) {
      await query.call(this, { name: 'tests.flush', text: 'select' }, []);
      die();
    }
    const committed = commit.call(this);
    if (isFatal(this, 'during the commit')) setImmediate(die);
    await committed;
    if (isFatal(this, 'after the commit')) die();
  };
}

function noteBatch(tx: Transaction, { name }: Statement, values: readonly unknown[]): void {
  const worker = workerBeginning(name, values);
  if (worker === undefined) return;
  workers.set(tx, worker);
  begun.set(worker, (begun.get(worker) ?? 0) + 1);
}

function workerBeginning(name: string, values: readonly unknown[]): string | undefined {
  if (name === 'payments.idempotency_select') return 'intake';
  const aboutDeadLetters = DEAD_LETTER_WORKERS[name];
  if (aboutDeadLetters !== undefined) return aboutDeadLetters;
  if (name !== FENCE) return undefined;
  const groups = textsOf(values[0] as Buffer);
  return new Set(groups).size > 1 ? 'straight-through' : groups[0];
}

/** The elements of a text array as it is sent (arrays.ts). */
function textsOf(array: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 20; at < array.length; ) {
    const bytes = array.readInt32BE(at);
    texts.push(array.toString('utf8', at + 4, at + 4 + bytes));
    at += 4 + bytes;
  }
  return texts;
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('killed');
}

/** Every tenth is declined and every tenth rejected; every tenth has a reference. */
async function pay(engine: Engine, number: number): Promise<void> {
  const idempotencyKey = `payment-${number}`;
  const order = { amount: number + 1 };
  const kind = number % 10;
  const { answer } = await engine.submit(
    kind === 7
      ? { amount: 1_000_000_000 }
      : kind === 8
        ? { ...order, service_id: 'nobody' }
        : kind === 9
          ? { ...order, reference: idempotencyKey }
          : order,
    { idempotencyKey },
  );
  const { id } = JSON.parse(answer.body) as { id: string };
  writeSync(1, `${answer.status} ${number} ${id}\n`);
}

/** Integrity alone waits for sagas that came back in part (10 s); who dies elsewhere need not. */
function settledUpTo(engine: Engine, worker: string | undefined): Promise<void> {
  return worker === 'integrity' ? engine.settled() : engine.settledBut('integrity');
}

async function main([
  url = '',
  death = 'none',
  from = '0',
  to = '0',
  poison,
]: readonly string[]): Promise<void> {
  const [worker, moment] = death.split(':');
  if (worker !== undefined && moment !== undefined) crashAt(worker, moment as CrashMoment);
  const engine = await startEngine(url, {
    straightThrough: worker === 'straight-through',
    poison: poison === 'poison',
  });
  if (worker === 'straight-through') {
    // What the one before left between the stages is the stages' to finish.
    await settledUpTo(engine, worker);
    await engine.passing();
  }
  for (let first = Number(from); first < Number(to); first += ROUND) {
    const isTimeToPass = first === Number(to) - ROUNDS_AFTER_FIRST_BATCH * ROUND;
    if (moment !== undefined && isTimeToPass) await settledUpTo(engine, worker);
    const round = Array.from({ length: Math.min(ROUND, Number(to) - first) }, (_, index) => first + index);
    await Promise.all(round.map((number) => pay(engine, number)));
  }
  await engine.ordersExecuted();
  await engine.settled();
  await engine.close();
  writeSync(1, 'settled\n');
}

await main(process.argv.slice(2));
