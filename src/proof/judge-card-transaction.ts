/**
 * Card transactions and top-ups, judged by what the log says of each: the decision and the entry that carries it out are one
 * event, so it is here that they are compared. Whether entries and holds stand in the tables as told is proved elsewhere.
 *
 * J1: what is approved is spent, by one entry of the whole amount from the balance that pays to the settlement account of its
 *     currency; or set aside, by none.
 * J2: what is set aside ends once: captured by one such entry of at most the amount, or released as a whole.
 * J3: what is given back goes the other way, and all of it together is at most what was spent.
 * J4: a decline moves nothing, and nothing follows it.
 * J5: a top-up moves money from the funding account of its currency to balances of its card, each at most once.
 */
import { isId, uuidOf } from '#kernel/ids.ts';
import type { JsonObject } from '#platform/log/event.ts';
import { type CardStanding, cardStageOf } from '#sagas/card-transaction.ts';
import { amountOf, type CardEvent, entryIn, payerOf } from './card-events.ts';
import { type TracedEntry, textOf } from './event-data.ts';

export interface CardFault {
  readonly kind:
    | 'second_decision'
    | 'second_top_up'
    | 'step_out_of_order'
    | 'mismatched_entry'
    | 'mismatched_hold'
    | 'over_captured'
    | 'over_reversed';
  readonly detail: string;
}

/** A fault, and at which of the events it was met. */
export interface PlacedFault extends CardFault {
  readonly at: number;
}

/** An approval as far as it is about money. */
interface Approval {
  readonly payer: string;
  readonly currency: string;
  readonly amountMinor: number;
}

type Standing =
  /** After an approval that cannot be read, it is taken for released: nothing may follow. */
  | { readonly stage: 'undecided' | 'declined' | 'released' }
  | { readonly stage: 'held'; readonly approval: Approval }
  | {
      readonly stage: 'captured';
      readonly approval: Approval;
      readonly capturedMinor: number;
      readonly reversedMinor: number;
    };

interface Followed {
  readonly standing: Standing;
  readonly faults: readonly CardFault[];
}

/** All events of one card transaction, in the order of the log; where it stands in the end. */
export function judgeCardTransaction(
  uuid: string,
  events: readonly CardEvent[],
): { readonly standing: CardStanding; readonly faults: readonly PlacedFault[] } {
  let standing: Standing = { stage: 'undecided' };
  const faults: PlacedFault[] = [];
  for (const [at, event] of events.entries()) {
    const followed = follow(standing, event, uuid);
    standing = followed.standing;
    faults.push(...followed.faults.map((fault) => ({ ...fault, at })));
  }
  return { standing: standing.stage, faults };
}

function follow(standing: Standing, event: CardEvent, uuid: string): Followed {
  const stage = cardStageOf(event.type);
  if (stage === undefined) return { standing, faults: [] };
  if (stage.after !== standing.stage) {
    const kind = stage.after === 'undecided' ? 'second_decision' : 'step_out_of_order';
    return { standing, faults: [{ kind, detail: `${event.type} while it is ${standing.stage}` }] };
  }
  if (standing.stage === 'captured') return reversed(standing, event, uuid);
  if (standing.stage === 'held')
    return event.type === 'card.captured'
      ? captured(standing.approval, event, uuid)
      : released(standing.approval, event);
  return event.type === 'card.approved' ? approved(event, uuid) : declined(event);
}

/** J1 */
function approved({ data, tenant }: CardEvent, uuid: string): Followed {
  const approval = approvalOf(data);
  if (approval === undefined)
    return {
      standing: { stage: 'released' },
      faults: [mismatch('an approval says neither who pays nor what')],
    };
  if (!('entry' in data)) return { standing: { stage: 'held', approval }, faults: [] };
  const spent = spending(approval, uuid, approval.amountMinor);
  return {
    standing: { stage: 'captured', approval, capturedMinor: approval.amountMinor, reversedMinor: 0 },
    faults: compareEntry('the approval', entryIn(tenant, data), spent),
  };
}

function approvalOf(data: JsonObject): Approval | undefined {
  const payer = payerOf(data);
  const currency = textOf(data['currency']);
  const amountMinor = amountOf(data['amount']);
  if (payer === undefined || currency === null || amountMinor === undefined) return undefined;
  return { payer, currency, amountMinor };
}

/** J4 */
function declined({ data }: CardEvent): Followed {
  return {
    standing: { stage: 'declined' },
    faults: 'entry' in data ? [mismatch('a decline has an entry')] : [],
  };
}

/** J2 */
function captured(approval: Approval, { data, tenant }: CardEvent, uuid: string): Followed {
  const entry = entryIn(tenant, data);
  const capturedMinor = entry === undefined ? 0 : debitedBy(entry);
  const faults = [
    ...compareHold('the capture', amountOf(data['held']), approval),
    ...compareEntry('the capture', entry, spending(approval, uuid, capturedMinor)),
  ];
  if (capturedMinor > approval.amountMinor) {
    const detail = `${capturedMinor} were captured of ${approval.amountMinor} that were approved`;
    faults.push({ kind: 'over_captured', detail });
  }
  return { standing: { stage: 'captured', approval, capturedMinor, reversedMinor: 0 }, faults };
}

function debitedBy({ postings }: TracedEntry): number {
  return postings.reduce((sum, { amountMinor }) => sum + Math.max(0, -amountMinor), 0);
}

/** J2 */
function released(approval: Approval, { data }: CardEvent): Followed {
  const faults = compareHold('the release', amountOf(data['amount']), approval);
  const accountId = textOf(data['account_id']);
  if (accountId !== approval.payer) {
    const detail = `the release is of ${accountId}, the approval of ${approval.payer}`;
    faults.push({ kind: 'mismatched_hold', detail });
  }
  return { standing: { stage: 'released' }, faults };
}

/** J3 */
function reversed(
  standing: Extract<Standing, { stage: 'captured' }>,
  { data, tenant }: CardEvent,
  uuid: string,
): Followed {
  const { approval, capturedMinor } = standing;
  const amountMinor = amountOf(data['amount']) ?? 0;
  const entry = entryIn(tenant, data);
  const reversedMinor = standing.reversedMinor + amountMinor;
  const faults = compareEntry('the reversal', entry, {
    ...spending(approval, uuid, -amountMinor),
    purpose: 'card_reversal',
  });
  const reversalId = textOf(data['reversal_id']) ?? '';
  if (!isId('crv', reversalId) || entry?.uuid !== uuidOf(reversalId))
    faults.push(mismatch(`the reversal ${reversalId} has the entry ${entry?.id}`));
  if (reversedMinor > capturedMinor) {
    const detail = `${reversedMinor} were given back of ${capturedMinor} that were spent`;
    faults.push({ kind: 'over_reversed', detail });
  }
  return { standing: { ...standing, reversedMinor }, faults };
}

function compareHold(what: string, told: number | undefined, { amountMinor }: Approval): CardFault[] {
  if (told === amountMinor) return [];
  return [{ kind: 'mismatched_hold', detail: `${what} is of ${told}, the approval of ${amountMinor}` }];
}

/** What an entry must be, but for its id. */
interface Movement {
  readonly causeUuid: string;
  readonly purpose: string;
  readonly postings: readonly {
    readonly accountId: string;
    readonly amountMinor: number;
    readonly currency: string;
  }[];
}

/** From the balance that pays to the merchants; back, if negative. */
function spending({ payer, currency }: Approval, causeUuid: string, amountMinor: number): Movement {
  const postings = [
    { accountId: payer, amountMinor: -amountMinor, currency },
    { accountId: `card-settlement-${currency}`, amountMinor, currency },
  ];
  return { causeUuid, purpose: 'card', postings };
}

function compareEntry(what: string, entry: TracedEntry | undefined, expected: Movement): CardFault[] {
  if (entry === undefined) return [mismatch(`${what} has no entry`)];
  const [is, shouldBe] = [described(entry), described(expected)];
  return is === shouldBe ? [] : [mismatch(`${what} is to be posted as ${shouldBe}, its entry is ${is}`)];
}

/** The same text if they move the same for the same reason. */
function described({ causeUuid, purpose, postings }: Movement): string {
  const moved = postings.map(
    ({ accountId, amountMinor, currency }) => `${accountId} ${amountMinor} ${currency}`,
  );
  return `${purpose} of ${causeUuid}: ${moved.toSorted().join(', ')}`;
}

function mismatch(detail: string): CardFault {
  return { kind: 'mismatched_entry', detail };
}

const BALANCES = ['FOOD', 'MEAL', 'CASH'];

/** J5. All events of one top-up. */
export function judgeTopUp(id: string, events: readonly CardEvent[]): CardFault[] {
  const [first, ...others] = events;
  if (first === undefined) return [];
  const again = others.map(
    ({ type }): CardFault => ({ kind: 'second_top_up', detail: `${type} after it was made` }),
  );
  return [...topUpFaults(id, first), ...again];
}

function topUpFaults(id: string, { data, tenant }: CardEvent): CardFault[] {
  const entry = entryIn(tenant, data);
  if (entry === undefined || !isId('ctu', id)) return [mismatch('the top-up has no entry')];
  const currency = entry.postings[0]?.currency ?? '';
  const credits = entry.postings.filter(({ amountMinor }) => amountMinor > 0);
  const balances = BALANCES.map((category) => `${textOf(data['account'])}:${category}`);
  const sum = credits.reduce((total, { amountMinor }) => total + amountMinor, 0);
  const expected = {
    causeUuid: uuidOf(id),
    purpose: 'top_up',
    postings: [{ accountId: `card-funding-${currency}`, amountMinor: -sum, currency }, ...credits],
  };
  const faults = compareEntry('the top-up', entry, expected);
  const strangers = credits.filter(
    ({ accountId }, at) =>
      !balances.includes(accountId) || credits.findIndex((other) => other.accountId === accountId) < at,
  );
  for (const { accountId } of strangers)
    faults.push(mismatch(`the top-up of ${textOf(data['account'])} adds to ${accountId}`));
  for (const posting of credits.filter((each) => each.currency !== currency))
    faults.push(mismatch(`the top-up in ${currency} adds ${posting.currency} to ${posting.accountId}`));
  if (data['top_up_id'] !== id) faults.push(mismatch(`the top-up calls itself ${textOf(data['top_up_id'])}`));
  return faults;
}
