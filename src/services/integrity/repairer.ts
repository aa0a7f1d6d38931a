/**
 * Repairs what has a rule, ten findings a second at most, each at most three times; then a person is asked (P5, U14).
 *
 * RP1: an attempt is counted before it is made, in a commit of its own: whoever dies in the middle has used it up.
 * RP2: before every attempt, and after the last, it is looked for again: what is gone needs no repair.
 * RP3: a repair changes nothing where nothing is wrong, so it may be made again (U3).
 * RP4: while an order is pending nothing is ordered again, and no attempt is used up: a group that does not run is a lag.
 */
import { assertNever } from '#kernel/fault.ts';
import { newId, type RedeliveryId } from '#kernel/ids.ts';
import {
  type AbandonedEvent,
  type GroupedEvent,
  requestRedeliveries,
} from '#platform/dead-letters/redelivery.ts';
import type { LogEvent } from '#platform/log/event.ts';
import type { Transaction } from '#platform/postgres/session.ts';
import { ATTEMPTS_MAX, type StoredFinding } from './finding.ts';
import type { FindingDesk } from './finding-desk.ts';
import type { Proof, RepairOutcome } from './proof-port.ts';
import { type Repair, ruleOf } from './repair-rules.ts';
import {
  settleAttempted,
  settleDeferred,
  settleGone,
  settleParked,
  settleRepaired,
} from './settle-finding.ts';
import type { StageSweeper } from './stage-sweeper.ts';
import { ordersFor } from './unanswered-stages.ts';

/** What is put right here, and not by an order to a group. */
type Restoring = Exclude<Repair, { way: 'redeliver' | 'ask_again' }>;

const LOGS_DOUBTED = 'Something of a log may be gone, so nothing is made of what the logs say.';

export interface RepairerOptions {
  readonly desk: FindingDesk;
  readonly stages: Pick<StageSweeper, 'missingOf' | 'waitingOf' | 'abandonedOf' | 'orderedOf'>;
  readonly proof: Proof;
  readonly onError: (error: unknown) => void;
}

export class Repairer {
  readonly #options: RepairerOptions;

  constructor(options: RepairerOptions) {
    this.#options = options;
  }

  /** One finding; whether one was due. */
  async repairDue(): Promise<boolean> {
    // RP1
    const finding = await this.#options.desk.claimDue();
    if (finding === undefined) return false;
    await this.#repair(finding).catch((error: unknown) => this.#failed(finding, error));
    return true;
  }

  #repair(finding: StoredFinding): Promise<void> {
    const { repair } = ruleOf(finding.kind);
    if (repair === undefined) return this.#park(finding, 'No rule repairs this any more.');
    if (repair.way === 'redeliver') return this.#redeliver(finding);
    if (repair.way === 'ask_again') return this.#askAgain(finding);
    return this.#restore(finding, repair);
  }

  async #askAgain(finding: StoredFinding): Promise<void> {
    const { desk, stages, proof } = this.#options;
    if (await desk.isLogInDoubt()) return this.#park(finding, LOGS_DOUBTED);
    const asks = await proof.lostAsks(finding);
    // RP2
    if (asks.outcome === 'sound') return desk.settle(finding, (now, at) => settleGone(now, asks.detail, at));
    if (asks.outcome === 'refused') return this.#park(finding, asks.detail);
    // RP4
    if ((await stages.orderedOf(asks.events)).length > 0) return desk.settle(finding, settleDeferred);
    if (isSpent(finding)) return this.#park(finding, NOT_HELPED);
    await this.#order(finding, asks.events);
  }

  async #redeliver(finding: StoredFinding): Promise<void> {
    const { desk, stages } = this.#options;
    const missing = await stages.missingOf(finding.subject);
    // RP2
    if (missing.length === 0) {
      await desk.settle(finding, (now, at) => settleGone(now, 'Every stage that was due has answered.', at));
      return;
    }
    // RP4
    if ((await stages.orderedOf(missing.flatMap(ordersFor))).length > 0)
      return desk.settle(finding, settleDeferred);
    if (isSpent(finding)) return this.#park(finding, NOT_HELPED);
    const waiting = await stages.waitingOf(missing);
    if (waiting.length > 0) {
      const letter = waiting[0]?.deadLetter ?? 'one that is being worked off';
      return this.#park(finding, `It waits behind the dead letter ${letter}.`);
    }
    const abandoned = await stages.abandonedOf(missing);
    const due = missing.filter(({ event }) => !abandoned.some((each) => isAt(each, event)));
    if (due.length === 0)
      return this.#park(finding, `A person decided so: ${abandoned.map(nameOf).join('; ')}.`);
    await this.#order(finding, due.flatMap(ordersFor));
  }

  /** The orders and the note of them are one commit. */
  #order(finding: StoredFinding, events: readonly GroupedEvent[]): Promise<void> {
    const orders = events.map((event) => ({
      ...event,
      id: newId('rdl') satisfies RedeliveryId,
      reason: `${finding.kind} of ${finding.subject}`,
      requestedBy: 'integrity',
    }));
    const what = orders
      .map(
        ({ id, group, topic, partition, position }) => `${id}: ${topic}/${partition}/${position} to ${group}`,
      )
      .join('; ');
    return this.#options.desk.settle(
      finding,
      (now) => settleAttempted(now, `Ordered to be delivered again: ${what}`),
      (tx: Transaction) => requestRedeliveries(tx, orders),
    );
  }

  async #restore(finding: StoredFinding, repair: Restoring): Promise<void> {
    const { desk } = this.#options;
    if (isSpent(finding)) return this.#park(finding, NOT_HELPED);
    if (await desk.isLogInDoubt()) return this.#park(finding, LOGS_DOUBTED);
    const { outcome, detail } = await this.#run(finding, repair);
    switch (outcome) {
      case 'corrected':
        return desk.settle(finding, (now, at) => settleRepaired(now, detail, at));
      case 'sound':
        return desk.settle(finding, (now, at) => settleGone(now, detail, at));
      case 'refused':
        return this.#park(finding, detail);
      case 'failed':
        if (finding.attempts >= ATTEMPTS_MAX) return this.#park(finding, `${NOT_HELPED} ${detail}`);
        return desk.settle(finding, (now) => settleAttempted(now, detail));
      default:
        return assertNever(outcome);
    }
  }

  #run(finding: StoredFinding, repair: Restoring): Promise<RepairOutcome> {
    const { proof } = this.#options;
    switch (repair.way) {
      case 'rebuild':
        return proof.rebuild(repair.model, finding);
      case 'restore_hold':
        return proof.restoreHold(finding);
      case 'wake':
        return proof.wakeAttempts(finding);
      case 'recount':
        return proof.recount(finding);
      case 'recompute_balance':
        return proof.recomputeBalance(accountOf(finding));
      default:
        return assertNever(repair);
    }
  }

  #park(finding: StoredFinding, reason: string): Promise<void> {
    return this.#options.desk.settle(finding, (now) => settleParked(now, reason));
  }

  /** The world failed, not the repair: it is tried again as long as attempts are left. */
  async #failed(finding: StoredFinding, error: unknown): Promise<void> {
    this.#options.onError(error);
    if (isSpent(finding))
      await this.#park(finding, 'The repair could not be carried out; the log of the process says why.');
  }
}

function isAt(place: GroupedEvent, { topic, partition, position }: LogEvent): boolean {
  return place.topic === topic && place.partition === partition && place.position === position;
}

function nameOf({ group, topic, partition, position, deadLetter }: AbandonedEvent): string {
  return `${group} passes over ${topic}/${partition}/${position} with the dead letter ${deadLetter}`;
}

const NOT_HELPED = `It is there still, after ${ATTEMPTS_MAX} attempts.`;

/** The attempt that is counted is one more than may be made (RP1). */
function isSpent({ attempts }: StoredFinding): boolean {
  return attempts > ATTEMPTS_MAX;
}

/** `acme/wallet`; neither has a slash. */
function accountOf({ subject }: StoredFinding): { readonly tenant: string; readonly id: string } {
  const [tenant = '', id = ''] = subject.split('/');
  return { tenant, id };
}
