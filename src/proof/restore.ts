/**
 * Makes one thing again what the logs say: how the integrity service repairs what an audit found. Each is a transaction of
 * some milliseconds that keeps out whoever writes the row meanwhile, and is looked at again afterwards.
 *
 * RS1: nothing is made of logs that are in doubt themselves: the subject's events must hash to their batches' roots, and
 *      its saga be without a fault.
 * RS2: what is right already is left alone, and that is said.
 * RS3: nothing that is set aside is freed by what a table lacks: a row that is gone would let money be spent twice.
 * RS4: nothing is made of a row that the logs do not tell: a forged hold holds nothing, a forged posting ends nothing.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { idOf, isId, type PaymentId, type RefundId, uuidOf } from '#kernel/ids.ts';
import type { GroupedEvent } from '#platform/dead-letters/redelivery.ts';
import type { ModelTransaction } from '#platform/log/read-model.ts';
import type { Reader } from '#platform/postgres/read-pool.ts';
import { correctBalance, type LockedBalance, lockBalance, restoreHold } from '#services/ledger/contract.ts';
import { listAttempts, wakeAttempts } from '#services/providers/contract.ts';
import { openAsksOf } from './asked-attempts.ts';
import { cardMoneyOf } from './card-events.ts';
import { entryOf, parseData, type TracedEntry } from './event-data.ts';
import { expectedHold } from './expected-rows.ts';
import { rangeOf, subjectsOf } from './id-ranges.ts';
import { type CheckedFinding, findBrokenBatch, inspect } from './inspect.ts';
import { Lane } from './lane.ts';
import { rebuildSubject, recountRefunds, type SubjectModelName } from './rebuild.ts';
import { readTimelinesOf, SAGA_TOPICS, type SagaTimeline } from './saga-timelines.ts';
import { measureHeldExcess } from './told-holds.ts';
import type { TracedEvent } from './traced-event.ts';

/**
 * `corrected`: it was wrong, and is not any more. `sound`: nothing was wrong. `failed`: it is still wrong. `refused`: to
 * correct it is not for a program.
 */
export interface Restored {
  readonly outcome: 'corrected' | 'sound' | 'failed' | 'refused';
  readonly detail: string;
}

export type LostAsks =
  | { readonly outcome: 'lost'; readonly events: readonly GroupedEvent[] }
  | { readonly outcome: 'sound'; readonly detail: string }
  | { readonly outcome: 'refused'; readonly detail: string };

export interface OwnedSubject {
  readonly tenant: string;
  readonly subject: string;
}

const SOUND: Restored = { outcome: 'sound', detail: 'It is as the logs say.' };

export class Restoration {
  readonly #lane: Lane;

  constructor(url: string) {
    this.#lane = new Lane(url);
  }

  close(): Promise<void> {
    return this.#lane.close();
  }

  /** `kind` is what was found of the subject, and must not be found any more. */
  rebuild(
    model: SubjectModelName,
    { kind, subject }: { readonly kind: string; readonly subject: string },
  ): Promise<Restored> {
    return this.#restore(kind, subject, async (id) => {
      const kindOfId = isId('pay', id) ? 'pay' : 'ref';
      const rows = await rebuildSubject(this.#lane, model, subjectsOf(rangeOf(id), kindOfId));
      return `The ${model} about it were made anew: ${rows} rows were not what the logs say.`;
    });
  }

  /** RS1: judged under the lock of the hold's account, behind which no event about the hold is under way. */
  restoreHold({ kind, subject }: { readonly kind: string; readonly subject: string }): Promise<Restored> {
    return this.#restore(kind, subject, async (id) => {
      await this.#lane.transaction(async (tx) => {
        const placed = await expectedHoldOf(tx, id);
        if (placed === undefined) return;
        await lockBalance(tx, { tenant: String(placed['tenant']), id: String(placed['account_id']) });
        const hold = await expectedHoldOf(tx, id);
        if (hold !== undefined) await restoreHold(tx, hold);
      });
      return "The hold was made what its saga's events say.";
    });
  }

  /** No log tells when something is due: any time that the service itself would set is right. */
  wakeAttempts({ kind, subject }: { readonly kind: string; readonly subject: string }): Promise<Restored> {
    return this.#restore(kind, subject, async (id) => {
      await this.#lane.transaction((tx) => wakeAttempts(tx, id));
      return 'Its attempts under way were made due again.';
    });
  }

  /**
   * What was asked of the providers, and has left neither an attempt nor a word. They know what to do with an ask that comes
   * again; what they have said something about, or has begun a second attempt, is nobody's to ask again.
   */
  async lostAsks({ subject }: { readonly subject: string }): Promise<LostAsks> {
    if (!isId('pay', subject) && !isId('ref', subject)) return notOurs(subject);
    const found = await inspect(this.#lane, subject);
    if (!found.some(({ kind }) => kind === 'missing_attempt'))
      return { outcome: 'sound', detail: SOUND.detail };
    const doubt = await this.#doubtAbout(subject, found);
    if (doubt !== undefined) return refused(doubt);
    const kind = isId('pay', subject) ? 'pay' : 'ref';
    const [timelines, attempts] = await Promise.all([
      readTimelinesOf(this.#lane, [subject], SAGA_TOPICS),
      listAttempts(this.#lane, [subjectsOf(rangeOf(subject), kind)]),
    ]);
    const hasLeft = attempts.length > 0 || timelines.some(wasAnswered);
    const asks = hasLeft ? [] : timelines.flatMap(openAsksOf);
    if (asks.length === 0) return refused('What is left of its attempts does not tell which one is gone.');
    return { outcome: 'lost', events: asks.map(({ event }) => ({ ...placeOf(event), group: 'providers' })) };
  }

  /** What can be given back of a payment. */
  async recount({ tenant, subject }: OwnedSubject): Promise<Restored> {
    const uuid = uuidIn(subject);
    if (uuid === undefined) return notOurs(subject);
    const outcome = await recountRefunds(this.#lane, { tenant, uuid });
    if (outcome === 'more')
      return refused(
        'Its refunds add up to less than was promised: one of them may be gone, and more could be given back.',
      );
    return outcome === 'corrected'
      ? corrected('What can be given back of it was counted anew from its refunds.')
      : SOUND;
  }

  /**
   * A balance is what its last posting says, if the log tells of that one, and no less is held than its open holds add up
   * to that the logs tell. Where the balance goes on behind the postings, it is the postings that are wrong, and those are
   * nobody's to make.
   */
  async recomputeBalance(account: NamedAccount): Promise<Restored> {
    const excessMinor = await this.#measureHeldExcess(account);
    if (excessMinor === undefined) return refused('The account has no balance.');
    if (excessMinor === 'too many') return refused('It has more open holds than are looked up.');
    // RS3
    if (excessMinor > 0n)
      return refused('More is held than its open holds add up to: the row of one of them may be gone.');
    const done = await this.#lane.transaction((tx) => correctUnderLock(tx, account, excessMinor));
    if (done.outcome !== 'corrected') return done;
    const left = (await this.#measureHeldExcess(account)) === 0n && (await this.#isAsPosted(account));
    return left ? done : { outcome: 'failed', detail: 'It is not what the logs say after it was corrected.' };
  }

  #measureHeldExcess(account: NamedAccount): ReturnType<typeof measureHeldExcess> {
    return this.#lane.snapshot((reader) => measureHeldExcess(reader, account));
  }

  #isAsPosted(account: NamedAccount): Promise<boolean> {
    return this.#lane.transaction(async (tx) => {
      const balance = await lockBalance(tx, account);
      return (
        balance !== undefined &&
        agreesWithPostings(balance) &&
        (await isLastPostingTold(tx, account, balance))
      );
    });
  }

  async #restore(
    kind: string,
    subject: string,
    work: (id: PaymentId | RefundId) => Promise<string>,
  ): Promise<Restored> {
    if (!isId('pay', subject) && !isId('ref', subject)) return notOurs(subject);
    const found = await inspect(this.#lane, subject);
    if (!found.some((finding) => finding.kind === kind)) return SOUND;
    const doubt = await this.#doubtAbout(subject, found);
    if (doubt !== undefined) return refused(doubt);
    const detail = await work(subject);
    const left = (await inspect(this.#lane, subject)).find((finding) => finding.kind === kind);
    return left === undefined
      ? corrected(detail)
      : { outcome: 'failed', detail: `${detail} Still: ${left.detail}` };
  }

  /** RS1: why the subject's events are not to be believed. */
  async #doubtAbout(
    subject: PaymentId | RefundId,
    found: readonly CheckedFinding[],
  ): Promise<string | undefined> {
    const broken = await findBrokenBatch(this.#lane, subject);
    if (broken !== undefined)
      return `Its events cannot be believed: the batch at ${broken} does not hash to its root.`;
    const fault = found.find((finding) => finding.check === 'sagas' && !ROWS_OF_SAGAS.test(finding.kind));
    return fault && `Its events are in doubt themselves: ${fault.kind}, ${fault.detail}`;
  }
}

function wasAnswered({ events }: SagaTimeline): boolean {
  return events.some(({ topic }) => topic === 'providers');
}

function placeOf({ topic, partition, position }: TracedEvent): Omit<GroupedEvent, 'group'> {
  return { topic, partition, position };
}

/** Of the check of sagas, what is about the coordinator's tables and not about the events. */
const ROWS_OF_SAGAS = /^(?:missing|different|extra)_(?:saga|compensation)$/;

async function expectedHoldOf(reader: Reader, subject: PaymentId | RefundId) {
  const [timeline] = await readTimelinesOf(reader, [subject], SAGA_TOPICS);
  return timeline && expectedHold(timeline);
}

interface NamedAccount {
  readonly tenant: string;
  readonly id: string;
}

async function correctUnderLock(
  tx: ModelTransaction,
  account: NamedAccount,
  heldExcessMinor: bigint,
): Promise<Restored> {
  const balance = await lockBalance(tx, account);
  if (balance === undefined) return refused('The account has no balance.');
  if (balance.sequence > (balance.lastPosting?.sequence ?? 0n))
    return refused(
      'The balance counts postings that are not there: the postings are wrong, not the balance.',
    );
  // RS4
  if (!(await isLastPostingTold(tx, account, balance)))
    return refused('The log does not tell of the last posting: the postings are in doubt.');
  return (await correctBalance(tx, account, heldExcessMinor))
    ? corrected('The balance was made what its last posting says, and its open holds add up to.')
    : refused(
        'The balance agrees with its postings and its holds, and not with the log: those are in doubt.',
      );
}

function agreesWithPostings({
  postedMinor,
  sequence,
  lastPostedAt,
  openedAt,
  lastPosting,
}: LockedBalance): boolean {
  const rests = lastPosting ?? { postedAfterMinor: 0n, sequence: 0n, postedAt: openedAt };
  return (
    postedMinor === rests.postedAfterMinor && sequence === rests.sequence && lastPostedAt === rests.postedAt
  );
}

/**
 * Whether some entry about the posting's cause has it, with its amount, sequence, instant and the balance after it: cards
 * tell of theirs themselves. Before the first posting, whether the account was opened when its row says.
 */
async function isLastPostingTold(
  tx: ModelTransaction,
  { tenant, id }: NamedAccount,
  { lastPosting, openedAt }: LockedBalance,
): Promise<boolean> {
  if (lastPosting === undefined) return isOpeningTold(tx, { tenant, id }, openedAt);
  const { causeUuid, sequence, amountMinor, postedAfterMinor, postedAt } = lastPosting;
  if (causeUuid === undefined) return false;
  const entries = await entriesAbout(tx, tenant, causeUuid);
  return entries.some(({ postings }) =>
    postings.some(
      (posting) =>
        posting.accountId === id &&
        BigInt(posting.sequence) === sequence &&
        BigInt(posting.amountMinor) === amountMinor &&
        BigInt(posting.postedAfterMinor) === postedAfterMinor &&
        posting.postedAt === postedAt,
    ),
  );
}

/** By the index on the events' subjects. */
async function isOpeningTold(
  tx: ModelTransaction,
  { tenant, id }: NamedAccount,
  openedAt: EpochMs,
): Promise<boolean> {
  const rows = await tx.query<{ occurred_at: EpochMs }>(
    `select occurred_at from ledger.events where subject = $1 and tenant = $2 and type = 'account.opened'`,
    [id, tenant],
  );
  return rows.some(({ occurred_at }) => occurred_at === openedAt);
}

/** By the indexes on the events' subjects. */
async function entriesAbout(
  tx: ModelTransaction,
  tenant: string,
  causeUuid: string,
): Promise<readonly TracedEntry[]> {
  const rows = await tx.query<{ topic: 'ledger' | 'cards'; type: string; data: string }>(
    `select 'ledger' as topic, type, data from ledger.events
     where subject = any ($1) and tenant = $3 and type = 'entry.posted'
     union all
     select 'cards', type, data from cards.events where subject = any ($2) and tenant = $3`,
    [
      (['pay', 'ref', 'cen', 'jen'] as const).map((prefix) => idOf(prefix, causeUuid)),
      (['ctx', 'ctu'] as const).map((prefix) => idOf(prefix, causeUuid)),
      tenant,
    ],
  );
  return rows.flatMap(({ topic, type, data }) => {
    const parsed = parseData(data);
    if (parsed === undefined) return [];
    return (topic === 'cards' ? cardMoneyOf({ type, tenant }, parsed).entry : entryOf(tenant, parsed)) ?? [];
  });
}

function uuidIn(subject: string): string | undefined {
  return isId('pay', subject) || isId('ref', subject) ? uuidOf(subject) : undefined;
}

function corrected(detail: string): Restored {
  return { outcome: 'corrected', detail };
}

function refused(detail: string): { readonly outcome: 'refused'; readonly detail: string } {
  return { outcome: 'refused', detail };
}

function notOurs(subject: string): ReturnType<typeof refused> {
  return refused(`${subject} is the id of no payment and no refund.`);
}
