/**
 * A process that decides one card transaction with the real authorizer and kills or stops itself when its commit is durable
 * and nobody has been told (K5). The moment is found by wrapping the transaction from the outside.
 *
 * Arguments: the owner's url, the signal, the body, the deadline in ms. The answer is a line on standard output.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { systemClock } from '#kernel/clock.ts';
import { newId, uuidOf } from '#kernel/ids.ts';
import { EventLog } from '#platform/log/event-log.ts';
import { Session, type Statement, Transaction } from '#platform/postgres/session.ts';
import { Cards } from '#services/cards/cards.ts';
import { readCardTransaction } from '#services/cards/read-card-transaction.ts';
import { LedgerStore } from '#services/ledger/store.ts';
import { TOPOLOGY } from '../src/topology.ts';
import { TENANT } from './card-fixture.ts';

const PARTITIONS = 4;
const BATCH_MAX = 100;

function signalAfterCommit(signal: NodeJS.Signals): void {
  // Called with the transaction they were taken from.
  // oxlint-disable-next-line typescript/unbound-method
  const { run, commit } = Transaction.prototype;
  const deciding = new WeakSet<Transaction>();
  let isSent = false;
  Transaction.prototype.run = function (statement: Statement, values) {
    if (statement.name === 'ledger.insert_entries') deciding.add(this);
    run.call(this, statement, values);
  };
  Transaction.prototype.commit = async function () {
    await commit.call(this);
    if (isSent || !deciding.has(this)) return;
    isSent = true;
    process.kill(process.pid, signal);
    // Whoever is stopped goes on here.
  };
}

async function main([url = '', signal = '', body = '', deadlineMs = '']: readonly string[]): Promise<void> {
  const session = (name: string): Session => new Session({ url, name });
  const log = await EventLog.open({
    session: session('heads'),
    topics: TOPOLOGY.topics,
    partitions: PARTITIONS,
    onError: () => undefined,
  });
  const cards = new Cards({
    ledger: new LedgerStore(),
    log,
    openSession: session,
    clock: systemClock,
    random: Math.random,
    newUuid: randomUUID,
    batchMax: BATCH_MAX,
    observer: { committed: () => undefined, failed: () => undefined },
    onError: () => undefined,
    onWaited: () => undefined,
  });
  await cards.start();
  signalAfterCommit(signal as NodeJS.Signals);
  const { cardTransaction } = await cards.authorizer.authorize({
    tenant: TENANT,
    uuid: uuidOf(newId('ctx')),
    reading: readCardTransaction(Buffer.from(body), undefined),
    arrivedAt: performance.now(),
    deadlineMs: Number(deadlineMs),
    isGone: () => false,
    correlationId: newId('cor'),
    causation: newId('req'),
    traceparent: null,
  });
  writeSync(1, `${cardTransaction.code} ${cardTransaction.reason ?? 'in time'}\n`);
  process.exit(0);
}

await main(process.argv.slice(2));
