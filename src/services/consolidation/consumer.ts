/**
 * Counts the postings of every account into its days, from the logs of the ledger and of the cards.
 *
 * C1: an account's postings are counted in its own order (line-up.ts), each once, whoever tells of it and however often.
 * C2: the accounts of a batch are locked before anything of them is read, but for those that this process remembers, which
 *     are compared when they are written (RA1): two processes share the partitions, and a payee's postings come from all.
 * C3: an event that cannot be counted stops the accounts that it posts to, and no other: what follows for them waits for
 *     its sequence, wherever it comes from. So nothing has to be parked behind it.
 * C4: an account whose figures have no room for a posting (D5) fails no batch: all that comes for it waits, and a person is told
 *     (waiting-postings.ts). Somebody's absurd amounts are no rain of dead letters, which would hold up everybody's.
 */
import type { EpochMs } from '#kernel/clock.ts';
import { Fault } from '#kernel/fault.ts';
import type { Consumer, ConsumerPlan } from '#platform/batch/consumer.ts';
import { eventIdentity, type LogEvent } from '#platform/log/event.ts';
import type { BatchTransaction } from './batch-transaction.ts';
import {
  type Counted,
  countPostings,
  type DayRef,
  type DaysFound,
  movementsOf,
  NO_DAYS,
} from './count-postings.ts';
import { KnownNames } from './known-names.ts';
import { type AccountState, type LinedUp, lineUp } from './line-up.ts';
import {
  type AccountFacts,
  type AccountName,
  nameText,
  openedBy,
  type Posting,
  postingsOf,
  TOLD,
} from './posting.ts';
import { RememberedAccounts } from './remembered-accounts.ts';
import {
  loadClosings,
  loadDays,
  lockAccounts,
  noteChange,
  reserveChange,
  saveCounted,
  saveFacts,
} from './store.ts';
import { deleteWaiting, saveWaiting } from './waiting-store.ts';

export const GROUP = 'consolidation';
export const READ_TOPICS = ['ledger', 'cards'] as const;

export interface Loaded {
  /** In the order of their names, which is everybody's. */
  readonly linedUp: readonly LinedUp[];
  readonly days: DaysFound;
  readonly opened: readonly { readonly key: bigint; readonly facts: AccountFacts }[];
  /** The number of this commit. */
  readonly change: bigint;
}

export interface Plan
  extends ConsumerPlan,
    Omit<Counted, 'reopened'>,
    Pick<Loaded, 'linedUp' | 'opened' | 'change'> {
  readonly now: EpochMs;
}

/** What a process knows of accounts from its own commits. */
export interface Memory {
  readonly names: KnownNames;
  readonly accounts: RememberedAccounts;
}

export function noMemory(): Memory {
  return { names: new KnownNames(), accounts: new RememberedAccounts() };
}

export function consolidationConsumer(): Consumer<Loaded, Plan> {
  const memory = noMemory();
  return {
    group: GROUP,
    topics: READ_TOPICS,
    emits: 'consolidation',
    handles: TOLD,
    // C3: of a key nothing else is parked.
    parkingKeyOf: eventIdentity,
    // A report may be a second old; the fewer commits, the fewer versions (D2).
    paceMs: 250,
    batchMax: 4000,
    load: (tx, events) => loadEvents(tx, events, memory),
    decide: (loaded, _events, now) => decide(loaded, now),
    save,
    committed(plan) {
      memory.names.add(plan.linedUp.map(({ account }) => account));
      memory.accounts.committed(plan);
    },
  };
}

/** What has come for an account. */
interface Arrival {
  readonly name: AccountName;
  opened?: AccountFacts;
  readonly postings: Posting[];
}

/** By `nameText`, in its order, which is everybody's. */
function arrivalsIn(events: readonly LogEvent[]): ReadonlyMap<string, Arrival> {
  const arrivals = new Map<string, Arrival>();
  const arrivalOf = ({ tenant, id }: AccountName): Arrival => {
    const text = nameText({ tenant, id });
    let arrival = arrivals.get(text);
    if (arrival === undefined) arrivals.set(text, (arrival = { name: { tenant, id }, postings: [] }));
    return arrival;
  };
  for (const event of events) {
    const opened = openedBy(event);
    if (opened !== undefined) arrivalOf(opened).opened = opened;
    for (const { account, posting } of postingsOf(event)) arrivalOf(account).postings.push(posting);
  }
  return new Map([...arrivals].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** C2 */
export async function loadEvents(
  tx: BatchTransaction,
  events: readonly LogEvent[],
  { names: known, accounts: remembered }: Memory,
): Promise<Loaded> {
  remembered.begin();
  const arrivals = arrivalsIn(events);
  if (arrivals.size === 0) return { linedUp: [], days: NO_DAYS, opened: [], change: 0n };
  const others = new Map<string, Arrival>();
  const atHand: (LinedUp | undefined)[] = [];
  for (const [text, arrival] of arrivals) {
    const found = remembered.take(text, arrival.postings);
    atHand.push(found);
    if (found === undefined) others.set(text, arrival);
  }
  const names = [...others.values()].map(({ name }) => name);
  const unknown = names.filter((name) => !known.has(name));
  const [change, accounts] = await Promise.all([reserveChange(tx), lockAccounts(tx, names, unknown)]);
  if (accounts.length < names.length) {
    known.clear();
    throw new Fault('an account that was there is gone', { transient: true });
  }
  const { linedUp: found, days, opened } = await loadLinedUp(tx, accounts, others);
  const loaded = new Map(found.map((each) => [nameText(each.account), each]));
  const linedUp = [...arrivals.keys()].map((text, index) => atHand[index] ?? (loaded.get(text) as LinedUp));
  return { linedUp, days, opened, change };
}

/** What waits for the accounts, which are named in order, is counted as far as it can be; for who has no event to hand. */
export async function loadNames(tx: BatchTransaction, names: readonly AccountName[]): Promise<Loaded> {
  const [change, accounts] = await Promise.all([reserveChange(tx), lockAccounts(tx, names, [])]);
  return { ...(await loadLinedUp(tx, accounts, new Map())), change };
}

async function loadLinedUp(
  tx: BatchTransaction,
  accounts: readonly AccountState[],
  arrivals: ReadonlyMap<string, Arrival>,
): Promise<Omit<Loaded, 'change'>> {
  const opened: { key: bigint; facts: AccountFacts }[] = [];
  const linedUp = accounts.map((account) => {
    const arrival = arrivals.get(nameText(account));
    const facts = account.facts ?? arrival?.opened;
    if (account.facts === undefined && facts !== undefined) opened.push({ key: account.key, facts });
    return lineUp({ ...account, facts }, arrival?.postings ?? []);
  });
  const wanted = linedUp.map((each) => movementsOf(each).map(({ day }) => ({ key: each.account.key, day })));
  const late = linedUp.flatMap(({ account }, index) => lateDay(account, wanted[index]?.[0]));
  const [days, closings] = await Promise.all([loadDays(tx, wanted.flat()), loadClosings(tx, late)]);
  return { linedUp, days: { days, closings }, opened };
}

function lateDay({ lastDay }: AccountState, first: DayRef | undefined): DayRef[] {
  return first === undefined || lastDay === null || lastDay <= first.day ? [] : [first];
}

export function decide({ linedUp, days, opened, change }: Loaded, now: EpochMs): Plan {
  const { reopened, ...counted } = countPostings(linedUp, days, now);
  const { full } = counted;
  return { ...counted, drafts: reopened, linedUp: leaving(linedUp, full), opened, change, now };
}

/** As `decide`, for who has no event to hand: what has no room would wait as it did before, so that is a failure. */
export function decideWaiting(loaded: Loaded, now: EpochMs): Plan {
  const plan = decide(loaded, now);
  if (plan.full.length > 0) throw new Fault('days have no room for what waits', { transient: false });
  return plan;
}

/** C4. What waits is written behind the lock of its account: one that is remembered is locked and loaded by the next try (RA2). */
function leaving(linedUp: readonly LinedUp[], full: readonly LinedUp[]): readonly LinedUp[] {
  if (full.length === 0) return linedUp;
  if (full.some(({ account }) => account.change !== undefined))
    throw new Fault('an account that is remembered has no room', { transient: true });
  const left = new Set(full);
  return linedUp.map((each) => (left.has(each) ? waitingWhole(each) : each));
}

function waitingWhole({ account, next, early }: LinedUp): LinedUp {
  const known = new Set(account.waiting.map(({ sequence }) => sequence));
  return { account, next: [], early: [...next.filter(({ sequence }) => !known.has(sequence)), ...early] };
}

export function save(tx: BatchTransaction, plan: Plan): void {
  const { linedUp, change, now } = plan;
  saveFacts(tx, plan.opened);
  const drained = linedUp.filter(({ account, next }) => account.waiting.length > 0 && next.length > 0);
  deleteWaiting(
    tx,
    drained.map(({ account, next }) => ({ key: account.key, sequence: (next.at(-1) as Posting).sequence })),
  );
  const early = linedUp.filter((each) => each.early.length > 0);
  saveWaiting(
    tx,
    early.flatMap((each) => each.early.map((posting) => ({ key: each.account.key, posting }))),
  );
  noteChange(
    tx,
    early.map(({ account }) => account.key),
    change,
  );
  saveCounted(tx, plan, { now, change });
}
