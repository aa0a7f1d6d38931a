/**
 * Compares what we say of payments and refunds with what the providers' books say, one by one (J1 … J5). It knows the
 * product by HTTP alone, and the providers by their books.
 *
 * J1: a payment is charged once if it is completed, and not at all, or for nothing net, if it ended otherwise. It is never
 *     charged twice, not even to be given back: these providers keep their word about what they have voided.
 * J2: what the providers gave back of payments on request is what we say is given back, each once.
 * J3: the money of every account is what the statuses promise; only what waits for a person is held.
 * J4: every payment and refund has one ending, one notification for each, and a verdict.
 * J5: nothing is in a book that nobody asked for, and who had not enough money was never charged.
 */
import type { GatewayCaller } from './gateway-caller.ts';
import type { BookEntry, SandboxDesk } from './sandbox-desk.ts';

export interface PaymentReading {
  readonly id: string;
  readonly status: string;
  readonly wallet_id: string;
  readonly service_id: string;
  readonly amount: number;
  readonly method: 'balance' | 'gateway';
  readonly refunded: number;
  readonly failure: { readonly code: string; readonly detail: string } | null;
}

export interface RefundReading {
  readonly id: string;
  readonly payment_id: string;
  readonly status: string;
  readonly amount: number;
  readonly failure: { readonly code: string } | null;
}

export interface Judged {
  readonly caller: GatewayCaller;
  readonly desks: readonly SandboxDesk[];
  /** Everything that was accepted, by id. */
  readonly payments: readonly string[];
  readonly refunds: readonly string[];
  /** What wallets had at first; every other account had nothing. Minor units. */
  readonly funds: ReadonlyMap<string, number>;
  /** Payments of which a person has said something else than a book does, and was believed. */
  readonly believed?: ReadonlySet<string>;
}

/** What was paid, and what is known of it. */
interface Story {
  readonly payment: PaymentReading;
  readonly refunds: readonly RefundReading[];
  readonly charges: readonly BookEntry[];
  /** By the provider, whoever asked for it. */
  readonly givenBack: readonly BookEntry[];
}

/** Ended, or waiting for a person who is told why. */
const PARKED = 'reconciliation_required';
const FINAL = new Set(['completed', 'rejected', 'declined', 'failed', 'cancelled', 'compensated']);
const AT_ONCE = 16;

/** What is wrong; nothing if nothing is. */
export async function judge(judged: Judged): Promise<string[]> {
  const book = (await Promise.all(judged.desks.map((desk) => desk.book()))).flat();
  const stories = await readStories(judged, book);
  const ids = [...judged.payments, ...judged.refunds];
  const alien = book.filter(({ reference }) => !ids.includes(reference));
  return [
    ...alien.map((entry) => `J5: nobody asked for ${JSON.stringify(entry)}`),
    ...stories.filter(({ payment }) => judged.believed?.has(payment.id) !== true).flatMap(judgeCharge),
    ...stories.flatMap(judgeRefunds),
    ...(await judgeMoney(judged, stories)),
    ...(await inTurn(ids, (id) => judgeTellings(judged.caller, id))).flat(),
  ];
}

async function readStories(
  { caller, payments, refunds }: Judged,
  book: readonly BookEntry[],
): Promise<Story[]> {
  const readRefunds = await inTurn(refunds, (id) => caller.read<RefundReading>(`/v1/refunds/${id}`));
  return inTurn(payments, async (id) => {
    const charges = book.filter(({ kind, reference }) => kind === 'charge' && reference === id);
    const keys = new Set(charges.map(({ key }) => key));
    return {
      payment: await caller.read<PaymentReading>(`/v1/payments/${id}`),
      refunds: readRefunds.filter(({ payment_id }) => payment_id === id),
      charges,
      givenBack: book.filter(({ kind, charge = '' }) => kind === 'refund' && keys.has(charge)),
    };
  });
}

// J1, J5
function judgeCharge({ payment, charges, givenBack }: Story): string[] {
  const { id, status, amount, method, failure } = payment;
  const told = `${id} (${method}, ${amount}) is ${status} ${JSON.stringify(failure)}`;
  const seen = `the books: ${JSON.stringify([...charges, ...givenBack])}`;
  const fault = (what: string): string[] => [`J1: ${told}, and ${what}; ${seen}`];
  if (!FINAL.has(status) && status !== PARKED) return fault('has no end');
  const wrong = [...charges, ...givenBack].filter(
    (entry) => entry.kind === 'charge' && entry.amount !== amount,
  );
  if (wrong.length > 0) return fault('another amount was charged');
  if (charges.filter((charge) => charge.status === 'approved').length > 1)
    return fault('it was charged twice');
  if (status === PARKED) return failure === null ? fault('nobody is told why') : [];
  const pending = [...charges, ...givenBack].filter((entry) => entry.status === 'pending');
  if (pending.length > 0) return fault('the provider has not ended');
  const kept = charges.filter(
    (charge) => charge.status === 'approved' && backOf(charge, payment, givenBack) === 0,
  );
  const half = charges.filter((charge) => ![0, charge.amount].includes(backOf(charge, payment, givenBack)));
  const expected = method === 'gateway' && status === 'completed' ? 1 : 0;
  if (kept.length !== expected || half.length > 0)
    return fault(`${kept.length} charges stand, not ${expected}`);
  const neverAsked = method === 'balance' || failure?.code.startsWith('ledger.insufficient') === true;
  return neverAsked && charges.length > 0 ? fault('a provider was asked') : [];
}

/** What was given back of the charge as a whole, because the payment does not stand. Minor units. */
function backOf(charge: BookEntry, payment: PaymentReading, givenBack: readonly BookEntry[]): number {
  return sum(
    givenBack.filter(
      (entry) =>
        entry.charge === charge.key && entry.reference === payment.id && entry.status === 'succeeded',
    ),
  );
}

// J2
function judgeRefunds({ payment, refunds, givenBack }: Story): string[] {
  const completed = refunds.filter(({ status }) => status === 'completed');
  const total = sum(completed);
  const findings = refunds.flatMap((refund) => judgeRefund(payment, refund, givenBack));
  if (total !== payment.refunded || total > payment.amount)
    findings.push(
      `J2: ${payment.id} of ${payment.amount} says ${payment.refunded} refunded, its refunds ${total}`,
    );
  return findings;
}

function judgeRefund(
  { method }: PaymentReading,
  refund: RefundReading,
  givenBack: readonly BookEntry[],
): string[] {
  const { id, status, amount } = refund;
  const entries = givenBack.filter(({ reference }) => reference === id);
  const done = entries.filter((entry) => entry.status === 'succeeded');
  const fault = (what: string): string[] => [
    `J2: ${id} of ${amount} is ${status}, and ${what}; the books: ${JSON.stringify(entries)}`,
  ];
  if (status === PARKED) return refund.failure === null ? fault('nobody is told why') : [];
  if (!FINAL.has(status)) return fault('has no end');
  if (entries.some((entry) => entry.status === 'pending')) return fault('the provider has not ended');
  const expected = method === 'gateway' && status === 'completed' ? 1 : 0;
  if (done.length !== expected || sum(done) !== expected * amount)
    return fault(`it was given back ${done.length} times`);
  return [];
}

// J3
async function judgeMoney({ caller, funds }: Judged, stories: readonly Story[]): Promise<string[]> {
  const posted = new Map(funds);
  const held = new Map<string, number>();
  for (const { payment, refunds } of stories) {
    const { wallet_id: wallet, service_id: service, amount, status } = payment;
    if (status === 'completed') move(posted, { from: wallet, to: service, amount });
    if (status === PARKED) add(held, wallet, amount);
    for (const refund of refunds) {
      if (refund.status === 'completed') move(posted, { from: service, to: wallet, amount: refund.amount });
      if (refund.status === PARKED) add(held, service, refund.amount);
    }
  }
  const accounts = [...new Set(stories.flatMap(({ payment }) => [payment.wallet_id, payment.service_id]))];
  const findings = await inTurn(accounts, async (id) => {
    const { balance } = await caller.read<{ balance: { posted: number; held: number } }>(
      `/v1/accounts/${id}`,
    );
    const expected = { posted: posted.get(id) ?? 0, held: held.get(id) ?? 0 };
    return balance.posted === expected.posted && balance.held === expected.held
      ? []
      : [`J3: ${id} has ${JSON.stringify(balance)}, the statuses promise ${JSON.stringify(expected)}`];
  });
  return findings.flat();
}

const ENDINGS = /^(payment|refund)\.(completed|rejected|declined|failed|cancelled|compensated)$/;

// J4
async function judgeTellings(caller: GatewayCaller, id: string): Promise<string[]> {
  const path = id.startsWith('pay_') ? `/v1/payments/${id}` : `/v1/refunds/${id}`;
  const { status } = await caller.read<{ status: string }>(path);
  const events = await caller.read<{ type: string }[]>(`${path}/events`);
  const told = await caller.read<{ type: string }[]>(`${path}/notifications`);
  const verdict = await caller.read<{ verdict: string; findings: { kind: string }[] }>(`${path}/verdict`);
  const types = events.map(({ type }) => type);
  const endings = types.filter((type) => ENDINGS.test(type));
  const fault = (what: string): string[] => [
    `J4: ${id} is ${status}, ${what}; its events: ${types.join(', ')}`,
  ];
  const isSound = status === PARKED ? verdict.verdict !== 'broken' : verdict.verdict === 'complete';
  if (!isSound) return fault(`its verdict is ${JSON.stringify(verdict)}`);
  const isOnce = endings.length === 1 || endings.join() === 'payment.completed,payment.compensated';
  if (status !== PARKED && !isOnce) return fault(`it ended by ${endings.join(', ') || 'nothing'}`);
  const counts = [endings, told.map(({ type }) => type)].map((list) => list.toSorted().join());
  return counts[0] === counts[1] ? [] : fault(`told of ${counts[1]}`);
}

function sum(entries: readonly { readonly amount: number }[]): number {
  return entries.reduce((total, { amount }) => total + amount, 0);
}

function move(
  posted: Map<string, number>,
  { from, to, amount }: { readonly from: string; readonly to: string; readonly amount: number },
): void {
  add(posted, from, -amount);
  add(posted, to, amount);
}

function add(sums: Map<string, number>, id: string, amount: number): void {
  sums.set(id, (sums.get(id) ?? 0) + amount);
}

/** In the order of the items, some at a time. */
export async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += AT_ONCE)
    results.push(...(await Promise.all(items.slice(first, first + AT_ONCE).map(work))));
  return results;
}
